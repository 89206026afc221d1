"""What a sampler's scores are kept under, where the sampler is in what a node has expanded into."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("comfy")


class Expander:
    """Not run here: what it has expanded into is put into the prompt by hand."""

    RETURN_TYPES = ("LATENT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model": ("MODEL",), "style": ("STRING", {})}}


class Moody(Expander):
    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        return float("nan")


@pytest.fixture(autouse=True)
def known_nodes(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    monkeypatch.setitem(known, "Expander", Expander)
    monkeypatch.setitem(known, "Moody", Moody)
    search = importlib.import_module("noise_search.nodes.searches.random_search").RandomSearch
    monkeypatch.setitem(known, "RandomSearch", search)


class Made:
    """Loader -> Random Search -> Expander, and what that expands into: nodes, an id and its class, and the inputs of
    each. A node may be expanded by another: `parents`."""

    def __init__(self, kind: str = "Expander", style: str = "plain", candidates: int = 4, verifier: str = "a") -> None:
        prompt = {
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a model.safetensors"}},
            "2": {"class_type": "RandomSearch", "inputs": {"model": ["1", 0], "prompt": verifier}},
            "3": {"class_type": kind, "inputs": {"model": ["2", 0], "style": style}},
        }
        prompt["2"]["inputs"]["candidates"] = candidates
        self.graph = importlib.import_module("comfy_execution.graph").DynamicPrompt(json.loads(json.dumps(prompt)))

    def add(self, node_id: str, parent: str = "3", kind: str = "KSampler", **inputs: Any) -> None:
        self.graph.add_ephemeral_node(node_id, {"class_type": kind, "inputs": inputs}, parent, parent)

    def key(self, sampler: str, search: str = "2") -> str | None:
        sampler_key = importlib.import_module("noise_search.search.history.keys").sampler_key
        with ThreadPoolExecutor(1) as other:
            made = sampler_key(self.graph, "a prompt", sampler, search, "Random Search (node 2)")
            return other.submit(asyncio.run, made).result()


def objects() -> dict[str, Any]:
    """Others at each call, as in another run of the prompt."""
    return {"model": object(), "positive": [[torch.zeros(1, 2), {}]], "latent_image": {"samples": torch.zeros(1, 4)}}


def linked(**inputs: Any) -> dict[str, Any]:
    return {"model": ["2", 0], "steps": 4, **inputs}


def key(node_id: str = "3.x", inputs: Any = None, **settings: Any) -> str | None:
    made = Made(**settings)
    made.add(node_id, **(linked() if inputs is None else inputs))
    return made.key(node_id)


@pytest.mark.parametrize("given", [linked, objects])
def test_neither_ids_nor_the_number_of_candidates_count(given: Any) -> None:
    assert key("3.x", given()) is not None
    assert key("3.x", given()) == key("another id", given()) == key("3.x", given(), candidates=9)


@pytest.mark.parametrize("given", [linked, objects])
def test_the_settings_of_the_sampler_and_of_the_search_count(given: Any) -> None:
    assert len({key(inputs=given()), key(inputs=given() | {"steps": 5}), key(inputs=given(), verifier="b")}) == 3


def test_the_settings_of_what_expands_count_where_it_gives_objects() -> None:
    assert key(inputs=linked(), style="bold") == key(inputs=linked())
    assert key(inputs=objects(), style="bold") != key(inputs=objects())


def test_two_that_were_given_objects_have_keys_of_their_own() -> None:
    made = [Made(), Made()]
    for run, graph in enumerate(made):
        graph.add(f"{run}.a", **objects())
        graph.add(f"{run}.b", **objects())
    keys = [[graph.key(f"{run}.{node}") for node in "ab"] for run, graph in enumerate(made)]
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]


def test_an_expander_in_an_expander_counts_by_what_it_was_given() -> None:
    def nested(style: str, inner: str) -> str | None:
        made = Made(style=style)
        made.add("3.x", kind="Expander", model=object(), style=inner)
        made.add("3.x.y", parent="3.x", **objects())
        return made.key("3.x.y")

    assert nested("plain", "plain") == nested("plain", "plain")
    assert len({nested("plain", "plain"), nested("bold", "plain"), nested("plain", "bold")}) == 3


def test_a_loop_that_expands_itself_counts_its_rounds() -> None:
    def rounds() -> list[str | None]:
        made, parent = Made(), "3"
        for _ in range(3):
            again = f"{parent}.again"
            made.add(f"{parent}.sampler", parent=parent, **objects())
            made.add(again, parent=parent, kind="Expander", model=object(), latent=[f"{parent}.sampler", 0])
            parent = again
        return [made.key(node) for node in made.graph.ephemeral_prompt if node.endswith("sampler")]

    assert len(set(rounds())) == 3
    assert rounds() == rounds()


def test_a_search_that_is_expanded_beside_its_sampler() -> None:
    def both(candidates: int, model: Any) -> str | None:
        made = Made()
        made.add("3.s", kind="RandomSearch", model=model, prompt="a", candidates=candidates)
        made.add("3.k", model=["3.s", 0], latent_image={"samples": torch.zeros(1)})
        return made.key("3.k", "3.s")

    assert both(4, ["1", 0]) == both(8, ["1", 0]) is not None
    assert both(4, object()) == both(8, object()) is not None


@pytest.mark.parametrize("kind", ["Moody", "Expander"])
def test_what_may_be_something_else_each_time_is_said(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A node that says so and gives objects; objects that nobody has given."""
    made = Made(kind)
    made.add("3.x", **objects())
    if kind == "Expander":
        made.graph.get_node("3")["inputs"]["style"] = object()
    with caplog.at_level(logging.INFO):
        assert made.key("3.x") is None
    assert f"node 3 ({kind}) may give something else each time" in caplog.text
