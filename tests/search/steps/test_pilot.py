"""The pilot on equations whose curvature is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from noise_search.search.steps import pilot
from noise_search.search.steps.pilot import MOST_PREDICTIONS, fly


class Counted:
    """A velocity that counts how often it is asked."""

    def __init__(self, velocity):
        self.velocity, self.asked = velocity, 0

    def __call__(self, y: Tensor, t: float) -> Tensor:
        self.asked += 1
        return self.velocity(y, t)


def test_the_bend_is_the_second_derivative() -> None:
    found = fly(lambda y, t: torch.full_like(y, math.cos(3 * t)), torch.ones(1, 4), 1.0, 0.01)
    for stage in found.stages:
        exact = (math.cos(3 * stage.top) - math.cos(3 * stage.bottom)) / (stage.top - stage.bottom)
        assert stage.bend == pytest.approx(abs(exact), rel=1e-4)


def test_stages_cover_the_way_without_a_gap() -> None:
    found = fly(lambda y, t: y / t, torch.ones(1, 4), 0.8, 0.02)
    assert (found.stages[0].top, found.stages[-1].bottom) == (0.8, 0.02)
    assert all(one.bottom == other.top for one, other in zip(found.stages, found.stages[1:], strict=False))


def test_every_prediction_counts_those_of_rejected_steps_too() -> None:
    sharp = Counted(lambda y, t: torch.full_like(y, math.tanh(60 * (t - 0.5))))
    found = fly(sharp, torch.ones(1, 4), 1.0, 0.01)
    assert found.nfe == sharp.asked
    assert found.rejected > 0
    assert found.nfe == 2 * len(found.stages) + found.rejected


def test_steps_are_shorter_where_the_way_bends() -> None:
    found = fly(lambda y, t: torch.full_like(y, math.tanh(40 * (t - 0.5))), torch.ones(1, 4), 1.0, 0.01)
    lengths = {(stage.top + stage.bottom) / 2: stage.top - stage.bottom for stage in found.stages}
    near = min(lengths, key=lambda middle: abs(middle - 0.5))
    assert lengths[near] < 0.2 * max(lengths.values())


def test_a_rough_way_ends_within_the_most_predictions() -> None:
    rough = Counted(lambda y, t: 40 * torch.sin(200 * t + torch.arange(4.0)))
    found = fly(rough, torch.ones(1, 4), 1.0, 0.01)
    assert rough.asked <= MOST_PREDICTIONS
    assert found.stages[-1].bottom == 0.01


def test_a_straight_way_takes_few_predictions() -> None:
    found = fly(lambda y, t: torch.ones_like(y), torch.ones(1, 4), 1.0, 0.01)
    assert found.nfe < 15
    assert found.rejected == 0


def test_size_is_that_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilot, "ACCURACY", 1e-4)
    found = fly(lambda y, t: y, torch.full((1, 4), 2.0), 1.0, 0.01)
    assert found.size == pytest.approx(2 * math.exp(-0.99), rel=1e-2)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_error_is_measured_against_the_latents_size(scale: float) -> None:
    """On a linear equation the way of a latent is that of another, scaled: the same steps."""

    def velocity(y: Tensor, t: float) -> Tensor:
        return y * math.cos(9 * t)

    plain, scaled = (fly(velocity, torch.full((1, 4), size), 1.0, 0.01) for size in (1.0, scale))
    assert [stage.top for stage in scaled.stages] == pytest.approx([stage.top for stage in plain.stages])
    assert scaled.nfe == plain.nfe
