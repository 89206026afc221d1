"""The ground the other tests stand on."""

from __future__ import annotations

from pathlib import Path


def test_the_pack_is_importable_without_its_entry_point():
    from noise_search.verifiers.base import Verifier

    assert Verifier.__module__ == "noise_search.verifiers.base"


def test_comfyui_runs_in_this_process(comfy, comfyui: Path):
    import comfy.model_management
    import nodes

    assert Path(nodes.__file__) == comfyui / "nodes.py"
    assert comfy.model_management.get_torch_device().type == "cpu"
