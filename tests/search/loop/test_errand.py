"""In a worker: a loop runs for the candidates that were asked for, under the numbers that they have in the search."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from noise_search.search.records.recipe import Recipe
from small_models import made_plan

pytestmark = pytest.mark.usefixtures("comfy")


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.search.{name}")


def started() -> Any:
    seam, method = module("crew.seam"), module("methods.random_search").RandomSearch(20)
    piece = seam.Piece(((Recipe(103),), (Recipe(107),)), (3, 7), 0)
    prompt = importlib.import_module("comfy_execution.graph").DynamicPrompt({})
    plan = made_plan("Search Loop Close (node 9)", method, node="9")
    flow, where = (
        module("loop.body").Flow("1", 100, None, 0, False),
        module("loop.looped").Where(prompt, ("9", 0), "9."),
    )
    return module("loop.errand").LoopErrand(seam.Errand("9", "9", 0, piece), plan, flow, SimpleNamespace(), where)


def test_what_was_asked_for_runs_in_its_order_and_nothing_else() -> None:
    search, ran = started(), []
    made, look = module("loop.kept").Made(None, True), module("loop.looped").Look
    while (index := search.wanted()) is not None:
        assert search.wanted() == index, "the host asks twice"
        ran.append((index, search.recipe(index).seed, search.name(index)))
        search.begins(index)
        failed = "the loop gave an image with NaN or infinite values" if index == 7 else ""
        search.add(index, look(index / 2, torch.rand(8, 8, 3), failed, details={"list": []}), made)
        search.let_go()
    assert ran == [(3, 103, "candidate 3 (seed 103)"), (7, 107, "candidate 7 (seed 107)")]
    assert not search.errand.is_done, "before the prompt has come to its end"
    search.end()
    assert search.errand.is_done
    (one,), (other,) = module("crew.wire").lines_read(search.errand.lines)
    assert (one.scores, one.details, one.nfe, bool(one.thumbnail)) == ({"score": 1.5}, {"list": []}, 0, True)
    assert (other.scores, bool(other.failed), other.thumbnail) == ({}, True, b"")


def test_nothing_that_candidates_have_made_is_needed() -> None:
    search = started()
    search.cached = {3: "9.r1c0.", 7: "9.r1c1."}
    search.let_go()
    assert search.cached == {}
