"""A queued prompt is known by what ComfyUI makes of it, whether it has done so already or not."""

from __future__ import annotations

import asyncio
import copy
import importlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("comfy")


class Takes:
    RETURN_TYPES = ("LATENT",)
    FUNCTION = "take"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        kinds = {"whole": "INT", "number": "FLOAT", "text": "STRING", "flag": "BOOLEAN", "free": "*"}
        given = {name: (kind, {}) for name, kind in kinds.items()}
        chosen = {"chosen": (["a", "b"], {}), "several": ("COMBO", {"options": ["a", "b"], "multiselect": True})}
        return {"required": {}, "optional": given | chosen, "hidden": {"own": "UNIQUE_ID"}}


@pytest.fixture(autouse=True)
def known_nodes(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    monkeypatch.setitem(known, "Takes", Takes)
    node = importlib.import_module("noise_search.nodes.loop").SearchLoopClose
    monkeypatch.setitem(known, node.__name__, node)


def module() -> Any:
    return importlib.import_module("noise_search.search.host.converted")


def signature(nodes: dict[str, Any]) -> str:
    return importlib.import_module("noise_search.search.host.graph").signature(nodes, "1")


def validated(nodes: dict[str, Any]) -> dict[str, Any]:
    """What ComfyUI itself makes of them."""
    after = copy.deepcopy(nodes)
    validate = importlib.import_module("execution").validate_prompt("a prompt", after, None)
    with ThreadPoolExecutor(1) as other:
        is_valid, error, *_ = other.submit(asyncio.run, validate).result()
    assert is_valid, error
    return after


SENT = [
    {"whole": "13"},
    {"whole": 7.9},
    {"whole": True},
    {"number": "1e-3"},
    {"number": 7},
    {"text": 1},
    {"text": 2.0},
    {"text": None},
    {"flag": "false"},
    {"flag": ""},
    {"flag": 0},
    {"free": 7.0},
    {"free": "07"},
    {"chosen": "b"},
    {"several": {"__value__": ["a", "b"]}},
    {"text": {"__value__": "x"}},
    {"unknown": "5", "own": 3},
]


@pytest.mark.parametrize("inputs", SENT, ids=str)
def test_a_node_is_known_by_what_comfyui_makes_of_its_inputs(inputs: dict[str, Any]) -> None:
    nodes = {"1": {"class_type": "Takes", "inputs": inputs, "_meta": {"title": "a title"}}}
    after = validated(nodes)
    assert module().converted("Takes", inputs) == after["1"]["inputs"]
    assert module().converted("Takes", after["1"]["inputs"]) == after["1"]["inputs"]
    assert signature(after) == signature(nodes)


@pytest.mark.parametrize(("one", "other"), [({"text": "1"}, {"text": "1.0"}), ({"flag": ""}, {"flag": "false"})])
def test_what_comfyui_tells_apart_stays_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    nodes = [{"1": {"class_type": "Takes", "inputs": inputs}} for inputs in (one, other)]
    assert signature(nodes[0]) != signature(nodes[1])


def test_inputs_that_depend_on_another_are_converted_too() -> None:
    sent = {"method": "random", "method.candidates": "12", "patience": 3.0}
    made = module().converted("SearchLoopClose", sent)
    assert made == {"method": "random", "method.candidates": 12, "patience": 3}
    assert [type(value) for value in made.values()] == [str, int, int]


@pytest.mark.parametrize("inputs", [{"whole": "many"}, {"number": {}}, {"whole": float("inf")}, {"whole": ["2", 0]}])
def test_what_can_not_be_converted_stays(inputs: dict[str, Any]) -> None:
    assert module().converted("Takes", inputs) == inputs


@pytest.mark.parametrize("class_type", ["Gone", None, 5])
def test_a_node_that_is_not_known_keeps_its_inputs(class_type: Any) -> None:
    assert module().converted(class_type, {"seed": "5"}) == {"seed": "5"}


def test_nodes_are_replaced_as_comfyui_does_and_the_prompt_stays_as_it_is() -> None:
    io = importlib.import_module("comfy_api.latest").io
    manager = importlib.import_module("app.node_replace_manager").NodeReplaceManager()
    manager.register(
        io.NodeReplace("Takes", "Old", None, [{"new_id": "whole", "old_id": "count"}], [{"new_idx": 0, "old_idx": 1}])
    )
    nodes = {
        "1": {"class_type": "Old", "inputs": {"count": "3"}, "_meta": {}},
        "2": {"class_type": "Takes", "inputs": {"free": ["1", 1]}, "_meta": {}},
        "3": {"class_type": "Never there", "inputs": {}, "_meta": {}},
    }
    before = copy.deepcopy(nodes)
    after = module().replaced(nodes, SimpleNamespace(node_replace_manager=manager))
    assert nodes == before
    assert (after["1"]["class_type"], after["1"]["inputs"]) == ("Takes", {"whole": "3"})
    assert after["2"]["inputs"] == {"free": ["1", 0]}
    manager.apply_replacements(before)
    assert after == before
