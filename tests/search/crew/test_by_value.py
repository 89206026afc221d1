"""What goes to others by value: exactly what is plain, and a search with it finds what it finds with all nodes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

import in_process
from comfy_graph import Graph
from noise_search.cluster import worker

NODES = {
    "1": {"class_type": "Loader", "inputs": {"name": "model"}},
    "2": {"class_type": "Loader", "inputs": {"name": "encoder"}},
    "3": {"class_type": "Encode", "inputs": {"clip": ["2", 0], "text": "a"}},
    "4": {"class_type": "Combine", "inputs": {"one": ["3", 0], "control": ["5", 0]}},
    "5": {"class_type": "Loader", "inputs": {"name": "control"}},
    "6": {"class_type": "Sample", "inputs": {"model": ["1", 0], "positive": ["4", 0], "negative": ["3", 0]}},
}
TEXT = [[torch.rand(1, 7, 8), {"pooled_output": torch.rand(1, 8), "guidance": 3.5, "area": (1, 2, 3, 4)}]]


@pytest.fixture
def by_value(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    mappings = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    for name in ("Loader", "Encode", "Combine", "Sample"):
        monkeypatch.setitem(mappings, name, SimpleNamespace(INPUT_TYPES=dict))
    return importlib.import_module("noise_search.search.crew.by_value")


def given(by_value: Any, made: dict[tuple[str, int], Any]) -> dict[str, Any]:
    return by_value.given(NODES, "6", lambda node, slot: made.get((node, slot)))


def classes(nodes: dict[str, Any]) -> list[str]:
    return sorted(node["class_type"] for node in nodes.values())


def test_where_nobody_knows_a_value_all_nodes_are_sent(by_value: Any) -> None:
    assert given(by_value, {}) == NODES


def test_a_conditioning_takes_the_place_of_all_that_made_it(by_value: Any) -> None:
    found = given(by_value, {("4", 0): TEXT, ("3", 0): TEXT})
    assert classes(found) == ["Loader", by_value.NODE, "Sample"]
    inputs = found["6"]["inputs"]
    assert inputs["positive"] == inputs["negative"], "the same value goes once"
    assert inputs["model"] == ["1", 0]
    assert NODES["6"]["inputs"]["negative"] == ["3", 0], "the prompt itself stays"
    told = found[inputs["positive"][0]]["inputs"]
    wire = importlib.import_module("noise_search.search.crew.wire")
    assert str(wire.value_from_wire(told["value"])) == str(TEXT)


def test_what_has_an_object_in_it_goes_by_its_nodes(by_value: Any) -> None:
    with_control = [[TEXT[0][0], {**TEXT[0][1], "control": object()}]]
    found = given(by_value, {("4", 0): with_control, ("3", 0): TEXT, ("2", 0): object(), ("5", 0): object()})
    assert classes(found) == ["Combine", "Loader", "Loader", by_value.NODE, "Sample"]
    assert {found[node]["inputs"]["name"] for node in found if found[node]["class_type"] == "Loader"} == {
        "model",
        "control",
    }


def test_another_value_has_another_key(by_value: Any) -> None:
    def key(value: Any) -> str:
        return given(by_value, {("3", 0): value})["6"]["inputs"]["negative"][0]

    assert key(TEXT) == key([[TEXT[0][0].clone(), dict(TEXT[0][1])]])
    others = [TEXT[0][0] + 1e-6, TEXT[0][0].double(), TEXT[0][0].reshape(1, 8, 7)]
    changed = [[[other, TEXT[0][1]]] for other in others] + [[[TEXT[0][0], {**TEXT[0][1], "guidance": 3.0}]]]
    assert len({key(TEXT), *map(key, changed)}) == 1 + len(changed)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "a text",
        7,
        {"samples": object()},
        torch.nn.Parameter(torch.rand(2)),
        torch.rand(2, 2).to_sparse(),
        torch.rand(2, device="meta"),
        [torch.rand(2), {1, 2}],
    ],
    ids=["nothing", "a text", "a number", "an object", "a parameter", "sparse", "meta", "a set"],
)
def test_what_is_not_given(by_value: Any, value: Any) -> None:
    assert not by_value.is_given(value)


def test_what_is_too_large_is_not_given(by_value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_value, "MOST_BYTES", 16)
    assert by_value.is_given({"samples": torch.zeros(4)})
    assert not by_value.is_given({"samples": torch.zeros(5)})


@pytest.mark.parametrize("hidden", [{"prompt": "PROMPT"}, {"dynprompt": ("DYNPROMPT",)}], ids=str)
def test_a_node_that_looks_at_the_whole_prompt_gets_all_of_it(
    by_value: Any, monkeypatch: pytest.MonkeyPatch, hidden: dict[str, Any]
) -> None:
    mappings = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    monkeypatch.setitem(mappings, "Sample", SimpleNamespace(INPUT_TYPES=lambda: {"hidden": hidden}))
    assert given(by_value, {("3", 0): TEXT}) == NODES


@pytest.fixture
def host(pack: Any, tmp_path: Path) -> Iterator[Any]:
    """With ComfyUI's default cache, and a worker's node."""
    execution = importlib.import_module("execution")
    executor = partial(execution.PromptExecutor, cache_type=execution.CacheType.RAM_PRESSURE)
    mappings = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    with in_process.host(tmp_path) as host, patch.object(execution, "PromptExecutor", executor):
        with patch.dict(mappings, {worker.VALUE: worker.Value}):
            yield host


def search(judge: str = "brightness") -> Graph:
    """The prompt is empty, so a judge that needs one judges by what the sampler draws."""
    graph = Graph()
    verifier = graph.node("TestVerifier", kind=judge)
    settings = {"candidates": 3, "pruning": "none", "max_seconds": 0.0, "batch_size": 0, "prompt": ""}
    model = graph.node("TestModel", kind="FLOW")
    searched = graph.node("RandomSearch", model=model, vae=graph.node("TestVAE"), verifier=verifier, **settings)
    sides = {name: graph.node("TestConditioning", seed=at) for at, name in enumerate(("positive", "negative"))}
    latent = graph.node("EmptyLatentImage", width=64, height=64, batch_size=1)
    solver = {"seed": 5, "steps": 4, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    sampled = graph.node("KSampler", model=searched, latent_image=latent, **sides, **solver)
    graph.node("TestKeep", value0=sampled)
    return graph


def id_of(nodes: dict[str, Any], class_type: str) -> str:
    return next(node for node, one in nodes.items() if one["class_type"] == class_type)


def test_an_errand_with_values_scores_what_the_search_does(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patches, seam, wire = (
        importlib.import_module(f"noise_search.search.{name}") for name in ("patch", "crew.seam", "crew.wire")
    )
    graph, seen = search(), []
    sampler = id_of(graph.prompt, "KSampler")
    plain = patches._Searching._search

    def watched(self: Any, plan: Any, call: Any, judge: Any, *more: Any) -> Any:
        nodes = {node: one for node, one in graph.prompt.items() if one["class_type"] != "TestKeep"}
        found = plain(self, plan, call, judge, *more)
        seen.append((self._given(nodes, sampler, judge.prompt), found[0].reports[0]))
        return found

    monkeypatch.setattr(patches._Searching, "_search", watched)
    assert host.run(graph.prompt).error is None
    ((nodes, report),) = seen
    assert classes(nodes) == sorted(
        ["KSampler", worker.VALUE, worker.VALUE, worker.VALUE, "RandomSearch", "TestModel", "TestVAE", "TestVerifier"]
    )
    recipes = tuple((one.recipe,) for one in report.candidates)
    errand = seam.Errand(sampler, id_of(nodes, "RandomSearch"), 0, seam.Piece(recipes, (0, 1, 2), 4))
    fresh = worker.Worker("", [])._given(nodes)
    fresh["keep"] = {"class_type": "TestKeep", "inputs": {"value0": [sampler, 0]}}
    with patch.object(seam.CREWS, "errand", errand):
        assert host.run(fresh).error is None
    assert errand.is_done
    scored = wire.lines_read(errand.lines)
    assert [sum(one.scores.values()) for (one,) in scored] == pytest.approx(
        [one.score for one in report.candidates], abs=1e-6
    )
    assert set(worker.Value.held) == {
        one["inputs"]["key"] for one in nodes.values() if one["class_type"] == worker.VALUE
    }


def test_the_text_that_was_drawn_goes_with_them(host: Any) -> None:
    patches = importlib.import_module("noise_search.search.patch")
    nodes = search("needy").prompt
    searching = SimpleNamespace(prompt="", plan=SimpleNamespace(node=id_of(nodes, "RandomSearch")))
    sampler = id_of(nodes, "KSampler")
    found = patches._Searching._given(searching, nodes, sampler, "a red circle")
    assert found[searching.plan.node]["inputs"]["prompt"] == "a red circle"
    assert nodes[searching.plan.node]["inputs"]["prompt"] == ""
    as_it_is = patches._Searching._given(searching, nodes, sampler, "a {red|blue} circle")
    assert as_it_is is nodes, "its choices would be read as some"
