"""Searches over wordings and noises together, on a real server: the picture carries the wording, and is made again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfy_client import Client
from comfy_graph import Node
from kept_winners import METHODS, carried, run, search
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports

VARIANTS = "a blue square right of a red circle\n{a green cross|a yellow triangle} above a blue circle"
TEXTS = [
    "a blue square right of a red circle",
    *(f"a {one} above a blue circle" for one in ("green cross", "yellow triangle")),
]


def variants(graph: ShapesGraph) -> Node:
    return graph.node("PromptVariants", clip=graph.loader.out(1), variants=VARIANTS)


def worded(graph: ShapesGraph, method: str, **given: Any) -> Node:
    found = search(graph, method)
    graph.prompt[found.id]["inputs"] |= {"positives": [variants(graph).id, 0]} | given
    return found


@pytest.mark.parametrize("method", METHODS)
def test_the_picture_of_every_method_carries_its_wording_and_is_made_again(client: Client, method: str) -> None:
    graph = ShapesGraph(steps=6)
    # the sampler's own caption is judged by something that its wordings alone can please
    found = worded(graph, method, prompt=TEXTS[0])
    sampled = graph.ksampler(found, seed=4400)
    saved, shown = graph.saved(sampled), graph.report(sampled, found)
    result = run(client, graph)
    (winner,), (report,) = carried(client, result, saved), reports(result, shown)
    assert {one["recipe"].get("wording", "") for one in report["candidates"]} <= {"", *TEXTS}
    assert len({one["recipe"].get("wording", "") for one in report["candidates"]}) > 1
    assert winner["best"]["recipe"] == report["best"]["recipe"]

    again = ShapesGraph(steps=6)
    replay = again.node(
        "ReplayNoise", recipe=json.dumps(report["best"]["recipe"]), model=again.loader, positives=variants(again)
    )
    remade = again.saved(again.ksampler(replay.out(1), seed=1))
    repeated = client.run(again).check()
    assert difference(pictures(client, repeated, remade), pictures(client, result, saved)) <= ROUNDING


def test_more_candidates_run_only_the_new_ones(client: Client) -> None:
    def searched(candidates: int) -> dict[str, Any]:
        graph = ShapesGraph(steps=4)
        found = graph.search(candidates, positives=variants(graph).out(0))
        shown = graph.report(graph.ksampler(found, 4500), found)
        return reports(client.run(graph).check(), shown)[0]

    first, second = searched(4), searched(8)
    assert second["nfe"]["search"] in (4 * 4, 5 * 4), "the winner may have to run again"
    assert [one["recipe"] for one in second["candidates"][:4]] == [one["recipe"] for one in first["candidates"]]


def test_each_image_of_a_batch_has_a_wording_of_its_own_choice(client: Client) -> None:
    graph = ShapesGraph(steps=4, images=2)
    found = graph.search(8, positives=variants(graph).out(0))
    sampled = graph.ksampler(found, 4600)
    saved, shown = graph.saved(sampled), graph.report(sampled, found)
    result = client.run(graph).check()
    assert len(pictures(client, result, saved)) == len(reports(result, shown)) == 2


def test_without_the_variants_the_search_is_as_ever(client: Client) -> None:
    """As when Prompt Variants is bypassed."""
    graph = ShapesGraph(steps=4)
    found = graph.search(3)
    shown = graph.report(graph.ksampler(found, 4700), found)
    (report,) = reports(client.run(graph).check(), shown)
    assert all("wording" not in one["recipe"] for one in report["candidates"])


def test_no_variants_are_an_error_on_their_node(client: Client) -> None:
    graph = ShapesGraph()
    empty = graph.node("PromptVariants", clip=graph.loader.out(1), variants=" \n ")
    graph.saved(graph.ksampler(graph.search(positives=empty.out(0))))
    error = client.run(graph).error
    assert error.node_id == empty.id and "there are no variants" in error.exception_message
