"""Candidates that fail on a real server, in a search and in a loop: the others go on, and all is said."""

from __future__ import annotations

import pytest

from comfy_client import Client
from comfy_graph import Node
from loop_graph import LoopGraph
from shapes_graph import ShapesGraph, pictures, reports

REASONS = {"nan": "NaN or infinite values", "0": "in one single color"}


def odd_vae(graph: ShapesGraph, value: str, *numbers: int) -> Node:
    return graph.node("TestOddVAE", vae=graph.loader.out(2), value=value, spoiled=" ".join(map(str, numbers)))


@pytest.mark.parametrize("value", REASONS)
def test_a_search_goes_on_without_them(odd_client: Client, value: str) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=6, vae=odd_vae(graph, value, 1, 4))
    sampled = graph.ksampler(search, seed=31_000)
    shown, saved = graph.report(sampled, search), graph.saved(sampled)
    result = odd_client.run(graph).check()
    (report,) = reports(result, shown)
    assert [one["index"] for one in report["candidates"] if one["score"] is None] == [1, 4]
    assert all(REASONS[value] in report["candidates"][index]["failed"] for index in (1, 4))
    assert report["failed"].startswith("2 of 6 candidates failed: ")
    assert report["best"]["index"] not in (1, 4)
    assert report["nfe"]["search"] == 6 * graph.steps
    assert pictures(odd_client, result, saved).any()


def test_when_that_without_search_and_most_others_fail_the_prompt_does(odd_client: Client) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(candidates=4, vae=odd_vae(graph, "nan", 0, 1, 3)), seed=32_000))
    result = odd_client.run(graph)
    assert result.error.node_type == "KSampler"
    assert "the VAE gave NaN or infinite values for candidate 0, as some do" in result.error.exception_message
    assert "3 of 4 candidates failed" in result.error.exception_message


@pytest.mark.parametrize("value", REASONS)
def test_a_loop_goes_on_without_them(odd_client: Client, value: str) -> None:
    graph = LoopGraph()
    vae, opened = odd_vae(graph, value, 0, 3), graph.open(33_000)
    decoded = graph.node("VAEDecode", samples=graph.ksampler(graph.loader, opened.out(1)), vae=vae)
    close = graph.close(opened, graph.score(decoded), decoded, **{"method.candidates": 5})
    saved = graph.node("SaveImage", images=close, filename_prefix="loop")
    shown = graph.reported(close)
    result = odd_client.run(graph).check()
    (report,) = reports(result, shown)
    assert [one["index"] for one in report["candidates"] if one["score"] is None] == [0, 3]
    assert all(REASONS[value] in report["candidates"][index]["failed"] for index in (0, 3))
    assert report["best"]["index"] in (1, 2, 4)
    assert pictures(odd_client, result, saved).any()


def test_a_loop_in_which_most_fail_says_so(odd_client: Client) -> None:
    graph = LoopGraph()
    vae, opened = odd_vae(graph, "nan", 0, 1, 2), graph.open(34_000)
    decoded = graph.node("VAEDecode", samples=graph.ksampler(graph.loader, opened.out(1)), vae=vae)
    graph.shown(graph.close(opened, graph.score(decoded), decoded).out(3))
    error = odd_client.run(graph).error
    assert "Search Loop Close (node" in error.exception_message
    assert "3 of 4 candidates failed: the loop gave an image with NaN" in error.exception_message
