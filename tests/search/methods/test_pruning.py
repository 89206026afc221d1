"""Progressive pruning: what a plan costs, who goes on, and what that gains on rewards whose early scores are known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_search.search.methods.pruning import COARSE, FAST, FEW, FINE, Cut, Pace, Race, plan, race, survivors

BUDGETS = st.integers(1, 100)
STEPS = st.integers(1, 100)
PACES = st.builds(
    Pace, st.sampled_from([FINE.checkpoints, COARSE.checkpoints, (1, 50, 99)]), st.floats(0.05, 1), st.just(None)
)
PACES |= st.sampled_from([FAST, FINE, COARSE])
UNHURRIED = settings(deadline=None)  # on a busy machine any call can take long
EarlyScore = Callable[[float, random.Random], float]


def row_steps(of: Race) -> int:
    """The cost, counted step by step as a sampler would."""
    cost, alive, keep_after = 0, of.starts, {cut.step: cut.keep for cut in of.cuts}
    for step in range(1, of.steps + 1):
        cost += alive
        alive = keep_after.get(step, alive)
    return cost


@UNHURRIED
@given(BUDGETS, STEPS, PACES, st.integers(1, 80))
def test_the_budget_is_never_exceeded(budget: int, steps: int, pace: Pace, most_rows: int) -> None:
    races = plan(budget, steps, pace, most_rows)
    assert sum(map(row_steps, races)) <= budget * steps
    assert all(race.cost == row_steps(race) for race in races)


@UNHURRIED
@given(BUDGETS, STEPS, PACES)
def test_two_finish_from_three_trajectories_on(budget: int, steps: int, pace: Pace) -> None:
    assert race(budget, steps, pace).finishers >= (2 if budget >= 3 else 1)


@UNHURRIED
@given(BUDGETS, STEPS, PACES)
def test_no_fewer_start_than_without_pruning(budget: int, steps: int, pace: Pace) -> None:
    assert race(budget, steps, pace).starts >= budget


@UNHURRIED
@given(BUDGETS, STEPS, PACES)
def test_cuts_come_in_order_and_each_stops_someone(budget: int, steps: int, pace: Pace) -> None:
    planned = race(budget, steps, pace)
    assert len(planned.cuts) <= len(pace.checkpoints)
    assert all(a.step < b.step and a.keep > b.keep for a, b in pairwise(planned.cuts))
    assert all(0 < cut.step < steps and cut.keep < planned.starts for cut in planned.cuts)


@UNHURRIED
@given(BUDGETS, STEPS)
def test_no_cut_comes_before_three_tenths_of_the_steps(budget: int, steps: int) -> None:
    assert all(cut.step >= 0.3 * steps for cut in race(budget, steps).cuts)


@UNHURRIED
@given(BUDGETS, STEPS, st.integers(1, 80))
def test_no_race_has_more_rows_than_allowed(budget: int, steps: int, most_rows: int) -> None:
    races = plan(budget, steps, most_rows=most_rows)
    assert all(race.starts <= most_rows for race in races)
    assert len(races) == 1 or race(budget, steps).starts > most_rows


@UNHURRIED
@given(st.integers(3, 100), st.integers(10, 100))
def test_little_of_the_budget_is_left_over(budget: int, steps: int) -> None:
    """Less than one trajectory, and less than a tenth of the budget."""
    left = budget * steps - race(budget, steps).cost
    assert left < steps
    assert left <= 0.1 * budget * steps


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 20])
def test_one_trajectory_cannot_be_pruned(steps: int) -> None:
    assert race(1, steps) == Race(steps, 1)


def test_one_of_three_finishes_for_two() -> None:
    assert race(2, 20) == Race(20, 3, (Cut(7, 2), Cut(12, 1)))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, Race(1, 8)),
        (2, Race(2, 10, (Cut(1, 6),))),
        (3, Race(3, 10, (Cut(2, 4),))),
        (4, Race(4, 11, (Cut(2, 6), Cut(3, 4)))),
    ],
)
def test_few_steps_leave_few_places_to_cut(steps: int, expected: Race) -> None:
    assert race(8, steps) == expected


def test_the_plan_of_the_docstring() -> None:
    planned = race(8, 20)
    assert planned.starts == 13
    steps, kept = zip(*((cut.step, cut.keep) for cut in planned.cuts), strict=True)
    assert steps == (6, 7, 8, 9, 10, 11, 12, 14, 16)
    assert kept == (12, 10, 9, 8, 7, 6, 5, 4, 3)
    assert planned.scores == 77


def test_the_fast_pace_starts_more_and_finishes_fewer() -> None:
    fast, fine = race(8, 20, FAST), race(8, 20)
    assert (fast.starts, fast.finishers, fast.scores) == (15, 2, 75)
    assert fast.starts > fine.starts
    assert fast.finishers < fine.finishers


@pytest.mark.parametrize("budget", range(1, FEW))
def test_small_budgets_are_not_hurried(budget: int) -> None:
    assert race(budget, 20, FAST) == race(budget, 20, FINE)


def test_the_coarse_pace_asks_for_fewer_scores() -> None:
    planned = race(8, 20, COARSE)
    assert [cut.step for cut in planned.cuts] == [7, 11, 15]
    assert planned.scores == 30


def test_cost_grows_by_the_rows_alive() -> None:
    planned = Race(4, 5, (Cut(1, 3), Cut(3, 2)))
    assert [planned.cost_until(step) for step in range(5)] == [0, 5, 8, 11, 13]


def test_keeping_all_is_plain_search() -> None:
    assert race(8, 20, Pace(FINE.checkpoints, 1.0)) == Race(20, 8)


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 20),
        (4, 0),
        (4, 20, Pace((50,), 0.0)),
        (4, 20, Pace((50,), 1.1)),
        (4, 20, Pace((50,), 0.5, 2.0)),
        (4, 20, FINE, 0),
    ],
)
def test_impossible_settings_are_refused_with_their_values(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="but they are"):
        plan(*arguments)


def test_the_best_go_on_in_the_order_of_their_numbers() -> None:
    assert survivors({0: 0.1, 3: 0.9, 5: 0.5, 7: 0.7}, 3) == [3, 5, 7]


@UNHURRIED
@given(st.permutations(range(6)))
def test_of_equal_scores_the_first_goes_on_whatever_the_order(order: Sequence[int]) -> None:
    assert survivors({row: 1.0 for row in order}, 2) == [0, 1]


def test_a_score_that_is_not_a_number_is_an_error_that_names_the_row() -> None:
    with pytest.raises(ValueError, match="Row 2 has the score nan"):
        survivors({1: 0.5, 2: float("nan")}, 1)


def search(budget: int, early: EarlyScore, seed: int, steps: int = 20) -> float:
    """Final score of a pruned search among standard normal finals."""
    rng = random.Random(seed)
    (planned,) = plan(budget, steps)
    finals = [rng.gauss(0, 1) for _ in range(planned.starts)]
    alive = list(range(planned.starts))
    for cut in planned.cuts:
        alive = survivors({row: early(finals[row], rng) for row in alive}, cut.keep)
    return max(finals[row] for row in alive)


def plain(count: int, seed: int) -> float:
    rng = random.Random(seed)
    return max(rng.gauss(0, 1) for _ in range(count))


def mean(of: Callable[[int], float]) -> float:
    return fmean(map(of, range(1000)))


@pytest.mark.parametrize("budget", [4, 8, 16])
def test_perfect_early_scores_are_worth_half_as_many_trajectories_again(budget: int) -> None:
    pruned = mean(lambda seed: search(budget, lambda final, _: final, seed))
    assert pruned == pytest.approx(mean(lambda seed: plain(race(budget, 20).starts, seed)))
    assert race(budget, 20).starts >= 1.5 * budget


@pytest.mark.parametrize("budget", [4, 8, 16])
def test_early_scores_of_a_mediocre_verifier_gain(budget: int) -> None:
    """Correlation 0.7 with the final score at every checkpoint, each with errors of its own."""
    pruned = mean(lambda seed: search(budget, lambda final, rng: final + rng.gauss(0, 1.02), seed))
    assert pruned > mean(lambda seed: plain(budget, seed)) + 0.05


@pytest.mark.parametrize("budget", [4, 8, 16])
def test_useless_early_scores_cost_no_more_than_the_trajectories_they_stop(budget: int) -> None:
    """The best of the finishers, whoever they are: less than plain search of the same budget, by a known amount."""
    pruned = mean(lambda seed: search(budget, lambda _, rng: rng.random(), seed))
    assert pruned == pytest.approx(mean(lambda seed: plain(race(budget, 20).finishers, seed)), abs=0.09)


def test_a_search_is_deterministic() -> None:
    assert plan(16, 20) == plan(16, 20)
    assert search(8, lambda final, _: final / 2, 3) == search(8, lambda final, _: final / 2, 3)


def test_those_that_failed_are_stopped_first() -> None:
    scores = {0: -math.inf, 1: -5.0, 2: 0.3, 3: -math.inf}
    assert survivors(scores, 1) == [2]
    assert survivors(scores, 2) == [1, 2]
    assert survivors(scores, 3) == [0, 1, 2]
