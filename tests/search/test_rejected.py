"""What a person rejects while a search runs does not win, and the search does not go on from it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from small_models import best_report, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6


def mark(model: Any, indices: list[int], calls: int, image: int = 0, as_: str = "reject") -> None:
    """Marks the candidates when the model has been called so many times."""
    called: list[int] = []

    def count(*_: Any) -> None:
        called.append(1)
        if len(called) == calls:
            boards = importlib.import_module("noise_search.search.board.boards").BOARDS._boards
            assert all(list(boards.values())[-1].mark(image, index, as_) for index in indices)

    model.model.diffusion_model.register_forward_pre_hook(count)


def free(candidates: int, seed: int = 7) -> list[int]:
    """The candidates of a search that nobody touches, best first."""
    found = search(small_model("EPS"), candidates=candidates, batch_size=4)
    sample(found.model, seed=seed, steps=STEPS)
    return [one.index for one in sorted(best_report(found).candidates, key=lambda one: -one.score)]


def test_the_best_of_the_others_wins_and_is_its_seeds_image() -> None:
    seed = next(seed for seed in range(20) if free(5, seed)[0] < 4)
    ranked = free(5, seed)
    rejected = [index for index in ranked[:3] if index < 4]  # what is judged when the second call begins
    model = small_model("EPS")
    mark(model, rejected, calls=STEPS + 1)
    found = search(model, candidates=5, batch_size=4)
    result = sample(found.model, seed=seed, steps=STEPS)
    report = best_report(found)
    winner = next(index for index in ranked if index not in rejected)
    assert (report.best.index, report.winner()["best"]["index"]) == (winner, winner)
    assert set(report.passed_over) == set(ranked[: ranked.index(winner)])
    assert torch.allclose(result, sample(model, seed=seed + winner, steps=STEPS), atol=1e-4)
    assert "a person has rejected" in report.to_dict()["notes"][-1]
    assert [one.score for one in report.candidates if one.index in rejected], "they keep their scores"


def test_a_star_changes_nothing_but_the_report() -> None:
    ranked = free(5)
    model = small_model("EPS")
    mark(model, [0], calls=STEPS + 1, as_="star")
    found = search(model, candidates=5, batch_size=4)
    sample(found.model, steps=STEPS)
    report = best_report(found)
    assert report.best.index == ranked[0]
    assert report.winner()["person"] == {
        "stars": [0],
        "rejected": [],
        "agreement": f"The judge ranks your stars at {ranked.index(0) + 1} of 5.",
    }


def test_of_a_batch_the_other_images_keep_their_best() -> None:
    model = small_model("EPS")
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    untouched = search(small_model("EPS"), candidates=6, batch_size=4)
    sample(untouched.model, latent=latent, steps=STEPS)
    before = [one.best.index for one in untouched.search.runs[0].reports]
    mark(model, [0, 1, 2, 3], calls=STEPS + 1, image=1)
    found = search(model, candidates=6, batch_size=4)
    result = sample(found.model, latent=latent, steps=STEPS)
    first, second = found.search.runs[0].reports
    assert first.best.index == before[0] and not first.passed_over
    assert second.best.index in (4, 5)
    stock = sample(model, seed=second.best.recipe.seed, latent=latent, steps=STEPS)
    assert torch.allclose(result[1], stock[1], atol=1e-3)
