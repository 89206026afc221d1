"""Search loops on a real server: what runs, how often, and what comes out."""

from __future__ import annotations

import io
import json

import numpy as np
import psutil
import pytest
from PIL import Image

from comfy_client import Client, Result
from comfy_graph import Node
from comfy_server import Server
from loop_graph import Arithmetic, LoopGraph, random, times, zero_order
from shapes_graph import ROUNDING, difference, inside_subgraph, pictures, reports


def run(client: Client, graph: LoopGraph | Arithmetic) -> Result:
    return client.run(graph).check()


def numbers(result: Result, shown: list[Node]) -> list[float]:
    return [float(result.text(node)) for node in shown]


@pytest.mark.parametrize("sampler", ["ksampler", "guided"])
def test_a_random_loop_finds_what_the_patch_finds(client: Client, sampler: str) -> None:
    graph = LoopGraph()
    patch = graph.search(candidates=6)
    if sampler == "ksampler":
        loop, sampled = graph.loop(seed=11, candidates=6), graph.ksampler(patch, seed=11)
    else:
        loop, sampled = graph.guided_loop(random(6), seed=11), graph.guided(graph.cfg_guider(patch), noise=11)
    ours, theirs = graph.node("SaveImage", images=loop.close, filename_prefix="test"), graph.saved(sampled)
    shown = [graph.reported(loop.close), graph.report(sampled, patch)]
    result = run(client, graph)
    found, expected = (reports(result, node)[0] for node in shown)
    assert found["best"]["recipe"] == expected["best"]["recipe"]
    assert found["best"]["index"] > 0
    assert [c["score"] for c in found["candidates"]] == pytest.approx(
        [c["score"] for c in expected["candidates"]], 1e-3
    )
    assert difference(pictures(client, result, ours), pictures(client, result, theirs)) <= ROUNDING


def test_a_zero_order_loop_finds_what_the_patch_finds(client: Client) -> None:
    settings = {"iterations": 3, "neighbors": 2, "cosine": 0.9}
    graph = LoopGraph()
    loop = graph.guided_loop(zero_order(**settings), seed=12)
    patch = graph.zero_order(**settings)
    sampled = graph.guided(graph.cfg_guider(patch), noise=12)
    ours, theirs = graph.node("SaveImage", images=loop.close, filename_prefix="test"), graph.saved(sampled)
    shown = [graph.reported(loop.close), graph.report(sampled, patch)]
    result = run(client, graph)
    found, expected = (reports(result, node)[0] for node in shown)
    assert [c["recipe"] for c in found["candidates"]] == [c["recipe"] for c in expected["candidates"]]
    assert [c["round"] for c in found["candidates"]] == [0, 1, 1, 2, 2, 3, 3]
    assert found["best"]["recipe"] == expected["best"]["recipe"]
    assert found["best"]["recipe"]["moves"]
    assert difference(pictures(client, result, ours), pictures(client, result, theirs)) <= ROUNDING


def test_the_loop_runs_once_a_candidate_and_everything_else_once(client: Client) -> None:
    graph = LoopGraph("a green star", side=40)  # that no other test has left in the cache
    loop = graph.loop(seed=20, candidates=5)
    graph.shown(loop.close.out(3))
    result = run(client, graph)
    assert [times(result, node) for node in (loop.sampled, loop.decoded, loop.scored)] == [5, 5, 5]
    assert [times(result, node) for node in (loop.open, graph.positive, graph.latent)] == [1, 1, 1]


def test_everything_that_runs_shows_on_the_users_own_nodes(client: Client) -> None:
    graph = LoopGraph()
    graph.shown(graph.loop(seed=25).close.out(3))
    result = run(client, graph)
    assert {data["display_node"] for data in result.of("executing") if data["node"]} <= graph.prompt.keys()
    states = [state for data in result.of("progress_state") for state in data["nodes"].values()]
    assert {state["display_node_id"] for state in states} <= graph.prompt.keys()


def test_any_number_is_a_score(client: Client) -> None:
    graph = Arithmetic("10 - abs(a - 33)", seed=30, candidates=6)
    assert numbers(run(client, graph), graph.shown) == [10, 33, 10]


def test_more_candidates_than_slots(client: Client) -> None:
    graph = Arithmetic("-abs(a - 1075)", seed=1000, candidates=80)
    result = run(client, graph)
    assert numbers(result, graph.shown) == [0, 1075, 0]
    assert times(result, graph.formula) == 80


