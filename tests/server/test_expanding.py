"""Samplers in nodes that expand, and in the loops of other packs: recipes in the picture, scores that are kept."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

import expanding_nodes
from comfy_client import Client, Result
from comfy_graph import Node
from comfy_server import serve
from layout import custom_nodes
from shapes_graph import ShapesGraph

STEPS = 4
Sampling = Callable[..., Node]  # (graph, search, seed) -> the node that expands


@pytest.fixture(scope="module")
def expanding(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with nodes that expand, in a pack that is loaded after this one."""
    packs = custom_nodes() | {"z-expanding": Path(expanding_nodes.__file__).parent}
    with serve(comfyui, tmp_path_factory.mktemp("expanding_server"), packs=packs) as server:
        yield Client(server.url)


def given(graph: ShapesGraph) -> dict[str, Any]:
    return {"positive": graph.positive, "negative": graph.negative}


def expander(kind: str, **settings: Any) -> Sampling:
    def sampling(graph: ShapesGraph, search: Node, seed: int) -> Node:
        return graph.node(kind, model=search, seed=seed, latent_image=graph.latent, **given(graph), **settings)

    return sampling


def while_loop(graph: ShapesGraph, search: Node, seed: int) -> Node:
    begin = graph.node("TestWhileOpen", times=3, latent=graph.latent)
    sampled = graph.ksampler(search, seed, latent_image=begin.out(2))
    return graph.node("TestWhileClose", flow=begin, times=begin.out(1), latent=sampled)


SAMPLINGS = {  # and how many samplers there are
    "one": (expander("TestOneSampler"), 1),
    "two": (expander("TestTwoSamplers"), 2),
    "nested": (expander("TestNested"), 1),
    "itself": (expander("TestTimes", times=3), 3),
    "while": (while_loop, 3),
}


def winners_in(client: Client, result: Result, saved: Node) -> list[dict[str, Any]]:
    text = Image.open(io.BytesIO(client.images(result, saved)[0])).text
    return json.loads(text.get("noise_search", "[]"))


def run(client: Client, graph: ShapesGraph, sampled: Node, prefix: str = "test") -> tuple[list[dict[str, Any]], Result]:
    """The winners in the picture, and what ran."""
    saved = graph.node("SaveImage", images=graph.decoded(sampled), filename_prefix=prefix)
    result = client.run(graph, extra_data={"extra_pnginfo": {"workflow": {"id": "expanding"}}}).check()
    return winners_in(client, result, saved), result


def searched(
    client: Client, name: str, seed: int, candidates: int = 4, prefix: str = "test", **settings: Any
) -> tuple[list[dict[str, Any]], Node, Result]:
    """The winners in the picture, the node that expands, and what ran."""
    graph = ShapesGraph(steps=STEPS)
    search = graph.search(candidates, **settings)
    sampled = SAMPLINGS[name][0](graph, search, seed)
    winners, result = run(client, graph, sampled, prefix)
    return winners, sampled, result


@pytest.mark.parametrize("name", SAMPLINGS)
def test_the_picture_carries_the_winners_of_all_samplers(expanding: Client, name: str) -> None:
    winners, sampled, _ = searched(expanding, name, seed=1000)
    first = {winner["sampler"] for winner in winners[: -2 if name == "while" else None]}
    assert len(winners) == SAMPLINGS[name][1]
    assert winners[-1]["sampler"] == sampled.id
    assert len(first) == 1  # of a loop, the sampler that was queued and runs first
    assert {len(winner["best"]["recipe"]) for winner in winners} == {2}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_a_picture_saved_when_the_node_is_cached_carries_them_too(expanding: Client, name: str) -> None:
    first, *_ = searched(expanding, name, seed=2000, prefix="first")
    again, sampled, result = searched(expanding, name, seed=2000, prefix="again")
    assert sampled.id not in result.executed
    assert again == first
    assert len(first) == SAMPLINGS[name][1]


@pytest.mark.parametrize("name", SAMPLINGS)
def test_searching_again_leaves_no_winners_of_before(expanding: Client, name: str) -> None:
    searched(expanding, name, seed=3000)
    winners, *_ = searched(expanding, name, seed=3001)
    assert len(winners) == SAMPLINGS[name][1]


@pytest.mark.parametrize("name", SAMPLINGS)
def test_a_repeat_runs_the_new_candidates_only(expanding: Client, name: str) -> None:
    """One by one, so that the winner of before is the same to the last bit when it runs once more."""
    few, *_ = searched(expanding, name, seed=4000, candidates=4, batch_size=1)
    more, *_ = searched(expanding, name, seed=4000, candidates=6, batch_size=1)
    assert [winner["nfe"]["search"] for winner in few] == [4 * STEPS] * SAMPLINGS[name][1]
    for before, after in zip(few, more, strict=True):
        again = 0 if after["best"]["index"] > 3 else STEPS
        assert after["nfe"]["search"] == 2 * STEPS + again
        if before["best"]["recipe"] != after["best"]["recipe"] and name in ("itself", "while"):
            break  # what follows goes on from another picture


