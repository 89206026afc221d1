"""The pure part of the pack: it works where there is no ComfyUI."""

from __future__ import annotations

import subprocess
import sys

import imports
from layout import ROOT

PURE = (
    *(
        imports.dotted(path)
        for path in imports.modules(*(f"search/{room}" for room in ("methods", "records", "pictures")))
    ),
    *("search.steps.pilot", "search.steps.spacing", "search.steps.allocation"),
    *("search.stopping", "search.history.ledger", "search.board.remaining", "verifiers.base"),
)
IMPORT = """
import importlib, sys, types

class NoComfy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "nodes"):
            raise AssertionError(f"imports {name}")

sys.meta_path.insert(0, NoComfy())
pack = sys.modules["noise_search"] = types.ModuleType("noise_search")
pack.__path__ = [sys.argv[1]]
for module in sys.argv[2:]:
    importlib.import_module(f"noise_search.{module}")
"""


def test_the_pure_modules_import_without_comfyui() -> None:
    command = [sys.executable, "-c", IMPORT, str(ROOT), *PURE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent, check=False)
    assert done.returncode == 0, done.stderr


def test_the_guard_of_the_test_above_sees_a_host_module() -> None:
    command = [sys.executable, "-c", IMPORT, str(ROOT), "search.sampling.source"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent, check=False)
    assert "imports comfy" in done.stderr
