"""Budgets split between candidates and their steps."""

from __future__ import annotations

import pytest

from noise_search.search.steps.allocation import allocate

one_a_step = int


def heun(steps: int) -> int:
    return 2 * steps - 1


@pytest.mark.parametrize("cost", [one_a_step, heun])
@pytest.mark.parametrize("nfe", [1, 7, 64, 128, 256, 512, 5000])
@pytest.mark.parametrize("candidates", [0, 1, 4])
def test_a_budget_is_never_overrun(cost, nfe: int, candidates: int) -> None:
    if nfe < candidates:
        return
    split = allocate(nfe, candidates, cost)
    assert split.steps >= 1 and split.candidates >= 1
    assert split.nfe == split.candidates * cost(split.steps) <= nfe
    assert not candidates or split.candidates == candidates


def test_given_candidates_share_it_evenly() -> None:
    assert allocate(160, 8, one_a_step)[:2] == (20, 8)


def test_a_solver_that_pays_twice_gets_half_the_steps() -> None:
    assert allocate(160, 8, heun)[:2] == (10, 8)


@pytest.mark.parametrize("cost", [one_a_step, heun])
def test_twice_the_budget_goes_into_more_candidates_and_never_into_fewer_steps(cost) -> None:
    for nfe in range(8, 1000):
        small, large = (allocate(budget, 0, cost) for budget in (nfe, 2 * nfe))
        assert large.candidates > small.candidates and large.steps >= small.steps


def test_what_was_measured_to_be_best_is_chosen() -> None:
    assert [allocate(nfe, 0, one_a_step).steps for nfe in (64, 128, 256, 512)] == [8, 8, 12, 16]


def test_a_very_large_budget_does_not_go_into_steps() -> None:
    assert allocate(5000, 0, one_a_step) == (20, 250, 5000)


def test_too_small_a_budget_is_refused_with_the_price() -> None:
    with pytest.raises(ValueError, match="3 NFE do not pay for one step of 4 candidates: one takes 1 NFE"):
        allocate(3, 4, one_a_step)
