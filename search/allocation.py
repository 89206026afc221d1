"""How to split a budget of denoiser predictions between steps of a candidate and candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

FEWEST_STEPS = 4
ENOUGH_STEPS = 20  # from there on more candidates bring more than more steps

Cost = Callable[[int], int]  # steps -> predictions for one candidate


class Allocation(NamedTuple):
    """nfe: what that many candidates of so many steps take."""

    steps: int
    candidates: int
    nfe: int


def predictions_each(nfe: int) -> int:
    """For one candidate, where the number of candidates is free.

    The same for every budget: which is best for which has not been measured yet (benchmarks/steps.py is to).
    """
    return 8


def allocate(nfe: int, candidates: int, cost: Cost) -> Allocation:
    """candidates: 0 to decide. Raises ValueError when the budget does not pay for one step each."""
    if candidates:
        steps = _most_steps(nfe // candidates, cost)
    else:
        steps = _most_steps(min(predictions_each(nfe), nfe), cost)
        candidates = max(1, nfe // cost(steps)) if steps else 1
    if steps < 1:
        raise ValueError(
            f"{nfe} NFE do not pay for one step of {candidates} candidates: one takes {cost(1)} NFE. Raise nfe, or "
            "lower candidates."
        )
    return Allocation(steps, candidates, candidates * cost(steps))


def _most_steps(nfe: int, cost: Cost) -> int:
    """The most steps that so many predictions pay for; 0 for none."""
    steps = 0
    while cost(steps + 1) <= nfe:
        steps += 1
    return steps
