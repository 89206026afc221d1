"""Searches over wordings and noises together, on a real server: the picture carries the wording, and is made again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfy_client import Client
from comfy_graph import Node
from kept_winners import METHODS, carried, run, search
from loop_graph import LoopGraph, times, zero_order
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


def in_loop(seed: int, candidates: int) -> tuple[LoopGraph, Any]:
    graph = LoopGraph(steps=4)
    words = {"positive": graph.positive, "positives": variants(graph)}
    return graph, graph.loop(seed, candidates, **words)


def test_a_loop_searches_wordings_and_runs_only_the_new_candidates(client: Client) -> None:
    graph, loop = in_loop(4800, 5)
    saved, shown = graph.node("SaveImage", images=loop.close, filename_prefix="test"), graph.reported(loop.close)
    result = client.run(graph).check()
    (report,) = reports(result, shown)
    said = [one["recipe"].get("wording", "") for one in report["candidates"]]
    assert "its wording, in the recipe" in " ".join(report["notes"])
    assert said[0] == "" and sorted(said[1:4]) == sorted(TEXTS) and said[4] in {"", *TEXTS}
    best = report["best"]["recipe"]

    stock = ShapesGraph(steps=4)
    text = best.get("wording") or stock.caption
    encoded = stock.node("CLIPTextEncode", clip=stock.loader.out(1), text=text)
    alone = stock.saved(stock.ksampler(stock.loader, best["seed"], positive=encoded))
    again = pictures(client, client.run(stock).check(), alone)
    assert difference(pictures(client, result, saved), again) <= ROUNDING

    graph, loop = in_loop(4800, 7)
    shown = graph.reported(loop.close)
    result = client.run(graph).check()
    (more,) = reports(result, shown)
    assert [one["recipe"] for one in more["candidates"][:5]] == [one["recipe"] for one in report["candidates"]]
    assert times(result, loop.sampled) <= 2 + 1, "the winner may have to run again"


def test_noises_of_a_loop_come_with_wordings(client: Client) -> None:
    graph = LoopGraph(steps=4)
    opened = graph.open(4850, positive=graph.positive, positives=variants(graph))
    guider = graph.node("BasicGuider", model=graph.loader, conditioning=opened.out(5))
    decoded = graph.decoded(graph.guided(guider, opened.out(3)))
    shown = graph.reported(graph.close(opened, graph.score(decoded), decoded, **zero_order(2, 2, 0.9)))
    (report,) = reports(client.run(graph).check(), shown)
    recipes = [one["recipe"] for one in report["candidates"]]
    assert len(recipes) == 5 and all(one["moves"] for one in recipes[1:])
    assert sorted({one.get("wording", "") for one in recipes}) == ["", *sorted(TEXTS)]


def test_another_list_of_wordings_is_searched_anew(client: Client) -> None:
    """A wording may say another thing than its text did: by another encoder."""
    graph, loop = in_loop(4800, 5)
    other = graph.node("PromptVariants", clip=graph.loader.out(1), variants=TEXTS[1])
    graph.prompt[loop.open.id]["inputs"]["positives"] = [other.id, 0]
    graph.reported(loop.close)
    assert times(client.run(graph).check(), loop.sampled) >= 5


def test_wordings_that_a_loop_does_not_use_are_an_error(client: Client) -> None:
    graph, loop = in_loop(4900, 3)
    graph.prompt[loop.sampled.id]["inputs"]["positive"] = [graph.positive.id, 0]
    graph.reported(loop.close)
    error = client.run(graph).error
    assert error.node_id == loop.close.id and "the score does not depend on them" in error.exception_message
    graph, loop = in_loop(4900, 3)
    graph.prompt[loop.sampled.id]["inputs"]["seed"] = 7
    graph.reported(loop.close)
    error = client.run(graph).error
    assert error.node_id == loop.close.id and "does not depend on the candidate" in error.exception_message
    graph, loop = in_loop(4900, 3)
    del graph.prompt[loop.open.id]["inputs"]["positive"]
    graph.reported(loop.close)
    error = client.run(graph).error
    assert error.node_id == loop.open.id and "the prompt itself is missing" in error.exception_message
