"""In a worker: the candidates that were asked for are scored, as the search itself would have scored them."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch as patched

import pytest
import torch

from noise_search.search.methods.pruning import race
from noise_search.search.methods.random_search import RandomSearch
from small_models import Brightness, SmallVAE, made_plan, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6
IMAGES = 2


def crew(module: str) -> Any:
    return importlib.import_module(f"noise_search.search.crew.{module}")


def run(made: Any = None, sampler: str = "") -> SimpleNamespace:
    """A search of 6, or in its place the errand that is made from its recipes."""
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Search (node 1)", RandomSearch(6), patience=1 if made else 0, node="1")
    model, record = patch.put_on(small_model("FLOW"), plan, SmallVAE(), Brightness(), "")
    with patched.object(crew("seam").CREWS, "errand", made), patched.object(patch, "PROMPTS", _Prompts(sampler)):
        latents = sample(model, latent={"samples": torch.zeros(IMAGES, 4, 8, 8)}, steps=STEPS)
    return SimpleNamespace(latents=latents, runs=record.runs)


class _Prompts:
    """Nothing was queued; the sampler is this node."""

    def __init__(self, sampler: str):
        self.sampler = sampler

    def executing(self) -> tuple[None, tuple[str, int]]:
        return None, (self.sampler, 0)

    def record(self, winners: Any) -> None: ...


def errand(candidates: tuple[Any, ...], raced: Any = None, sampler: str = "") -> Any:
    seam = crew("seam")
    return seam.Errand(sampler, "1", 0, seam.Piece(candidates, tuple(range(len(candidates))), STEPS, raced))


def recipes(found: SimpleNamespace) -> tuple[Any, ...]:
    of_images = [[one.recipe for one in report.candidates] for report in found.runs[-1].reports]
    return tuple(zip(*of_images, strict=True))


def test_what_was_asked_for_is_scored_whatever_limits_the_search_has() -> None:
    alone = run()
    asked = recipes(alone)
    made = errand(asked[1:4])
    found = run(made)
    assert made.is_done
    assert not found.runs, "nobody has searched"
    scored = crew("wire").lines_read(made.lines)
    for image, report in enumerate(alone.runs[-1].reports):
        ours = [sum(of_images[image].scores.values()) for of_images in scored]
        assert ours == pytest.approx([one.score for one in report.candidates[1:4]], abs=1e-5)
        best = report.best.index
        if best in (1, 2, 3):
            assert torch.allclose(made.results[image, best - 1].latent, alone.latents[image : image + 1], atol=1e-4)
    assert {at for _, at in made.results} == {0, 1, 2}


def test_a_race_ends_with_what_it_has_cut() -> None:
    asked = recipes(run())
    raced = race(4, STEPS)
    made = errand(asked[: raced.starts], raced)
    run(made)
    stopped = [one[0].stopped_at_step for one in crew("wire").lines_read(made.lines)]
    assert any(stopped)
    assert not all(stopped)


def test_what_a_call_has_spent_is_known() -> None:
    made = errand(recipes(run())[:3])
    run(made)
    assert made.beside == [0] * IMAGES, "nothing was spent that is not a candidate's"
    assert len(made.spent()) == IMAGES
    assert made.steps() == 3 * STEPS


def test_the_errand_of_another_sampler_is_left_alone() -> None:
    made = errand(recipes(run()), sampler="another")
    assert run(made).runs
    assert not made.is_done
