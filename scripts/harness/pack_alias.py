"""Makes the repository importable as the package `noise_search`, without running its entry point."""

from __future__ import annotations

import sys
import types

from layout import ROOT

PACK = "noise_search"


def register() -> None:
    """The root's __init__ needs ComfyUI; what lies below it is imported as usual."""
    if PACK not in sys.modules:
        pack = types.ModuleType(PACK)
        pack.__path__ = [str(ROOT)]
        sys.modules[PACK] = pack
