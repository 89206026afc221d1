"""Steps spaced by a pilot."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from noise_search.search.steps import spacing
from noise_search.search.steps.pilot import Pilot, Stage, fly

EVEN = Pilot((Stage(1.0, 0.5, 0.8), Stage(0.5, 0.01, 0.8)), nfe=5, rejected=0, size=0.5)
TWO_PARTS = Pilot(tuple(Stage(1 - i / 20, 0.95 - i / 20, 9.0 if i < 10 else 1.0) for i in range(20)), 41, 0, 1.0)


def test_an_even_way_gets_even_steps() -> None:
    assert spacing.levels(EVEN, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0], abs=1e-3)


def test_where_it_bends_nine_times_as_much_steps_are_a_third_as_long() -> None:
    levels = spacing.levels(TWO_PARTS, 40)
    upper = [top - bottom for top, bottom in pairwise(levels) if bottom > 0.55]
    lower = [top - bottom for top, bottom in pairwise(levels) if top < 0.45]
    assert sum(lower) / len(lower) == pytest.approx(3 * sum(upper) / len(upper), rel=0.05)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 50, 400])
def test_levels_fall_strictly_to_0_and_none_is_below_the_pilots_end(steps: int) -> None:
    for pilot in (EVEN, TWO_PARTS._replace(stages=TWO_PARTS.stages[:18])):
        levels = spacing.levels(pilot, steps)
        assert len(levels) == steps + 1
        assert levels[0] == 1.0 and levels[-1] == 0.0
        assert all(top > bottom for top, bottom in pairwise(levels))
        assert steps == 1 or levels[-2] >= pilot.stages[-1].bottom - 1e-9


def test_the_expected_error_is_the_sum_of_what_the_steps_make() -> None:
    # 4 steps of 1/4, each wrong by (1/4)^2 * 0.8 / 2, as a share of 0.5
    assert spacing.expected_error(EVEN, 4) == pytest.approx(4 * 0.8 / 2 / 16 / 0.5, rel=1e-3)


def test_a_tolerance_that_6_steps_meet_gives_6_steps() -> None:
    tolerance = spacing.expected_error(EVEN, 6)
    assert spacing.steps_for(EVEN, tolerance) == 6
    assert spacing.steps_for(EVEN, tolerance * 0.999) == 7


def test_spaced_steps_come_nearer_than_even_ones() -> None:
    velocity = lambda y, t: torch.full_like(y, math.tanh(20 * (t - 0.8)))  # noqa: E731
    start = torch.ones(1, 4)

    def euler(levels: list[float]) -> float:
        y = start
        for top, bottom in pairwise(levels):
            y = y - (top - bottom) * velocity(y, top)
        return float(y[0, 0])

    exact = euler([1 - i / 20000 for i in range(20001)])
    spaced = spacing.levels(fly(velocity, start, 1.0, 0.01), 8)
    even = [1 - i / 8 for i in range(9)]
    assert abs(euler(spaced) - exact) < 0.5 * abs(euler(even) - exact)