def test_another_setting_of_what_expands_runs_all_again(expanding: Client) -> None:
    searched(expanding, "nested", seed=5000)
    graph = ShapesGraph("a blue square", steps=STEPS)
    search = graph.search(prompt="a red circle left of a blue square")
    (winner,), _ = run(expanding, graph, SAMPLINGS["nested"][0](graph, search, 5000))
    assert winner["nfe"]["search"] == 4 * STEPS


def test_the_two_samplers_of_a_node_do_not_answer_for_each_other(expanding: Client) -> None:
    few, *_ = searched(expanding, "two", seed=6000)
    more, *_ = searched(expanding, "two", seed=6000, candidates=5)
    assert few[0]["best"]["score"] != few[1]["best"]["score"]
    for before, after in zip(few, more, strict=True):
        if before["best"]["recipe"] == after["best"]["recipe"]:
            assert after["best"]["score"] == pytest.approx(before["best"]["score"])


def test_a_node_in_a_search_loop_that_expands_leaves_the_loops_winner_alone(expanding: Client) -> None:
    graph = ShapesGraph(steps=STEPS)
    begin = graph.node("SearchLoopOpen", seed=7)
    inner = graph.search(2)
    sampled = expander("TestNested")(graph, inner, begin.out(1))  # type: ignore[arg-type]
    decoded = graph.decoded(sampled)
    score = graph.node("VerifierScore", images=decoded, verifier=graph.verifier, prompt=graph.caption)
    method = {"method": "random", "method.candidates": 3}
    close = graph.node("SearchLoopClose", flow=begin, score=score, result=decoded, **method)
    saved = graph.node("SaveImage", images=close, filename_prefix="loop")
    result = expanding.run(graph, extra_data={"extra_pnginfo": {"workflow": {"id": "loop"}}}).check()
    (winner,) = winners_in(expanding, result, saved)
    assert (winner["sampler"], winner["node"]) == (close.id, close.id)


CONVERTED = {  # an input of a TestMany as it is sent, and as it could be sent as well
    "text for a whole number": ("whole", "12", 12),
    "a fraction for a whole number": ("whole", 12.75, 12),
    "text for a number": ("number", "7", 7.0),
    "a whole number for a number": ("number", 7, 7.0),
    "a number for a text": ("text", 3.5, "3.5"),
    "text for a flag": ("flag", "false", True),
    "a number for a flag": ("flag", 0, False),
    "a wrapped value": ("text", {"__value__": 5}, "5"),
}


@pytest.mark.parametrize("kind", CONVERTED)
def test_a_value_that_comfyui_converts_does_not_lose_the_recipe(expanding: Client, kind: str) -> None:
    name, sent, other = CONVERTED[kind]
    found = []
    for prefix, value in (("a", sent), ("b", sent), ("c", other)):
        graph = ShapesGraph(steps=STEPS)
        search = graph.search(2)
        latent = graph.node("TestMany", latent=graph.latent, **{name: value})
        seed = 8000 + list(CONVERTED).index(kind)
        sampled = graph.ksampler(search, seed, latent_image=latent)
        winners, result = run(expanding, graph, sampled, prefix)
        found.append(winners)
    assert sampled.id not in result.executed
    assert len(found[0]) == 1
    assert found == [found[0]] * 3


@pytest.mark.parametrize("seed", ["9001", 9001.0])
def test_a_seed_that_comfyui_converts_does_not_lose_the_recipe(expanding: Client, seed: Any) -> None:
    found = []
    for prefix in ("a", "b"):
        graph = ShapesGraph(steps=STEPS)
        search = graph.search("3")
        sampled = graph.ksampler(search, seed, cfg="1", steps="4")
        found.append(run(expanding, graph, sampled, prefix)[0])
    assert len(found[0]) == 1
    assert found[1] == found[0]


def test_a_node_that_comfyui_replaces_does_not_lose_the_recipe(expanding: Client) -> None:
    found = []
    for prefix in ("a", "b"):
        graph = ShapesGraph(steps=STEPS)
        search = graph.search(2)
        sampled = graph.ksampler(search, 9100)
        graph.prompt[sampled.id]["class_type"] = "TestOldSampler"
        winners, result = run(expanding, graph, sampled, prefix)
        found.append(winners)
    assert sampled.id not in result.executed
    assert len(found[0]) == 1
    assert found[1] == found[0]


def test_what_another_pack_writes_into_the_prompt_counts(expanding: Client) -> None:
    """As it stands in the prompt that runs, whether it was sent like that or not."""
    found = []
    for prefix, caption in (("a", "%caption%"), ("b", "%caption%"), ("c", expanding_nodes.CAPTIONS[0])):
        graph = ShapesGraph(caption, steps=STEPS)
        search = graph.search(2, prompt="a star")
        sampled = graph.ksampler(search, 9200)
        winners, result = run(expanding, graph, sampled, prefix)
        found.append(winners)
    assert sampled.id not in result.executed
    assert len(found[0]) == 1
    assert found == [found[0]] * 3
