"""The winner as something to keep: in the PNG, and again from its recipe in another server."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from comfy_client import Client
from comfy_graph import Node
from kept_winners import METHODS, carried, run, search
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports

SOLVERS = ("euler", "heun", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde")


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


@pytest.mark.parametrize("method", METHODS)
def test_the_saved_picture_carries_its_recipe_and_scores(client: Client, method: str) -> None:
    graph = ShapesGraph(steps=4)
    found = search(graph, method)
    sampled = graph.ksampler(found, seed=3)
    saved, shown = graph.saved(sampled), graph.report(sampled, found)
    result = run(client, graph)
    (winner,), (report,) = carried(client, result, saved), reports(result, shown)
    assert (winner["node"], winner["sampler"]) == (found.id, sampled.id)
    assert {key: winner["best"][key] for key in report["best"]} == report["best"]
    assert winner["best"]["scores"] == report["candidates"][report["best"]["index"]]["scores"]
    assert [winner[key] for key in ("nfe", "baseline")] == [report[key] for key in ("nfe", "baseline")]


def test_a_picture_saved_when_the_search_is_cached_carries_the_recipe_too(client: Client) -> None:
    winners = []
    for prefix in ("first", "second"):
        graph = ShapesGraph(steps=4)
        sampled = graph.ksampler(graph.search(), seed=31)
        saved = graph.node("SaveImage", images=graph.decoded(sampled), filename_prefix=prefix)
        result = run(client, graph, id="some-id", extra={"noise_search": [{"node": "of another picture"}]})
        winners.append(carried(client, result, saved))
    assert sampled.id not in result.executed
    assert winners[1] == winners[0]
    assert winners[0][0]["best"]["recipe"]["seed"] >= 31


def test_a_list_of_prompts_leaves_a_winner_each(client: Client) -> None:
    graph = ShapesGraph("a red circle", "a blue square", steps=4)
    saved = graph.saved(graph.ksampler(graph.search(candidates=2), seed=51))
    assert len(carried(client, run(client, graph), saved)) == 2


@pytest.mark.parametrize("by", ["seed", "replay"])
def test_a_candidate_that_a_person_has_made_again_says_so_in_its_picture(client: Client, by: str) -> None:
    graph = ShapesGraph(steps=4)
    searching = graph.search(variety=0.3) if by == "replay" else graph.search()
    sampled = graph.ksampler(searching, seed=81)
    shown = graph.report(sampled, searching)
    graph.saved(sampled)
    (report,) = reports(run(client, graph, id=f"choosing by {by}"), shown)
    (board,) = client.get(f"/noise_search/boards?workflow=choosing by {by}".replace(" ", "%20"))
    second = sorted(report["candidates"], key=lambda one: -one["score"])[1]
    mark = {"noise_search_choice": {"board": board["board"], "image": 0, "index": second["index"]}}
    again = {name: node for name, node in graph.prompt.items() if name != searching.id}
    del again[shown.id], again[report_node(graph)]
    again[sampled.id]["inputs"] |= {"model": [graph.loader.id, 0], "seed": second["recipe"]["seed"]}
    if by == "replay":
        inputs = {"recipe": json.dumps(second["recipe"]), "model": [graph.loader.id, 0]}
        again["99"] = {"class_type": "ReplayNoise", "inputs": inputs}
        again[sampled.id]["inputs"] |= {"model": ["99", 1], "seed": 81}
    (save,) = (Node(name) for name, node in again.items() if node["class_type"] == "SaveImage")
    result = client.run(again, extra_data={"extra_pnginfo": {"workflow": {"extra": mark}}}).check()
    (winner,) = carried(client, result, save)
    assert (winner["chosen_by"], winner["node"], winner["board"]) == ("a person", searching.id, board["board"])
    assert {key: winner["best"][key] for key in ("index", "score", "recipe")} == {
        key: second[key] for key in ("index", "score", "recipe")
    }
    again[graph.positive.id]["inputs"]["text"] = "a green circle"
    result = client.run(again, extra_data={"extra_pnginfo": {"workflow": {"extra": mark}}}).check()
    assert "noise_search" not in Image.open(io.BytesIO(client.images(result, save)[0])).text, "it is another image"


def report_node(graph: ShapesGraph) -> str:
    return next(name for name, node in graph.prompt.items() if node["class_type"] == "SearchReport")


def test_a_prompt_without_metadata_gets_none(client: Client) -> None:
    graph = ShapesGraph(steps=4)
    saved = graph.saved(graph.ksampler(graph.search(candidates=2), seed=61))
    result = client.run(graph).check()
    assert list(Image.open(io.BytesIO(client.images(result, saved)[0])).text) == ["prompt"]


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
