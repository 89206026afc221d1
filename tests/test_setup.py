"""The ground the other tests stand on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from layout import ROOT


def test_the_pack_is_importable_without_its_entry_point():
    from noise_search.verifiers.base import Verifier

    assert Verifier.__module__ == "noise_search.verifiers.base"


def test_comfyui_runs_in_this_process(comfy, comfyui: Path):
    import comfy.model_management
    import nodes

    assert Path(nodes.__file__) == comfyui / "nodes.py"
    assert comfy.model_management.get_torch_device().type == "cpu"


def test_the_pure_parts_import_without_comfyui():
    """In a process that can't import any of ComfyUI."""
    code = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules |= dict.fromkeys(["comfy", "nodes", "comfy_api", "folder_paths", "server"])
import pack_alias
pack_alias.register()
import importlib
for name in sys.argv[2:]:
    importlib.import_module(f"noise_search.{name}")
"""
    pure = ["noise", "recipe", "random", "zero_order", "paths", "pruning", "budget", "schedule", "report", "plot"]
    there = [f"search.{name}" for name in pure if (ROOT / "search" / f"{name}.py").is_file()]
    subprocess.run([sys.executable, "-c", code, str(ROOT / "scripts"), "verifiers.base", *there], check=True)
