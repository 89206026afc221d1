"""Step Scheduler on a real server: every mode, as SIGMAS and on MODEL, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from comfy_client import Client
from comfy_graph import Node
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports


def scheduler(graph: ShapesGraph, model: Node, mode: str = "fixed", steps: int = 6, **settings: Any) -> Node:
    inputs = {"scheduler": "beta", "denoise": 1.0} | settings
    return graph.node("StepScheduler", model=model, steps=steps, mode=mode, **inputs)


def adaptive(graph: ShapesGraph, model: Node, **settings: Any) -> Node:
    sockets = {"mode.positive": graph.positive, "mode.negative": graph.negative, "mode.latent": graph.latent}
    return scheduler(graph, model, "adaptive", **(sockets | {"mode.cfg": 1.0} | settings))


def test_a_ksampler_with_the_model_makes_what_the_sigmas_make(client: Client) -> None:
    graph = ShapesGraph()
    steps = scheduler(graph, graph.loader)
    on_model = graph.saved(graph.ksampler(steps))
    guider = graph.node("CFGGuider", model=graph.loader, positive=graph.positive, negative=graph.negative, cfg=1.0)
    as_sigmas = graph.saved(graph.guided(guider, sigmas=steps.out(1)))
    result = client.run(graph).check()
    assert difference(pictures(client, result, on_model), pictures(client, result, as_sigmas)) <= ROUNDING


def test_a_budget_gives_a_search_its_candidates(client: Client) -> None:
    graph = ShapesGraph()
    steps = scheduler(
        graph, graph.loader, "budget", **{"mode.nfe": 40, "mode.candidates": 0, "mode.sampler_name": "heun"}
    )
    search = graph.search(model=steps, candidates=steps.out(5))
    sampled = graph.ksampler(search, sampler_name="heun")
    shown, plan = graph.report(sampled, search), graph.node("PreviewAny", source=steps.out(4))
    result = client.run(graph).check()
    report = reports(result, shown)[0]
    assert 20 <= report["nfe"]["search"] <= 40
    assert f"{len(report['candidates'])} candidates of {report['sampler_steps']} steps" in result.text(plan)


def test_an_adaptive_schedule_reaches_the_search_behind_it(client: Client) -> None:
    graph = ShapesGraph()
    steps = adaptive(graph, graph.loader, **{"mode.tolerance": 0.0001, "mode.max_steps": 5})
    search = graph.search(model=steps)
    sampled = graph.ksampler(search)
    shown, plan = graph.report(sampled, search), graph.node("PreviewAny", source=steps.out(4))
    result = client.run(graph).check()
    assert reports(result, shown)[0]["sampler_steps"] == 5
    assert "5 steps, expected error" in result.text(plan) and "the pilot took" in result.text(plan)


def test_another_tolerance_does_not_fly_the_pilot_again(client: Client) -> None:
    graph = ShapesGraph()
    texts = []
    for tolerance in (0.11, 0.07):
        steps = adaptive(graph, graph.loader, **{"mode.tolerance": tolerance, "mode.max_steps": 30})
        texts.append(graph.node("PreviewAny", source=steps.out(4)))
    result = client.run(graph).check()
    assert sum("cost nothing" in result.text(text) for text in texts) >= 1


@pytest.mark.parametrize(
    ("mode", "settings", "message"),
    [
        ("fixed", {"denoise": 0.0}, "denoise is 0, but it has to be above 0"),
        ("fixed", {"scheduler": "gits"}, "gits was made for Stable Diffusion"),
        (
            "budget",
            {"mode.nfe": 3, "mode.candidates": 8, "mode.sampler_name": "euler"},
            "3 NFE do not pay for one step",
        ),
        ("adaptive", {"mode.tolerance": 0.0, "mode.max_steps": 9}, "tolerance is 0"),
        ("adaptive", {"mode.tolerance": 0.1, "mode.max_steps": 1}, "max_steps is 1"),
    ],
)
def test_an_impossible_setting_names_the_node_and_the_reason(
    client: Client, mode: str, settings: dict[str, Any], message: str
) -> None:
    graph = ShapesGraph()
    make = adaptive if mode == "adaptive" else scheduler
    steps = make(graph, graph.loader, **({} if mode == "adaptive" else {"mode": mode}), **settings)
    graph.saved(graph.ksampler(steps))
    result = client.run(graph)
    assert message in str(result.error)
    assert f"Step Scheduler (node {steps.id})" in str(result.error)


def test_drafts_on_fewer_steps_end_in_a_full_image(client: Client) -> None:
    graph = ShapesGraph(steps=8)
    search = graph.search(candidates=6, search_steps=3)
    sampled = graph.ksampler(search)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    report = reports(result, shown)[0]
    assert report["nfe"]["search"] == 6 * 3 + 3 * 8
    assert report["best"]["score"] >= report["baseline"]["score"]
    stock = ShapesGraph(steps=8)
    alone = stock.saved(stock.ksampler(stock.loader, seed=report["best"]["recipe"]["seed"]))
    again = pictures(client, client.run(stock).check(), alone)
    assert difference(pictures(client, result, saved), again) <= ROUNDING
