"""Searches that stop when an image is good enough, on a real server."""

from __future__ import annotations

import pytest

from comfy_client import Client
from loop_graph import Arithmetic, LoopGraph
from noise_search.search.records.target import HOLDS
from shapes_graph import ShapesGraph, reports

STEPS = 4


def test_a_search_stops_at_the_first_image_that_reaches_the_target_and_goes_on_without(client: Client) -> None:
    def searched(**given: object) -> dict:
        graph = ShapesGraph(steps=STEPS)
        search = graph.search(8, batch_size=1, **given)
        shown = graph.report(graph.ksampler(search, 8800), search)
        return reports(client.run(graph).check(), shown)[0]

    cheap = searched(target="-100")
    assert (cheap["stopped"], cheap["target"], cheap["nfe"]["search"]) == ("target", -100, STEPS)
    every = searched()
    scores = [one["score"] for one in every["candidates"]]
    assert len(scores) == 8 and every["nfe"]["search"] in (7 * STEPS, 8 * STEPS), "one is known from before"
    target = sorted(scores)[4] - 1e-4
    again = searched(target=target)
    assert again["stopped"] == "target"
    assert again["best"]["index"] == next(at for at, score in enumerate(scores) if score >= target)


def test_a_loop_stops_there_too(client: Client) -> None:
    graph = Arithmetic("a", seed=5, candidates=20, target=8)
    result = client.run(graph).check()
    assert [float(result.text(node)) for node in graph.shown] == [8.0, 8.0, 8.0]


@pytest.mark.parametrize(
    ("target", "message"),
    [("soon", "target is 'soon', but it has to be a score"), (HOLDS, "is a number only. Connect a Verifier Score")],
)
def test_a_target_that_can_not_be_reached_is_an_error_on_the_loop(client: Client, target: str, message: str) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=3, candidates=2, target=target, steps=2)
    graph.reported(loop.close)
    assert message in client.run(graph).error.exception_message
