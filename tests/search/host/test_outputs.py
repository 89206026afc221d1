"""What nodes have given is found while their prompt runs, in ComfyUI's default cache."""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FOUND: list[Any] = []
ASKED = [("1", 0), ("1", 1), ("1", 2), ("1", 3), ("3", 0), ("9", 0)]


class Give:
    """A value, a list that others run over, and nothing."""

    RETURN_TYPES, OUTPUT_IS_LIST, FUNCTION = ("INT", "INT", "INT"), (False, True, True), "give"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"number": ("INT", {})}}

    def give(self, number: int) -> tuple[int, list[int], list[int]]:
        return number, [number, number], []


class Look:
    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "look", True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": ("INT", {})}}

    def look(self, value: int) -> dict[str, Any]:
        outputs = importlib.import_module("noise_search.search.host.outputs")
        FOUND[:] = [outputs.made(*asked) for asked in ASKED]
        return {}


PROMPT = {
    "1": {"class_type": "TestGive", "inputs": {"number": 7}},
    "2": {"class_type": "TestLook", "inputs": {"value": ["1", 0]}},
    "3": {"class_type": "TestGive", "inputs": {"number": 8}},
}


def seen(comfy: ModuleType, monkeypatch: pytest.MonkeyPatch, cache: str) -> list[Any]:
    execution, mappings = importlib.import_module("execution"), importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    for name, node in {"TestGive": Give, "TestLook": Look}.items():
        monkeypatch.setitem(mappings, name, node)
    server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *message: None)
    memory = {"ram": 0.0, "ram_inactive": 0.0, "lru": 0}
    executor = execution.PromptExecutor(server, cache_type=execution.CacheType[cache], cache_args=memory)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, executor.execute_async(PROMPT, "a prompt", {}, ["2"])).result()
    assert executor.success
    return FOUND


def test_a_value_is_found_and_no_list_and_nothing_that_has_not_run(
    comfy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(comfy, monkeypatch, "RAM_PRESSURE") == [7, None, None, None, None, None]
    assert importlib.import_module("noise_search.search.host.outputs").cache() is None, "when it has ended"


def test_another_cache_is_left_alone(comfy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(comfy, monkeypatch, "CLASSIC") == [None] * len(ASKED)
