"""Graphs with parts of other packs in random combination: each gives the seed's image, an honest "no seed, this
recipe", or a clear error.

STRANGER_GRAPHS=500 runs so many (-s shows how they ended), STRANGER_FROM=1000 starts at that number: with both, 1000 to
1499, for graphs that nothing was mended by. STRANGER_GRAPH=17 runs number 17 alone.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from stranger_graphs import Ran, StrangerGraph, stranger_graph
from strangers import DRAWER

pytestmark = pytest.mark.usefixtures("comfy")
GRAPHS, PARTS = int(os.environ.get("STRANGER_GRAPHS", "40")), 10
FROM = int(os.environ.get("STRANGER_FROM", "0"))
ALONE = os.environ.get("STRANGER_GRAPH")
CLOSE = 2e-4  # of the largest value
NO_SEED = re.compile(r"\bno seed\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    print("\nHow the graphs ended:", dict(counted.most_common()))


@pytest.mark.parametrize("part", range(1 if ALONE else PARTS))
def test_none_is_silent(
    part: int, outcomes: Counter[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comfy.utils.PROGRESS_BAR_ENABLED", False)
    faults = []
    for number in [int(ALONE)] if ALONE else numbers_of(part):
        graph = stranger_graph(number)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            try:
                outcomes[check(graph, caplog)] += 1
            except AssertionError as fault:
                outcomes["FAULT"] += 1
                faults.append(f"STRANGER_GRAPH={number}: {str(fault).splitlines()[0]}\n    {graph}")
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def numbers_of(part: int) -> range:
    return range(FROM + part * GRAPHS // PARTS, FROM + (part + 1) * GRAPHS // PARTS)


def test_every_stranger_is_drawn() -> None:
    drawn = {stranger.name for number in range(500) for stranger in stranger_graph(number).strangers}
    assert drawn == {stranger.name for stranger in DRAWER}
    assert len(drawn) >= 16


def check(graph: StrangerGraph, caplog: pytest.LogCaptureFixture) -> str:
    """How it ended; AssertionError when that is not as it has to be."""
    try:
        plain: Ran | Exception = graph.run(graph.base, graph.user_seed)
    except Exception as error:
        plain = error
    caplog.clear()
    model, search = graph.searching()
    try:
        found = graph.run(model, graph.user_seed)
    except Exception as error:
        return check_error(graph, error, plain)
    assert not isinstance(plain, Exception), f"it runs, but without a search it does not: {plain!r}"
    said = "\n".join(record.getMessage() for record in caplog.records)
    if not search.runs:
        assert "without a search" in said, "no search, and nothing is said of it"
        if not any(stranger.has_own_chance for stranger in graph.strangers):  # then no two runs are the same
            assert all(map(is_close, found.samples, plain.samples)), "passed over, but the image is another"
        return "passed over"
    assert len(search.runs) == len(found.samples), "not a report for each sampler call"
    if all(stranger.counts for stranger in graph.strangers):
        check_cost(graph, found, search)
    if graph.on("listener"):
        lengths = {len(plain.heard), graph.sampler[2]} if graph.method[0] == "paths" else {len(plain.heard)}
        assert len(found.heard) in lengths, f"heard {len(found.heard)} steps of {len(plain.heard)}"
    ended = {check_run(graph, run.reports, found, plain, at, said) for at, run in enumerate(search.runs)}
    return sorted(ended)[0]


def check_error(graph: StrangerGraph, error: Exception, plain: Ran | Exception) -> str:
    if isinstance(plain, Exception):
        assert type(error) is type(plain) or str(error).startswith(graph.title), (
            f"{error!r}, without a search {plain!r}"
        )
        return "an error that stands without a search as well"
    assert str(error).startswith(graph.title), f"an error that does not name the search: {error!r}"
    assert len(str(error)) > len(graph.title) + 20, f"an error that does not say why: {error!r}"
    return "a clear error"


def check_cost(graph: StrangerGraph, found: Ran, search: Any) -> None:
    """What the network has predicted is what the report says; what it has predicted in vain may be more."""
    told = sum(report.nfe for run in search.runs for report in run.reports)
    if any(stranger.fails_late for stranger in graph.strangers):
        assert told <= found.rows, f"NFE {told}, predictions {found.rows}"
    else:
        assert told == found.rows, f"NFE {told}, predictions {found.rows}"


def check_run(graph: StrangerGraph, reports: list[Any], found: Ran, plain: Ran, at: int, said: str) -> str:
    """One sampler call, number `at` of the node's."""
    winner, stock = found.samples[at], plain.samples[at]
    assert torch.isfinite(winner).all(), "the winner is not finite"
    has_own_chance = any(stranger.has_own_chance for stranger in graph.strangers)
    if not has_own_chance:
        check_baseline(graph, reports, stock)
        check_seeds(graph, reports, at)
    told = [*said.splitlines(), *(note for report in reports for note in getattr(report, "notes", ()))]
    recipes = [report.best.recipe for report in reports]
    ended = set()
    for image, recipe in enumerate(recipes):
        if recipe is None:
            same, is_said = is_close(winner[image], stock[image]), any(map(NO_SEED.search, told))
            assert is_said or not has_own_chance, "no seed decides, and nothing is said of it"
            assert same or is_said, "no recipe, it is not the image without a search, and nothing is said of it"
            ended.add("no recipe: the image without a search" if same else "no recipe, and it is said")
        elif has_own_chance:
            raise AssertionError("a recipe, but no seed decides")
        elif recipe.moves or recipe.path:
            ended.add("the recipe's image")
        elif is_close(winner[image], of_seed(graph, recipe.seed, at)[image]):
            ended.add("the seed's image")
            check_heard(graph, found, recipe.seed, image)
        else:
            assert any(map(NO_SEED.search, told)), f"seed {recipe.seed} gives another image, and nothing is said of it"
            ended.add("no seed, this recipe")
    if None not in recipes:
        check_replay(graph, recipes, found, at)
    return sorted(ended)[0]


