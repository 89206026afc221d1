"""Who has not turned it on imports nothing of it; who has, and lacks Ray, is told and searches here."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest

import imports


def test_nobody_imports_ray_or_the_engine_by_being_there() -> None:
    for path in imports.modules("search", "nodes", "verifiers", "cluster"):
        assert "ray" not in imports.foreign(path, at_the_start=True), path
    above = [path for path in imports.modules("search", "verifiers") for name in imports.own(path) if "cluster" in name]
    assert above == []


def test_without_ray_the_board_says_so_and_the_search_runs_here(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    crew = importlib.import_module("noise_search.nodes").open_crew({"spread": "all GPUs here"})
    handed = crew.start(None, [], 8)
    (note,) = handed.wait(0)
    assert note.text.startswith("All candidates ran on this GPU")
    assert 'pip install "ray' in note.text


def test_what_a_worker_lacks_is_named(comfy: Any) -> None:
    differences = importlib.import_module("noise_search.cluster.machines").differences
    here = {"ComfyUI": "0.30.0", "torch": "2.9", "Noise Search": "a", "nodes": ["KSampler"]}
    here["files"] = {"checkpoints/a.safetensors": 10, "loras/b.safetensors": 5}
    assert differences(here, here) == []
    there = {**here, "torch": "2.8", "nodes": [], "files": {"loras/b.safetensors": 4}}
    assert differences(here, there) == [
        "torch is 2.8 there and 2.9 here",
        "the node KSampler is not installed",
        "checkpoints/a.safetensors is not there",
        "loras/b.safetensors has 4 bytes there and 5 here",
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--cpu", "--port", "8189"], ["--cpu"]),
        (["--cuda-device=1", "--base-directory", "/x"], ["--base-directory", "/x"]),
        (["--enable-manager", "--fp32-vae", "--listen", "0.0.0.0"], ["--fp32-vae"]),
    ],
)
def test_a_worker_starts_as_the_users_comfyui_did(comfy: Any, given: list[str], kept: list[str]) -> None:
    assert importlib.import_module("noise_search.cluster.worker").kept(given) == kept


def test_what_a_worker_uses_of_the_pack_is_loaded_there_with_its_nodes() -> None:
    files = {imports.dotted(path): path for path in imports.modules("search", "nodes", "verifiers", "demo")}
    asked = re.findall(r'loaded\("([\w.]+)"\)', (imports.ROOT / "cluster/worker.py").read_text())
    reached: set[str] = set()
    waiting = ["nodes"]
    while waiting:
        name = waiting.pop()
        if name in files and name not in reached:
            reached.add(name)
            waiting += imports.own(files[name])
    assert asked
    assert set(asked) <= reached
