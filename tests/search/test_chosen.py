"""A person takes a candidate in place of the best: the search ends and gives out that one."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from small_models import best_report, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6


def choose(model: Any, index: int, calls: int, image: int = 0) -> None:
    """Takes the candidate when the model has been called so many times."""
    called: list[int] = []

    def count(*_: Any) -> None:
        called.append(1)
        if len(called) == calls:
            boards = importlib.import_module("noise_search.search.board.boards").BOARDS._boards
            assert list(boards.values())[-1].use(image, index)

    model.model.diffusion_model.register_forward_pre_hook(count)


@pytest.mark.parametrize("index", range(4))
def test_one_that_is_finished(index: int) -> None:
    model = small_model("EPS")
    choose(model, index, calls=STEPS + 3)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, steps=STEPS)
    report = best_report(found)
    assert (report.stopped, report.best.index, len(report.candidates)) == ("user", index, 4)
    assert report.best.recipe.seed == 7 + index
    assert torch.allclose(result, sample(model, seed=7 + index, steps=STEPS), atol=1e-4)
    assert report.to_dict()["best"]["index"] == report.winner()["best"]["index"] == index
    assert report.winner()["chosen_by"] == "a person"


def test_one_that_has_only_begun_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("noise_search.search.board.glimpses"), "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(importlib.import_module("noise_search.search.board.glimpses"), "SHARE", 1.0)
    model = small_model("EPS")
    choose(model, 6, calls=STEPS + 3)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, steps=STEPS)
    report = best_report(found)
    assert (report.stopped, report.best.recipe.seed, len(report.candidates)) == ("user", 7 + 6, 5)
    assert torch.allclose(result, sample(model, seed=7 + 6, steps=STEPS), atol=1e-4)


def test_one_that_was_stopped_on_its_way_runs_to_its_end() -> None:
    model = small_model("FLOW")
    free = search(model, candidates=5, pruning="progressive")
    sample(free.model, steps=12, cfg=1.0)
    loser = next(one.index for one in best_report(free).candidates if one.stopped_at_step)
    choose(model, loser, calls=11)
    found = search(model, candidates=5, pruning="progressive")
    result = sample(found.model, steps=12, cfg=1.0)
    report = best_report(found)
    assert report.best.index == loser and report.best.is_finished
    assert torch.allclose(result, sample(model, seed=7 + loser, steps=12, cfg=1.0), atol=1e-4)


def test_of_a_batch_the_other_images_keep_their_best() -> None:
    model = small_model("EPS")
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    choose(model, 2, calls=8, image=1)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, latent=latent, steps=STEPS)
    first, second = found.search.runs[0].reports
    assert first.chosen is None and second.best.index == 2
    assert first.best.score == max(one.score for one in first.candidates)
    stock = sample(model, seed=second.best.recipe.seed, latent=latent, steps=STEPS)
    assert torch.allclose(result[1], stock[1], atol=1e-3)


def test_nothing_is_taken_that_is_not_there() -> None:
    board = importlib.import_module("noise_search.search.board.board").Board("1", "random", 4)
    assert not board.use(0, 0) and not board.use(3, 0)
    assert not board.stop_asked
