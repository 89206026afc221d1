"""The intervals of the benchmarks: they hold what they should as often as they should, and never change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from noise_search.benchmarks.stats import Interval, interval, mean, resampled, shown


@dataclass(frozen=True)
class Row:
    caption: int
    score: float


def value(row: Row) -> float:
    return row.score


def test_nine_of_ten_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(7)
    found = [mean(rng.normal(3.0, 2.0, 40)) for _ in range(400)]
    below, above = (np.mean(side) for side in zip(*((one.high < 3, one.low > 3) for one in found), strict=True))
    assert 0.02 < below < 0.09 and 0.02 < above < 0.09


def test_an_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = mean(values)
    half = 1.645 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_what_varies_with_the_caption_alone_falls_out_of_a_paired_difference() -> None:
    rng = np.random.default_rng(2)
    captions, gains = rng.normal(0, 10, 50), rng.normal(0.5, 0.1, 50)
    both = np.stack([captions, captions + gains])
    paired = resampled(lambda chosen: (both[1][chosen] - both[0][chosen]).mean(-1), 50)
    assert 0.45 < paired.low < paired.value < paired.high < 0.55
    assert paired == pytest.approx(mean(both[1] - both[0]))
    alone = mean(both[1])
    assert alone.high - alone.low > 50 * (paired.high - paired.low)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    values = list(np.random.default_rng(3).normal(size=30))
    assert mean(values) == mean(values) == mean(values, seed=0)
    assert mean(values) != mean(values, seed=1)
    np.random.default_rng(0).random(100)
    np.random.seed(5)
    assert mean(values) == mean(values)


def test_draws_are_those_that_the_committed_tables_were_made_with() -> None:
    values = np.random.default_rng(4).normal(size=24)
    draws = np.random.default_rng(0).integers(0, 24, (2000, 24))
    assert mean(values) == pytest.approx((values.mean(), *np.percentile(values[draws].mean(1), [5, 95])))


def test_a_caption_counts_once_however_many_rows_it_has() -> None:
    once = [Row(0, 1.0), Row(1, 2.0), Row(2, 6.0)]
    often = [Row(0, 0.0), Row(0, 2.0), *once[1:], Row(2, 5.0), Row(2, 7.0)]
    assert interval(often, value) == interval(once, value)
    assert interval(once, value).value == 3.0


def test_one_caption_has_no_interval_and_equal_ones_have_none_either() -> None:
    assert interval([Row(4, 1.5), Row(4, 2.5)], value) == Interval(2.0, 2.0, 2.0)
    assert mean([3.0] * 5) == Interval(3.0, 3.0, 3.0)


def test_a_statistic_of_curves_is_resampled_by_whole_curves() -> None:
    curves = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 3.0]])
    found = resampled(lambda chosen: curves[chosen].mean(-2).max(-1), 3, resamples=500, seed=9)
    assert found.value == pytest.approx(7 / 3)
    assert 1.0 <= found.low < found.value < found.high <= 3.0


def test_shown_in_digits() -> None:
    assert shown(Interval(1.234, -0.5, 2.0), 1) == "1.2 [-0.5, 2.0]"
