"""Pruning by looks ahead: what a plan costs, and when it falls back to x0 predictions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_search.search.methods.look_ahead import BOLD, SOFT, Looks, look_plan, look_race
from noise_search.search.methods.pruning import Cut, Race, plan

BUDGETS = st.integers(1, 100)
STEPS = st.integers(1, 100)
LOOKS = st.sampled_from([BOLD, SOFT, Looks((10, 50, 90), 0.4, 0.2, ahead=2)])
UNHURRIED = settings(deadline=None)  # on a busy machine any call can take long


def row_steps(of: Race) -> int:
    """The cost, counted step by step as a sampler would, with the steps of each look."""
    cost, alive, cuts = 0, of.starts, {cut.step: cut for cut in of.cuts}
    for step in range(1, of.steps + 1):
        cost += alive
        if step in cuts:
            cost, alive = cost + alive * cuts[step].ahead, cuts[step].keep
    return cost


@UNHURRIED
@given(BUDGETS, STEPS, LOOKS, st.integers(1, 80))
def test_the_budget_is_never_exceeded(budget: int, steps: int, looks: Looks, most_rows: int) -> None:
    races = look_plan(budget, steps, looks, most_rows)
    assert sum(map(row_steps, races)) <= budget * steps
    assert all(race.cost == row_steps(race) and race.starts <= most_rows for race in races)


@UNHURRIED
@given(BUDGETS, STEPS, LOOKS)
def test_no_fewer_start_than_without_looks(budget: int, steps: int, looks: Looks) -> None:
    starts = sum(race.starts for race in look_plan(budget, steps, looks))
    assert starts >= sum(race.starts for race in plan(budget, steps))


@UNHURRIED
@given(BUDGETS, STEPS, LOOKS)
def test_cuts_come_in_order_and_each_stops_someone(budget: int, steps: int, looks: Looks) -> None:
    race = look_race(budget, steps, looks)
    alive = [race.starts, *(cut.keep for cut in race.cuts)]
    at = [0, *(cut.step for cut in race.cuts), steps]
    assert alive == sorted(set(alive), reverse=True)
    assert at == sorted(set(at))


def test_the_plan_of_the_docstring() -> None:
    assert look_plan(8, 20) == (Race(20, 19, (Cut(5, 6, 1), Cut(7, 2, 1))),)


@pytest.mark.parametrize(("budget", "finishers"), [(2, 1), (5, 1), (6, 2), (16, 2)])
def test_few_finish(budget: int, finishers: int) -> None:
    assert look_race(budget, 20).finishers == finishers


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_few_steps_are_pruned_by_what_is_predicted(steps: int) -> None:
    assert look_plan(8, steps) == plan(8, steps)
