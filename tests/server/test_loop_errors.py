"""What goes wrong in a loop: every message says which node, what, and what to do; the next prompt works."""

from __future__ import annotations

from typing import Any

import pytest

from comfy_client import Client, NodeError, Result
from loop_graph import Arithmetic, LoopGraph, random, zero_order


def failed(client: Client, graph: LoopGraph | Arithmetic) -> tuple[NodeError, Result]:
    result = client.run(graph)
    assert result.status == "error"
    client.run(Arithmetic("a")).check()
    return result.error, result


def test_a_node_that_fails_on_one_candidate(client: Client) -> None:
    """The host gives its own message, at Close; which candidate it was stands on that node and in the log."""
    graph = Arithmetic("1 / (a - 9002)", seed=9000)
    error, result = failed(client, graph)
    assert (error.node_id, error.node_type) == (graph.close.id, "SearchLoopClose")
    assert "division by zero" in error.exception_message
    texts = [event.data["bytes"] for event in result.events if event.type == "binary"]
    assert texts[-1].endswith(b"candidate 2 (seed 9002) of 4")


def test_after_a_failure_the_other_candidates_are_kept(client: Client) -> None:
    graph = Arithmetic("1 / (a - 9102)", seed=9100)
    failed(client, graph)
    again = client.run(graph)
    assert len([data for data in again.of("executing") if data.get("display_node") == graph.formula.id]) == 1


def test_a_score_that_does_not_depend_on_the_candidate(client: Client) -> None:
    graph = LoopGraph()
    score = graph.score(graph.decoded(graph.ksampler(graph.loader, seed=1)))
    graph.shown(graph.close(graph.open(), score, score))
    error, _ = failed(client, graph)
    assert "does not depend on the candidate. Connect the seed of Search Loop Open" in error.exception_message


def test_zero_order_around_a_sampler_that_takes_a_seed(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop(**zero_order(2, 2, 0.9))
    graph.shown(loop.close.out(3))
    error, _ = failed(client, graph)
    assert f"Search Loop Close (node {loop.close.id}): zero-order" in error.exception_message
    assert "Connect the noise of Search Loop Open to a SamplerCustomAdvanced" in error.exception_message


@pytest.mark.parametrize(
    ("method", "name", "value", "message"),
    [
        (random(4), "method.candidates", 0, "candidates is 0, but it has to be at least 1"),
        (zero_order(2, 2, 0.9), "method.neighbors", 0, "neighbors is 0"),
        (zero_order(2, 2, 0.9), "method.cosine", 1.5, "cosine is 1.5"),
        (random(4), "patience", -1, "patience is -1, but it has to be at least 0"),
        (random(4), "max_seconds", -1.5, "max_seconds is -1.5, but it has to be at least 0"),
    ],
)
def test_settings_through_a_wire_are_checked(
    client: Client, method: dict[str, Any], name: str, value: float, message: str
) -> None:
    graph = Arithmetic("a", seed=9300, **method)
    number = graph.node("ComfyMathExpression", expression=str(value), **{"values.a": 0})
    graph.prompt[graph.close.id]["inputs"][name] = number.out(0 if isinstance(value, float) else 1)
    error, _ = failed(client, graph)
    assert message in error.exception_message


def test_a_list_that_comes_into_the_loop_from_the_side(client: Client) -> None:
    graph = LoopGraph("a red circle", "a blue square")
    loop = graph.loop(seed=9400)
    graph.shown(loop.close.out(3))
    error, _ = failed(client, graph)
    assert "candidate 0 (seed 9400) has 2 results" in error.exception_message
    assert "Connect the list to `value` of Search Loop Open" in error.exception_message


def test_a_score_that_is_typed_in(client: Client) -> None:
    graph = Arithmetic("a")
    graph.prompt[graph.close.id]["inputs"]["score"] = 0.5
    error, _ = failed(client, graph)
    assert "the score is not connected" in error.exception_message