def test_what_the_score_does_not_need_runs_for_the_winner_only(client: Client) -> None:
    graph = LoopGraph()
    opened = graph.open(40)
    sampled = graph.ksampler(graph.loader, opened.out(1))
    scored = graph.score(graph.decoded(sampled))
    larger = graph.node("LatentUpscaleBy", samples=sampled, upscale_method="nearest-exact", scale_by=2.0)
    refined = graph.ksampler(graph.loader, opened.out(1), latent_image=larger, denoise=0.5)
    result = graph.decoded(refined)
    close = graph.close(opened, scored, result)
    saved = graph.node("SaveImage", images=close, filename_prefix="test")
    seed = graph.shown(close.out(2))
    ran = run(client, graph)
    assert [times(ran, node) for node in (sampled, scored, larger, refined, result)] == [4, 4, 1, 1, 1]
    again = LoopGraph()
    latent = again.ksampler(again.loader, int(ran.text(seed)))
    larger = again.node("LatentUpscaleBy", samples=latent, upscale_method="nearest-exact", scale_by=2.0)
    plain = again.saved(again.ksampler(again.loader, int(ran.text(seed)), latent_image=larger, denoise=0.5))
    assert difference(pictures(client, ran, saved), pictures(client, run(client, again), plain)) <= ROUNDING


def test_the_result_may_be_anything(client: Client) -> None:
    """A latent, the seed of the candidate, its noise."""
    graph = LoopGraph()
    loop = graph.loop(seed=50)
    latent = graph.close(loop.open, loop.scored, loop.sampled)
    seed = graph.close(loop.open, loop.scored, loop.open.out(1))
    noise = graph.close(loop.open, loop.scored, loop.open.out(3))
    saved = [graph.saved(latent), graph.saved(graph.ksampler(graph.loader, seed.out(0)))]
    saved += [graph.saved(graph.guided(graph.basic_guider(graph.loader), noise.out(0)))]
    saved += [graph.node("SaveImage", images=loop.close, filename_prefix="test")]
    result = run(client, graph)
    of_latent, of_seed, of_noise, of_image = (pictures(client, result, node) for node in saved)
    for other in (of_latent, of_seed, of_noise):
        assert difference(other, of_image) <= ROUNDING


def test_of_a_batch_the_mean_score_counts(client: Client) -> None:
    graph = LoopGraph(images=2)
    loop = graph.loop(seed=60)
    shown = graph.reported(loop.close)
    plain = [graph.shown(graph.score(graph.decoded(graph.ksampler(graph.loader, seed)))) for seed in (60, 61)]
    result = run(client, graph)
    means = [sum(map(float, result.output(node)["text"])) / 2 for node in plain]
    assert [c["score"] for c in reports(result, shown)[0]["candidates"][:2]] == pytest.approx(means, 1e-3)


def test_a_report_passes_the_result_on_and_has_every_candidate(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=70, candidates=3)
    report = graph.node("SearchReport", latent=loop.close, search=loop.close.out(1))
    saved = graph.node("SaveImage", images=report, filename_prefix="test")
    plot, candidates = (graph.node("PreviewImage", images=report.out(output)) for output in (1, 2))
    text = graph.shown(report.out(6))
    result = run(client, graph)
    (read,) = reports(result, text)
    assert (read["algorithm"], read["seed"], read["stopped"], len(read["candidates"])) == ("random", 70, "finished", 3)
    assert read["best"]["score"] == max(candidate["score"] for candidate in read["candidates"])
    assert 0 < read["seconds"]["sampling"] <= read["seconds"]["total"]
    assert len(client.images(result, plot)) == 1
    assert len(client.images(result, candidates)) == 3
    assert pictures(client, result, saved).shape == (1, 32, 32, 3)