def check_baseline(graph: StrangerGraph, reports: list[Any], stock: Tensor) -> None:
    """Candidate 0 is the image without a search, and the winner is not worse."""
    scores = graph.scores(stock)
    for image, (report, score) in enumerate(zip(reports, scores, strict=True)):
        baseline = report.baseline
        if baseline is None or getattr(baseline, "failed", ""):
            continue
        assert baseline.score == pytest.approx(score, rel=2e-3, abs=2e-5), f"candidate 0 of image {image}"
        assert report.best.score >= baseline.score, "worse than without a search"


def check_seeds(graph: StrangerGraph, reports: list[Any], at: int) -> None:
    """Scores of candidates that ran to their end are those of their seeds' images, unless it is said that none are."""
    if any(getattr(report, "notes", ()) for report in reports):
        return
    for image, report in enumerate(reports):
        finished = [one for one in report.candidates if one.is_finished and not getattr(one, "failed", "")]
        plain = [one for one in finished if one.recipe and not one.recipe.moves and not one.recipe.path]
        for one in [plain[0], plain[-1]] if len(plain) > 1 else []:
            score = graph.scores(of_seed(graph, one.recipe.seed, at))[image]
            assert one.score == pytest.approx(score, rel=2e-3, abs=2e-5), f"score of candidate {one.index}"


def check_heard(graph: StrangerGraph, found: Ran, seed: int, image: int) -> None:
    if graph.on("listener") is None:
        return
    steps = graph.run(graph.base, seed).heard
    for mine, theirs in zip(found.heard, steps, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert is_close(one[image], other[image]), "the listener has heard another way than the winner's"


def check_replay(graph: StrangerGraph, recipes: list[Any], found: Ran, at: int) -> None:
    again = graph.run(graph.replaying(recipes), graph.user_seed).samples[at]
    assert is_close(again, found.samples[at]), f"the recipe gives another image: {recipes}"


def of_seed(graph: StrangerGraph, seed: int, at: int) -> Tensor:
    return graph.run(graph.base, seed).samples[at]


def is_close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= CLOSE * other.abs().max())
