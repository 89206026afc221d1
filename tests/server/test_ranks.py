"""A candidate of any rank, and the best as a batch, on a real server, without sampling again."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from comfy_client import Client, Result
from comfy_graph import Node
from shapes_graph import ROUNDING, SEED, ShapesGraph, difference, pictures

STEPS = 4
CANDIDATES = 6
MANY = 60  # a search that is still running when it is cancelled


class Ranked:
    """A search with its report: the picture of a rank, the batch of the best, recipe and JSON."""

    def __init__(self, rank: int = 1, seed: int = SEED, **settings: Any):
        self.graph = graph = ShapesGraph(steps=STEPS)
        self.search = graph.search(**({"candidates": CANDIDATES} | settings))
        self.sampled = graph.ksampler(self.search, seed)
        self.report = graph.node("SearchReport", latent=self.sampled, search=self.search.out(1), rank=rank)
        self.picture = graph.saved(self.report.out(0))
        self.recipe, self.text = (graph.node("PreviewAny", source=self.report.out(at)) for at in (4, 6))

    def with_batch(self) -> Node:
        return self.graph.saved(self.report.out(7))


def told(result: Result, ranked: Ranked) -> dict[str, Any]:
    return json.loads(result.text(ranked.text))


def blocked(result: Result) -> list[str]:
    """The errors that people are shown of outputs that could not be given out, where something is connected."""
    return [data["exception_message"] for data in result.of("execution_error")]


def of_seed(client: Client, seed: int) -> np.ndarray:
    graph = ShapesGraph(steps=STEPS)
    saved = graph.saved(graph.ksampler(graph.loader, seed))
    return pictures(client, client.run(graph).check(), saved)[0]


def by_rank(report: dict[str, Any]) -> list[int]:
    """Seeds, the best first."""
    ordered = sorted(report["candidates"], key=lambda one: -one["score"])
    return [one["recipe"]["seed"] for one in ordered]


def test_another_rank_is_another_picture_and_nothing_is_sampled_for_it(client: Client) -> None:
    first = Ranked(seed=901, keep=CANDIDATES)
    batch = first.with_batch()
    result = client.run(first.graph).check()
    report = told(result, first)
    seeds = by_rank(report)
    all_of_them = pictures(client, result, batch)
    assert len(all_of_them) == CANDIDATES
    for rank in (2, CANDIDATES):
        other = Ranked(rank=rank, seed=901, keep=CANDIDATES)
        other.with_batch()
        again = client.run(other.graph).check()
        assert other.sampled.id in again.cached and other.sampled.id not in again.executed
        (picture,) = pictures(client, again, other.picture)
        assert difference(picture, all_of_them[rank - 1]) == 0
        assert json.loads(again.text(other.recipe))["seed"] == seeds[rank - 1]
        assert told(again, other)["taken"]["rank"] == rank
    for seed, picture in zip(seeds, all_of_them, strict=True):
        assert difference(picture, of_seed(client, seed)) <= ROUNDING


def test_a_higher_keep_runs_only_what_is_missing(client: Client) -> None:
    """The scores are on disk, the latents are not."""
    few = Ranked(seed=902)
    one = told(client.run(few.graph).check(), few)
    more = Ranked(rank=3, seed=902, keep=3)
    result = client.run(more.graph).check()
    report = told(result, more)
    assert one["nfe"]["search"] == CANDIDATES * STEPS
    assert report["nfe"]["search"] == 3 * STEPS
    assert len(report["kept"]["candidates"]) == 3
    (picture,) = pictures(client, result, more.picture)
    assert difference(picture, of_seed(client, by_rank(report)[2])) <= ROUNDING


def test_a_rank_that_was_not_kept_is_an_error_with_what_to_do(client: Client) -> None:
    asked = Ranked(rank=4, seed=903, keep=2)
    (told_of,) = blocked(client.run(asked.graph))
    assert "was not kept, only those of the ranks 1, 2. Raise `keep` on the search node" in told_of


def test_where_its_latent_was_not_kept_its_recipe_makes_it(client: Client) -> None:
    graph = ShapesGraph(steps=STEPS)
    search = graph.search(CANDIDATES)
    report = graph.node("SearchReport", latent=graph.ksampler(search, 904), search=search.out(1), rank=4)
    replayed = graph.node("ReplayNoise", recipe=report.out(4), model=graph.loader)
    saved = graph.saved(graph.ksampler(replayed.out(1), 0))
    text = graph.node("PreviewAny", source=report.out(6))
    result = client.run(graph).check()
    (picture,) = pictures(client, result, saved)
    assert difference(picture, of_seed(client, by_rank(json.loads(result.text(text)))[3])) <= ROUNDING


def test_the_saved_picture_carries_the_recipe_of_its_rank(client: Client) -> None:
    asked = Ranked(rank=2, seed=905, keep=2)
    body = {"extra_data": {"extra_pnginfo": {"workflow": {"id": "ranks"}}}}
    result = client.run(asked.graph, **body).check()
    second = told(result, asked)["taken"]
    entries = metadata(client, result, asked.picture)
    assert [entry.get("rank", 1) for entry in entries] == [1, 2]
    assert entries[1]["best"]["recipe"] == second["recipe"]
    assert entries[1]["node"] == asked.report.id


def metadata(client: Client, result: Result, saved: Node) -> list[dict[str, Any]]:
    (data,) = client.images(result, saved)
    return json.loads(Image.open(io.BytesIO(data)).info["noise_search"])


def test_a_cancelled_search_goes_on_and_keeps(client: Client) -> None:
    """What had a score before the cancel is made again only as far as it is kept."""
    asked = Ranked(seed=906, keep=2, batch_size=1, candidates=MANY)

    def cancel(event: Any) -> None:
        if event.type == "progress" and event.data["value"] > 3 * STEPS:
            client.interrupt()

    assert client.run(asked.graph, on_event=cancel).status == "interrupted"
    again = Ranked(rank=2, seed=906, keep=2, batch_size=1, candidates=MANY)
    result = client.run(again.graph).check()
    report = told(result, again)
    assert len(report["candidates"]) == MANY
    assert report["nfe"]["search"] <= (MANY - 3 + 2) * STEPS
    (picture,) = pictures(client, result, again.picture)
    assert difference(picture, of_seed(client, by_rank(report)[1])) <= ROUNDING


@pytest.mark.parametrize("used", ["latent", "best", "recipe"])
def test_a_loop_says_what_it_can_do(client: Client, used: str) -> None:
    graph = ShapesGraph(steps=STEPS)
    opened = graph.node("SearchLoopOpen", seed=907)
    sampled = graph.ksampler(graph.loader, opened.out(1))
    score = graph.node("VerifierScore", images=graph.decoded(sampled), verifier=graph.verifier, prompt=graph.caption)
    method = {"method": "random", "method.candidates": 3}
    closed = graph.node("SearchLoopClose", flow=opened, score=score, result=sampled, **method)
    report = graph.node("SearchReport", latent=closed, search=closed.out(1), rank=2)
    if used == "recipe":
        text, recipe = (graph.node("PreviewAny", source=report.out(at)) for at in (6, 4))
        result = client.run(graph).check()
        assert json.loads(result.text(recipe)) == json.loads(result.text(text))["taken"]["recipe"]
    elif used == "best":
        saved = graph.saved(report.out(7))
        assert len(pictures(client, client.run(graph).check(), saved)) == 1
    else:
        graph.saved(report.out(0))
        (told_of,) = blocked(client.run(graph))
        assert "put the seed into Search Loop Open, with 1 candidate" in told_of
