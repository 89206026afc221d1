"""Nodes of the pack that are bypassed (Ctrl+B), as the front end then writes the prompt: the rest runs as if they were
not there, and says so."""

from __future__ import annotations

import pytest

from comfy_client import Client
from comfy_server import Server
from loop_graph import LoopGraph
from shapes_graph import SEED, ShapesGraph, difference, pictures, reports


def without(graph: ShapesGraph, node: str, *names: str) -> None:
    """Leave links out."""
    for name in names:
        del graph.prompt[node]["inputs"][name]


def test_a_search_without_its_verifier(client: Client, server: Server) -> None:
    graph = ShapesGraph()
    search = graph.search()
    without(graph, search.id, "verifier")
    sampled = graph.ksampler(search)
    saved, stock = graph.saved(sampled), graph.saved(graph.ksampler(graph.loader))
    shown = graph.report(sampled, search)
    result = client.run(graph).check()
    assert difference(pictures(client, result, saved), pictures(client, result, stock)) == 0
    told = f"Random Search (node {search.id}): no verifier is connected, so the sampler runs without a search."
    assert told in reports(result, shown)[0]["note"]
    assert told in server.log_text()
    assert any(told in notice["text"] for notice in result.of("noise_search.notice"))


@pytest.mark.parametrize("left", [(), (1,)], ids=["of all judges", "of the first judge"])
def test_an_ensemble_without_some_of_its_loaders(client: Client, left: tuple[int, ...]) -> None:
    graph = ShapesGraph()
    judges = {f"verifiers.verifier{at}": graph.verifier for at in left}
    search = graph.search(verifier=graph.node("EnsembleVerifier", combine="rank mean", **judges))
    shown = graph.report(graph.ksampler(search), search)
    (report,) = reports(client.run(graph).check(), shown)
    assert ("no verifier is connected" in report["note"]) if not left else len(report["candidates"]) == 4


def test_verifier_score_without_its_verifier(client: Client, server: Server) -> None:
    graph = ShapesGraph(images=2)
    decoded = graph.decoded(graph.ksampler(graph.loader))
    score = graph.node("VerifierScore", images=decoded, prompt="")
    scores, best = graph.node("PreviewAny", source=score), graph.node("PreviewAny", source=score.out(2))
    result = client.run(graph).check()
    assert result.text(scores) == "0.00.0"
    assert result.text(best) == "0"
    assert "Verifier Score: no verifier is connected" in server.log_text()


@pytest.mark.parametrize("missing", ["flow", "score"])
def test_a_loop_without_its_beginning_or_its_score(client: Client, server: Server, missing: str) -> None:
    graph = LoopGraph()
    loop = graph.loop()
    without(graph, loop.close.id, missing)
    if missing == "flow":
        graph.prompt[loop.sampled.id]["inputs"]["seed"] = SEED
    report = graph.node("SearchReport", latent=loop.close, search=loop.close.out(1))
    saved = graph.node("SaveImage", images=report, filename_prefix="test")
    shown = graph.node("PreviewAny", source=report.out(6))
    stock = graph.saved(graph.ksampler(graph.loader))
    result = client.run(graph).check()
    assert difference(pictures(client, result, saved), pictures(client, result, stock)) == 0
    told = f"Search Loop Close (node {loop.close.id}): nothing is connected to {missing}"
    assert told in reports(result, shown)[0]["note"]
    assert told in server.log_text()


def test_a_loop_without_a_result(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop()
    without(graph, loop.close.id, "result")
    graph.shown(loop.close)
    error = client.run(graph).error
    assert error is not None
    assert "nothing is connected to result. Connect what to keep" in error.exception_message


def test_a_report_past_a_loop_that_is_bypassed(client: Client) -> None:
    """Of the types of its inputs, ComfyUI takes the one of `result` to fit for `search`."""
    graph = LoopGraph()
    loop = graph.loop()
    report = graph.node("SearchReport", latent=loop.decoded, search=loop.decoded.out(0))
    saved = graph.node("SaveImage", images=report, filename_prefix="test")
    shown = graph.node("PreviewAny", source=report.out(6))
    result = client.run(graph).check()
    assert len(client.images(result, saved)) == 1
    assert "is bypassed" in reports(result, shown)[0]["note"]
