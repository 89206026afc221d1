"""Searches on a real server: batches, masks, lists, subgraphs, shared models, the explicit form, a second queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comfy_client import Client
from comfy_graph import Node
from shapes_graph import (
    ROUNDING,
    SAMPLERS,
    SEED,
    ShapesGraph,
    difference,
    inside_subgraph,
    pictures,
    reports,
    winning_seed,
)


def stock_picture(client: Client, graph: ShapesGraph, sampled: Node, item: int = 0) -> np.ndarray:
    """The picture of a graph without search."""
    saved = graph.saved(sampled)
    return pictures(client, client.run(graph).check(), saved)[item]


@pytest.mark.parametrize("sampler_name", SAMPLERS)
def test_candidate_0_scores_what_the_stock_sampler_scores(client: Client, sampler_name: str) -> None:
    graph = ShapesGraph()
    search = graph.search()
    shown = graph.report(graph.ksampler(search, sampler_name=sampler_name), search)
    stock = graph.decoded(graph.ksampler(graph.loader, sampler_name=sampler_name))
    judged = graph.node("VerifierScore", images=stock, verifier=graph.verifier, prompt=graph.caption)
    score = graph.node("PreviewAny", source=judged)
    result = client.run(graph).check()
    assert reports(result, shown)[0]["baseline"]["score"] == pytest.approx(float(result.text(score)), abs=1e-3)


def test_a_batch_of_3_is_three_searches(client: Client) -> None:
    graph = ShapesGraph(images=3)
    search = graph.search(candidates=5)
    sampled = graph.ksampler(search, sampler_name="euler_ancestral")
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    found, winners = reports(result, shown), pictures(client, result, saved)
    assert len(found) == len(winners) == 3
    assert len({report["best"]["index"] for report in found}) > 1, "each image has a winner of its own"
    for item, report in enumerate(found):
        stock = ShapesGraph(images=3)
        sampled = stock.ksampler(stock.loader, winning_seed(report), sampler_name="euler_ancestral")
        assert difference(winners[item], stock_picture(client, stock, sampled, item)) <= ROUNDING


def img2img(graph: ShapesGraph, model: Node, seed: int) -> Node:
    source = graph.ksampler(graph.loader, 77)
    return graph.ksampler(model, seed, latent_image=source, denoise=0.6, sampler_name="euler_ancestral", steps=6)


def inpaint(graph: ShapesGraph, model: Node, seed: int) -> Node:
    """The right half of a picture anew."""
    whole = graph.node("SolidMask", value=0.0, width=32, height=32)
    right = graph.node("SolidMask", value=1.0, width=16, height=32)
    mask = graph.node("MaskComposite", destination=whole, source=right, x=16, y=0, operation="add")
    latent = graph.node("SetLatentNoiseMask", samples=graph.ksampler(graph.loader, 77), mask=mask)
    return graph.ksampler(model, seed, latent_image=latent, sampler_name="dpmpp_2m_sde", steps=6)


def first_stage(graph: ShapesGraph, model: Node, seed: int) -> Node:
    """A search over the first steps only; the rest is another sampler's."""
    noisy = graph.advanced(model, seed, steps=6, end_at_step=3, return_with_leftover_noise="enable")
    return graph.advanced(graph.loader, 0, steps=6, add_noise="disable", start_at_step=3, latent_image=noisy)


def both_stages(graph: ShapesGraph, model: Node, seed: int) -> Node:
    """The searched model in both stages: the second adds no noise, so it continues without a search."""
    noisy = graph.advanced(model, seed, steps=6, end_at_step=3, return_with_leftover_noise="enable")
    return graph.advanced(model, 0, steps=6, add_noise="disable", start_at_step=3, latent_image=noisy)


@pytest.mark.parametrize("sample", [img2img, inpaint, first_stage, both_stages])
def test_the_winners_seed_replays(client: Client, sample: Any) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=5)
    sampled = sample(graph, search, SEED)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    (report,) = reports(result, shown)
    assert report["best"]["score"] >= report["baseline"]["score"]
    winner = pictures(client, result, saved)[0]
    stock, unsearched = ShapesGraph(), ShapesGraph()
    replay = stock_picture(client, stock, sample(stock, stock.loader, winning_seed(report)))
    assert difference(winner, replay) <= ROUNDING
    if report["best"]["index"]:
        assert difference(winner, stock_picture(client, unsearched, sample(unsearched, unsearched.loader, SEED))) > 10


def test_inpainting_leaves_what_the_mask_protects(client: Client) -> None:
    graph = ShapesGraph()
    saved = graph.saved(inpaint(graph, graph.search(), SEED))
    before = graph.saved(graph.ksampler(graph.loader, 77))
    result = client.run(graph).check()
    old, new = pictures(client, result, before)[0], pictures(client, result, saved)[0]
    assert difference(old[:, :16], new[:, :16]) <= ROUNDING
    assert difference(old[:, 16:], new[:, 16:]) > 10


def test_two_samplers_share_one_searched_model(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=3)
    shown = [graph.report(graph.ksampler(search, seed), search) for seed in (1, 1000)]
    result = client.run(graph).check()
    assert [reports(result, node)[0]["seed"] for node in shown] == [1, 1000]


def test_a_searched_model_in_ten_samplers_keeps_every_report(client: Client) -> None:
    graph = ShapesGraph(side=16, steps=1)
    search = graph.search(candidates=2)
    seeds = graph.node("NoiseCandidates", seed=100, count=10)
    shown = graph.report(graph.ksampler(search, seeds.out(1)), search)
    found = reports(client.run(graph).check(), shown)
    assert [report["seed"] for report in found] == list(range(100, 110))


