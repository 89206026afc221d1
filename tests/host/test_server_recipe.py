"""The winner as something to keep: in the PNG, and again from its recipe in another server."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from comfy_client import Client
from comfy_graph import Node
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures

SOLVERS = ("euler", "heun", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde")
METHODS = {
    "RandomSearch": {"candidates": 4, "pruning": "none"},
    "Pruned": {"candidates": 4, "pruning": "progressive"},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 2, "cosine": 0.9},
    "PathSearch": {"paths": 2, "branches": 2, "start": 0.7, "forward": 0.1, "backward": 0.4},
}


def search(graph: ShapesGraph, method: str) -> Node:
    kind = "RandomSearch" if method == "Pruned" else method
    return graph.node(
        kind,
        model=graph.loader,
        vae=graph.loader.out(2),
        verifier=graph.verifier,
        prompt=graph.caption,
        max_seconds=0.0,
        batch_size=0,
        **METHODS[method],
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_recipe_gives_the_same_picture_in_another_process(client: Client, start_server, method: str) -> None:
    graph = ShapesGraph(steps=8)
    found = search(graph, method)
    runs = {}
    for solver in SOLVERS:
        sampled = graph.ksampler(found, seed=3, sampler_name=solver)
        report = graph.node("SearchReport", latent=sampled, search=found.out(1))
        runs[solver] = (graph.saved(sampled), graph.node("PreviewAny", source=report.out(4)))
    result = client.run(graph).check()
    winners = {solver: pictures(client, result, saved) for solver, (saved, _) in runs.items()}
    recipes = {solver: result.text(shown) for solver, (_, shown) in runs.items()}

    other = Client(start_server("--cache-none").url)
    graph = ShapesGraph(steps=8)
    again = {}
    for solver in SOLVERS:
        replay = graph.node("ReplayNoise", recipe=recipes[solver], model=graph.loader)
        again[solver] = graph.saved(graph.ksampler(replay.out(1), seed=999, sampler_name=solver))
    result = other.run(graph).check()
    for solver in SOLVERS:
        assert difference(pictures(other, result, again[solver]), winners[solver]) <= ROUNDING, solver


def test_the_saved_picture_carries_its_recipe(client: Client) -> None:
    graph = ShapesGraph(steps=4)
    found = search(graph, "RandomSearch")
    sampled = graph.ksampler(found, seed=3)
    report = graph.node("SearchReport", latent=sampled, search=found.out(1))
    saved = graph.saved(report)
    shown = graph.node("PreviewAny", source=report.out(4))
    result = client.run(graph, extra_data={"extra_pnginfo": {"workflow": {}}}).check()
    text = Image.open(io.BytesIO(client.images(result, saved)[0])).text
    (winners,) = json.loads(text["noise_search"]).values()
    assert winners[0]["best"]["recipe"] == json.loads(result.text(shown))
    assert winners[0]["nfe"] == {"search": 16, "total": 16}


def test_a_model_output_without_a_model_says_what_to_connect(client: Client) -> None:
    graph = ShapesGraph(steps=2)
    replay = graph.node("ReplayNoise", recipe='{"seed": 1, "moves": []}')
    graph.saved(graph.ksampler(replay.out(1), seed=1))
    shown = [event.data["exception_message"] for event in client.run(graph).events if event.type == "execution_error"]
    assert "connect a model" in shown[0]


def test_a_text_that_is_no_recipe_is_refused(client: Client) -> None:
    graph = ShapesGraph(steps=2)
    replay = graph.node("ReplayNoise", recipe="seed 7", model=graph.loader)
    graph.saved(graph.ksampler(replay.out(1), seed=1))
    assert "this is not a recipe" in str(client.run(graph).error)