def test_the_recipe_of_a_loop_replays(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.guided_loop(zero_order(2, 2, 0.8), seed=74)
    saved = graph.node("SaveImage", images=loop.close, filename_prefix="test")
    recipe = graph.shown(graph.node("SearchReport", latent=loop.close, search=loop.close.out(1)).out(4))
    found = run(client, graph)
    assert json.loads(found.text(recipe))["moves"]
    graph = LoopGraph()
    replay = graph.node("ReplayNoise", recipe=found.text(recipe))
    again = graph.saved(graph.guided(graph.cfg_guider(graph.loader), noise=replay.out(0)))
    assert difference(pictures(client, found, saved), pictures(client, run(client, graph), again)) <= ROUNDING


def test_the_saved_picture_carries_the_recipe_also_when_the_search_is_cached(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=78, candidates=3)
    seed = graph.shown(loop.close.out(2))
    for prefix in ("test", "test_again"):
        saved = graph.node("SaveImage", images=loop.close, filename_prefix=prefix)
        result = client.run(graph, extra_data={"extra_pnginfo": {"workflow": {}}}).check()
        (winner,) = json.loads(Image.open(io.BytesIO(client.images(result, saved)[0])).text["noise_search"])
        assert winner["best"]["recipe"] == {"seed": int(result.text(seed)), "moves": []}
        assert (winner["node"], winner["candidates"]) == (loop.close.id, 3)


def test_patience_ends_a_search(client: Client) -> None:
    graph = Arithmetic("-abs(a - 84)", seed=80, candidates=100, patience=3)
    result = run(client, graph)
    assert numbers(result, graph.shown) == [0, 84, 0]
    assert times(result, graph.formula) == 4 + 1 + 3


def test_time_ends_a_search_with_the_best_so_far(client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=10_000, candidates=5_000, max_seconds=1.0)
    shown = graph.reported(loop.close)
    (report,) = reports(run(client, graph), shown)
    assert report["stopped"] == "time"
    assert 0 < len(report["candidates"]) < 5_000


def test_a_loop_in_a_loop(client: Client) -> None:
    """The outer candidate's seed is where the inner search starts."""
    graph = Arithmetic("-abs(a - 98)")
    outer = graph.node("SearchLoopOpen", seed=90)
    tens = graph.node("ComfyMathExpression", expression="a * 3 - 180", **{"values.a": outer.out(1)})
    graph.prompt[graph.open.id]["inputs"]["seed"] = tens.out(1)
    close = graph.node("SearchLoopClose", flow=outer, score=graph.close.out(3), result=graph.close, **random(4))
    for node, output in zip(graph.shown, (0, 2, 3), strict=True):
        graph.prompt[node.id]["inputs"]["source"] = close.out(output)
    result = run(client, graph)
    assert numbers(result, graph.shown) == [0, 92, 0]
    assert times(result, tens) == 4


def test_a_list_that_comes_in_through_open_gets_a_search_an_entry(client: Client) -> None:
    graph = LoopGraph("a red circle", "a blue square")
    opened = graph.open(100, value=graph.caption)
    text = opened.out(4)
    positive = graph.node("CLIPTextEncode", clip=graph.loader.out(1), text=text)
    decoded = graph.decoded(graph.ksampler(graph.loader, opened.out(1), positive=positive))
    close = graph.close(opened, graph.score(decoded, text), decoded, **random(3))
    seeds = graph.shown(close.out(2))
    alone = {}
    for caption in ("a red circle", "a blue square"):
        one = LoopGraph(caption)
        alone[caption] = one, one.shown(one.loop(seed=100, candidates=3).close.out(2))
    expected = [run(client, one).text(shown) for one, shown in alone.values()]
    assert run(client, graph).output(seeds)["text"] == expected


def test_a_list_of_seeds_gets_a_search_each(client: Client) -> None:
    graph = Arithmetic("-abs(a - 111)", candidates=4)
    seeds = [graph.node("PrimitiveInt", value=value) for value in (109, 113)]
    both = graph.node("CreateList", **{f"inputs.input{at}": node for at, node in enumerate(seeds)})
    graph.prompt[graph.open.id]["inputs"]["seed"] = both.out(0)
    result = run(client, graph)
    assert [result.output(node)["text"] for node in graph.shown[:2]] == [["0.0", "-2.0"], ["111", "113"]]


def test_inside_a_subgraph(client: Client) -> None:
    graph = Arithmetic("-abs(a - 122)", seed=120)
    result = client.run(inside_subgraph(graph.prompt)).check()
    assert [float(result.text(f"8:{node.id}")) for node in graph.shown] == [0, 122, 0]


def test_two_loops_with_the_same_seed_in_one_graph(client: Client) -> None:
    graph = LoopGraph()
    loops = [graph.loop(seed=130, candidates=3), graph.loop(seed=130, candidates=3, steps=2)]
    shown = [graph.reported(loop.close) for loop in loops]
    result = run(client, graph)
    first, second = ([c["score"] for c in reports(result, node)[0]["candidates"]] for node in shown)
    assert first != second
    assert [times(result, loop.sampled) for loop in loops] == [3, 3]


def test_the_candidates_number_in_the_loop(client: Client) -> None:
    graph = Arithmetic("a", seed=140, candidates=5)
    graph.prompt[graph.formula.id]["inputs"]["values.a"] = graph.open.out(2)
    assert numbers(run(client, graph), graph.shown) == [4, 144, 4]


@pytest.mark.parametrize("run_outputs", [False, True])
def test_a_preview_that_hangs_off_the_loop(client: Client, run_outputs: bool) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=160 if run_outputs else 150, candidates=3, run_outputs=run_outputs)
    preview = graph.node("PreviewImage", images=loop.decoded)
    graph.shown(loop.close.out(3))
    result = run(client, graph)
    shown = [data for data in result.of("executed") if data["display_node"] == preview.id]
    assert len(shown) == (3 if run_outputs else 1)
    seeds = range(160, 163) if run_outputs else [150]
    again = LoopGraph()
    plain = [again.saved(again.ksampler(again.loader, seed)) for seed in seeds]
    expected = run(client, again)
    for data, node in zip(shown, plain, strict=True):
        image = Image.open(io.BytesIO(client.image(data["output"]["images"][0]))).convert("RGB")
        assert difference(np.asarray(image, dtype=np.int16), pictures(client, expected, node)[0]) <= ROUNDING


def test_two_hundred_candidates_stay_small(client: Client, server: Server) -> None:
    process = psutil.Process(server.process.pid)

    def searched(seed: int, candidates: int) -> int:
        result = run(client, Arithmetic("sin(a)", seed=seed, candidates=candidates))
        return sum(len(json.dumps(event.data, default=repr)) for event in result.events)

    searched(200_000, 50)
    before = process.memory_info().rss
    assert searched(201_000, 200) < 6_000_000
    assert process.memory_info().rss - before < 20_000_000
