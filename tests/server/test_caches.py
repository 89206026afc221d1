"""Every cache of the executor: the same winner, nothing computed in vain, nothing stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from comfy_client import Client, Result
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports

CACHES = {
    "default": (),
    "classic": ("--cache-classic",),
    "lru": ("--cache-lru", "100"),
    "none": ("--cache-none",),
}


@dataclass(frozen=True)
class Ran:
    result: Result
    report: dict[str, Any] | None
    picture: np.ndarray
    sampled: str
    loader: str


def run(client: Client, seed: int, candidates: int, with_report: bool = True) -> Ran:
    """Every test has a seed of its own, so that no other has left anything in the cache."""
    graph = ShapesGraph()
    search = graph.search(candidates=candidates)
    sampled = graph.ksampler(search, seed=seed, sampler_name="euler_ancestral")
    saved = graph.saved(sampled)
    shown = graph.report(sampled, search) if with_report else None
    result = client.run(graph).check()
    report = reports(result, shown)[0] if shown else None
    return Ran(result, report, pictures(client, result, saved)[0], sampled.id, graph.loader.id)


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def cached_client(cache: str, start_server) -> Client:
    return Client(start_server(*CACHES[cache]).url)


@pytest.fixture(scope="module")
def of_default(start_server) -> Ran:
    return run(Client(start_server().url), seed=905, candidates=8)


def test_every_cache_has_the_same_winner(cached_client: Client, of_default: Ran) -> None:
    ran = run(cached_client, seed=905, candidates=8)
    assert ran.report["best"]["recipe"] == of_default.report["best"]["recipe"]
    assert ran.report["best"]["index"] > 0
    assert difference(ran.picture, of_default.picture) <= ROUNDING


def test_a_second_queue_shows_the_same_and_samples_only_without_a_cache(cached_client: Client, cache: str) -> None:
    first, second = (run(cached_client, seed=1000, candidates=4) for _ in range(2))
    assert first.report["best"] == second.report["best"]
    assert difference(first.picture, second.picture) == 0
    assert (second.sampled in second.result.executed) == (cache == "none")


def test_another_count_searches_again_with_what_is_loaded(cached_client: Client, cache: str) -> None:
    few, more = (run(cached_client, seed=2000, candidates=count) for count in (2, 4))
    assert [len(ran.report["candidates"]) for ran in (few, more)] == [2, 4]
    assert more.sampled in more.result.executed
    assert (more.loader in more.result.executed) == (cache == "none")
    scores = [[candidate["score"] for candidate in ran.report["candidates"]] for ran in (few, more)]
    assert scores[1][:2] == pytest.approx(scores[0], abs=1e-3)


def test_a_report_that_is_added_later_knows_the_search(cached_client: Client, cache: str) -> None:
    without, later = (run(cached_client, seed=3000, candidates=3, with_report=shown) for shown in (False, True))
    assert len(later.report["candidates"]) == 3
    assert difference(without.picture, later.picture) == 0
    assert (later.sampled in later.result.executed) == (cache == "none")
