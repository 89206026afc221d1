"""Makes the repository importable as the package `noise_search`, without running its entry point."""

from __future__ import annotations

import sys
import types

from layout import ROOT

PACK = "noise_search"


def register() -> None:
    """`noise_search` is the root, `noise_search.demo` the demo; both __init__ files need a running ComfyUI."""
    if PACK in sys.modules:
        return
    pack, demo = types.ModuleType(PACK), types.ModuleType(f"{PACK}.demo")
    pack.__path__, demo.__path__ = [str(ROOT)], [str(ROOT / "demo")]
    pack.demo = demo
    sys.modules[PACK], sys.modules[f"{PACK}.demo"] = pack, demo
