"""How to split a budget of denoiser predictions between steps of a candidate and candidates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

FEW, ENOUGH = 8, 20  # below and above, more candidates bring more than other steps (benchmarks/results/steps.md)

Cost = Callable[[int], int]  # steps -> predictions for one candidate


class Allocation(NamedTuple):
    """nfe: what that many candidates of so many steps take."""

    steps: int
    candidates: int
    nfe: int


def predictions_each(nfe: int) -> int:
    """For one candidate, where the number of candidates is free: half as many as there are candidates.

    On the demo model these find within 2 points as many whole captions as the best of 4, 6, 8, 12, 16 and 24, at
    budgets of 64, 128, 256 and 512 (benchmarks/results/steps.md).
    """
    return min(max(FEW, math.ceil(math.sqrt(nfe / 2))), ENOUGH)


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
