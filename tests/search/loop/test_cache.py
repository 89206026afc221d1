"""What the candidates of a loop have made does not stay in ComfyUI's default cache."""

from __future__ import annotations

import importlib
import threading
import weakref
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

MADE: list[weakref.ref[torch.Tensor]] = []
IMAGE = {"class_type": "TestImage", "inputs": {"seed": ["open", 1]}}


class Image:
    """An image of its own for each time it runs, which it remembers as long as somebody holds it."""

    RETURN_TYPES, FUNCTION = ("IMAGE", "FLOAT"), "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"seed": ("INT", {"max": 2**40})}}

    def make(self, seed: int) -> tuple[torch.Tensor, float]:
        image = torch.full((1, 8, 8, 3), 0.5)
        MADE.append(weakref.ref(image))
        return image, -abs(seed - 102.0)


class Show:
    """An output node."""

    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "show", True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": ("*", {})}}

    def show(self, value: Any) -> dict[str, Any]:
        return {"ui": {"held": [sum(made() is not None for made in MADE)]}}


@pytest.fixture
def executor(comfy: ModuleType, pack: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """ComfyUI's own, with its default cache, without a server."""
    host = importlib.import_module("nodes")
    loop, parts = (importlib.import_module(f"noise_search.nodes.{name}") for name in ("loop", "loop_parts"))
    ours = [loop.SearchLoopOpen, loop.SearchLoopClose, *parts.NODES]
    known = {node.GET_SCHEMA().node_id: node for node in ours} | {"TestImage": Image, "TestShow": Show}
    for name, node in known.items():
        monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, name, node)
    folders = importlib.import_module("folder_paths")
    monkeypatch.setattr(folders, "get_system_user_directory", lambda name: str(tmp_path / name))
    MADE.clear()
    execution = importlib.import_module("execution")
    server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *message: None)
    memory = {"ram": 0.0, "ram_inactive": 0.0, "lru": 0}
    return execution.PromptExecutor(server, execution.CacheType.RAM_PRESSURE, memory)


def held(executor: Any, prompt: dict[str, Any]) -> int:
    """Run the prompt; how many images were still held at its end, when its output node ran."""
    run = threading.Thread(target=executor.execute, args=(prompt, "a prompt", {}, ["show"]))
    run.start()
    run.join()
    assert executor.success, executor.status_messages[-1]
    return executor.history_result["outputs"]["show"]["held"][0]


def loop(candidates: int, image: dict[str, Any] = IMAGE) -> dict[str, Any]:
    method = {"method": "random", "method.candidates": candidates}
    ends = {"flow": ["open", 0], "score": ["image", 1], "result": ["image", 0]}
    return {
        "open": {"class_type": "SearchLoopOpen", "inputs": {"seed": 100}},
        "image": image,
        "close": {"class_type": "SearchLoopClose", "inputs": ends | method},
        "show": {"class_type": "TestShow", "inputs": {"value": ["close", 0]}},
    }


def test_only_the_best_candidate_s_image_is_held(executor: Any) -> None:
    assert held(executor, loop(candidates=8)) == 1
    assert len(MADE) == 8


def test_a_loop_in_a_loop_holds_the_best_of_each_only(executor: Any) -> None:
    inner = loop(candidates=3)
    inner["open"]["inputs"]["seed"] = ["outer", 1]
    outer = {
        "outer": {"class_type": "SearchLoopOpen", "inputs": {"seed": 90}},
        "around": {"class_type": "SearchLoopClose", "inputs": dict(inner["close"]["inputs"])},
    }
    outer["around"]["inputs"] |= {"flow": ["outer", 0], "score": ["close", 3], "result": ["close", 0]}
    outer["around"]["inputs"]["method.candidates"] = 6
    outer["show"] = {"class_type": "TestShow", "inputs": {"value": ["around", 0]}}
    assert held(executor, inner | outer) <= 2
    assert len(MADE) >= 6


def test_what_the_prompt_has_made_outside_stays_in_the_cache(executor: Any) -> None:
    prompt = loop(candidates=4)
    prompt["plain"] = {"class_type": "TestImage", "inputs": {"seed": 101}}
    prompt["also"] = {"class_type": "TestShow", "inputs": {"value": ["plain", 0]}}
    for expected in (4, 4):
        run = threading.Thread(target=executor.execute, args=(prompt, "a prompt", {}, ["also", "show"]))
        run.start()
        run.join()
        assert executor.success
        assert len(MADE) == expected, "candidate 1 has the seed of the plain one"