def test_a_list_of_prompts_is_a_search_each(client: Client) -> None:
    captions = ("a red circle left of a blue square", "two green triangles")
    results = []
    for asked in (captions, captions[:1], captions[1:]):
        graph = ShapesGraph(*asked)
        search = graph.search(candidates=4)
        sampled = graph.ksampler(search)
        saved, shown = graph.saved(sampled), graph.report(sampled, search)
        result = client.run(graph).check()
        results.append((reports(result, shown), pictures(client, result, saved)))
    (mapped, winners), *alone = results
    assert len(mapped) == len(winners) == 2
    assert mapped[0]["baseline"]["score"] != mapped[1]["baseline"]["score"]
    for (found, (picture,)), report, winner in zip(alone, mapped, winners, strict=True):
        assert winning_seed(found[0]) == winning_seed(report)
        assert difference(picture, winner) <= ROUNDING


def test_inside_a_subgraph_the_message_and_the_winner_are_the_same(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=4)
    sampled = graph.ksampler(search)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    outside = client.run(graph).check()
    inside = client.run(inside_subgraph(graph.prompt)).check()
    picture_outside = pictures(client, outside, saved)
    picture_inside = pictures(client, inside, Node(f"8:{saved.id}"))
    assert difference(picture_outside, picture_inside) <= ROUNDING
    assert winning_seed(reports(outside, shown)[0]) == winning_seed(reports(inside, Node(f"8:{shown.id}"))[0])
    graph.prompt[search.id]["inputs"]["prompt"] = "a {star|cross}"
    assert f"(node 8:{search.id})" in str(client.run(inside_subgraph(graph.prompt)).error)


def explicit_seeds(graph: ShapesGraph, count: int) -> tuple[Node, Node]:
    """(the chosen latent, the score node): seeds into a stock KSampler."""
    seeds = graph.node("NoiseCandidates", seed=SEED, count=count)
    return chosen(graph, graph.ksampler(graph.loader, seeds.out(1), sampler_name="euler_ancestral"))


def explicit_noises(graph: ShapesGraph, count: int) -> tuple[Node, Node]:
    """(the chosen latent, the score node): noises into a SamplerCustomAdvanced."""
    noises = graph.node("NoiseCandidates", seed=SEED, count=count)
    return chosen(graph, graph.guided(graph.basic_guider(graph.loader), noises, "euler_ancestral"))


def chosen(graph: ShapesGraph, sampled: Node) -> tuple[Node, Node]:
    judged = graph.node("VerifierScore", images=graph.decoded(sampled), verifier=graph.verifier, prompt=graph.caption)
    return graph.node("SelectCandidate", candidates=sampled, index=judged.out(2)), judged


@pytest.mark.parametrize("explicit", [explicit_seeds, explicit_noises])
def test_the_explicit_form_finds_the_same_winner(client: Client, explicit: Any) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=5)
    sampled = graph.ksampler(search, sampler_name="euler_ancestral")
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    latent, judged = explicit(graph, 5)
    saved_explicit = graph.saved(latent)
    best_image = graph.node("SaveImage", images=judged.out(1), filename_prefix="best")
    scores, index = (graph.node("PreviewAny", source=judged.out(output)) for output in (0, 2))
    result = client.run(graph).check()
    (report,) = reports(result, shown)
    assert int(result.text(index)) == report["best"]["index"]
    expected = [candidate["score"] for candidate in report["candidates"]]
    assert [float(text) for text in result.output(scores)["text"]] == pytest.approx(expected, abs=1e-3)
    winner = pictures(client, result, saved)
    assert difference(winner, pictures(client, result, saved_explicit)) <= ROUNDING
    assert difference(winner, pictures(client, result, best_image)) <= ROUNDING


def test_neighbours_of_a_pivot_in_the_explicit_form(client: Client) -> None:
    """Close neighbours look like the pivot, unrelated ones do not."""
    graph = ShapesGraph(steps=6)
    pivot = graph.node("RandomNoise", noise_seed=SEED)
    guider = graph.basic_guider(graph.loader)
    saved = [
        graph.saved(graph.guided(guider, graph.node("NoiseCandidates", seed=9, count=3, pivot=pivot, cosine=cosine)))
        for cosine in (1.0, 0.99, 0.0)
    ]
    plain = graph.saved(graph.guided(guider, pivot))
    result = client.run(graph).check()
    (stock,) = pictures(client, result, plain)
    same, close, far = (pictures(client, result, node) for node in saved)
    assert all(difference(one[0], stock) <= ROUNDING for one in (same, close, far))
    assert all(difference(picture, stock) <= ROUNDING for picture in same)
    distances = [np.abs(some[1:] - stock).mean() for some in (close, far)]
    assert 0 < distances[0] < distances[1]


def test_progress_counts_over_the_whole_search(client: Client) -> None:
    graph = ShapesGraph()
    sampled = graph.ksampler(graph.search(candidates=6, batch_size=2), SEED + 300)
    graph.saved(sampled)
    result = client.run(graph).check()
    steps = [data for data in result.of("progress") if data["node"] == sampled.id]
    assert {data["max"] for data in steps} == {6 * 4}
    values = [data["value"] for data in steps]
    assert values == sorted(values)
    assert values[-1] == 6 * 4
