"""An empty prompt on a search is the text that the sampler draws, wherever that is in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from comfy_client import Client
from comfy_graph import Node
from shapes_graph import SEED, ShapesGraph, reports

DRAWN = "a (red:1.3) circle"
JUDGED = "a red circle"


def judged(client: Client, make: Callable[[ShapesGraph, Node], Node], prompt: str = "") -> list[dict[str, Any]]:
    """The reports of a search whose sampler `make` puts behind it."""
    graph = ShapesGraph(DRAWN)
    search = graph.search(3, prompt=prompt)
    shown = graph.report(make(graph, search), search)
    return reports(client.run(graph).check(), shown)


def behind(graph: ShapesGraph, name: str, **inputs: Any) -> Node:
    graph.positive = graph.node(name, **inputs)
    return graph.positive


SAMPLERS: dict[str, Callable[[ShapesGraph, Node], Node]] = {
    "KSampler": lambda graph, model: graph.ksampler(model),
    "KSamplerAdvanced": lambda graph, model: graph.advanced(model),
    "SamplerCustom": lambda graph, model: graph.custom(model),
    "BasicGuider": lambda graph, model: graph.guided(graph.basic_guider(model)),
    "CFGGuider": lambda graph, model: graph.guided(graph.cfg_guider(model)),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_is_found_from_every_sampler(client: Client, sampler: str) -> None:
    written = judged(client, SAMPLERS[sampler], JUDGED)
    (found,) = judged(client, SAMPLERS[sampler])
    assert found["prompt"] == JUDGED
    assert "prompt" not in written[0]
    assert [c["score"] for c in found["candidates"]] == pytest.approx([c["score"] for c in written[0]["candidates"]])


def test_it_is_found_through_nodes_that_change_conditioning(client: Client) -> None:
    def sampler(graph: ShapesGraph, model: Node) -> Node:
        behind(graph, "FluxGuidance", conditioning=graph.positive, guidance=3.5)
        behind(graph, "ConditioningSetTimestepRange", conditioning=graph.positive, start=0.0, end=1.0)
        return graph.ksampler(model)

    assert judged(client, sampler)[0]["prompt"] == JUDGED


def test_it_is_found_in_nodes_that_handle_texts(client: Client) -> None:
    def sampler(graph: ShapesGraph, model: Node) -> Node:
        color = graph.node("PrimitiveString", value="(red:1.3)")
        text = graph.node("StringConcatenate", string_a="a", string_b=color, delimiter=" ")
        whole = graph.node("StringConcatenate", string_a=text, string_b="circle", delimiter=" ")
        behind(graph, "CLIPTextEncode", clip=graph.loader.out(1), text=whole)
        return graph.ksampler(model)

    assert judged(client, sampler)[0]["prompt"] == JUDGED


def test_it_is_found_in_a_loop(client: Client) -> None:
    """The samplers that run there are copies, which are not in the queued prompt."""
    graph = ShapesGraph(DRAWN)
    opened = graph.node("SearchLoopOpen", seed=SEED, run_outputs=False)
    search = graph.search(2, prompt="")
    decoded = graph.decoded(graph.ksampler(search, opened.out(1)))
    scored = graph.node("VerifierScore", images=decoded, verifier=graph.verifier, prompt=JUDGED)
    settings = {"method": "random", "method.candidates": 2, "patience": 0, "max_seconds": 0.0}
    close = graph.node("SearchLoopClose", flow=opened, score=scored, result=decoded, **settings)
    graph.node("PreviewImage", images=close)
    client.run(graph).check()


def test_choices_that_the_front_end_has_drawn_from(client: Client) -> None:
    assert judged(client, SAMPLERS["KSampler"], "a {(red:1.3)|blue} {circle|square}")[0]["prompt"] == JUDGED


def test_scores_of_another_text_are_not_taken_for_it(client: Client) -> None:
    def searched(text: str) -> dict[str, Any]:
        graph = ShapesGraph(text)
        search = graph.search(3, prompt="")
        shown = graph.report(graph.ksampler(search, seed=777), search)
        return reports(client.run(graph).check(), shown)[0]

    one, other, again = searched("a red circle"), searched("a blue square"), searched("a red (circle:1.0)")
    for report, text in ((one, "a red circle"), (other, "a blue square"), (again, "a red circle")):
        assert report["prompt"] == text
        assert report["nfe"]["search"] == report["nfe"]["total"]


def test_a_list_of_prompts_goes_with_a_list_of_texts(client: Client) -> None:
    """ComfyUI runs the search node and the sampler once for each."""
    graph = ShapesGraph("a red circle", "two blue squares")
    search = graph.search(2)
    shown = graph.report(graph.ksampler(search), search)
    found = reports(client.run(graph).check(), shown)
    alone = []
    for text in ("a red circle", "two blue squares"):
        single = ShapesGraph(text)
        search = single.search(2)
        shown = single.report(single.ksampler(search), search)
        alone += reports(client.run(single).check(), shown)
    scores = [[candidate["score"] for candidate in report["candidates"]] for report in (*found, *alone)]
    assert len(found) == 2
    assert scores[0] == pytest.approx(scores[2])
    assert scores[1] == pytest.approx(scores[3])
