"""Progressive pruning: more starts for the same cost, the weaker ones stopped by the score of their x0 prediction.

A race: n_0 rows start together, and after the steps s_1 < .. < s_J only the best n_1 > .. > n_J go on. Its cost in
steps of rows, with s_0 = 0 and s_{J+1} = S, may not exceed that of N full trajectories:

    n_0 s_1 + n_1 (s_2 - s_1) + .. + n_J (S - s_J) <= N S                                              (eq. 1)

The rows thin out geometrically, n_j ~ keep^j n_0, at 35, 45, .. 85 % of the steps. One row that is alive after s_j will
cost, with those that fall after it taken into account,

    c_j = sum over i >= j of keep^(i - j) (s_{i+1} - s_i)                                              (eq. 2)

so n_j = floor(what is left of N S / c_j): what rounding spares at one cut is spent at the next. Two rows finish if
N >= 2, because the last choice is by final scores. N = 8 at 20 steps: 12 rows start; 10, 8, 6, 5, 4 and then 3 go on.

A plan depends on N and S alone, never on the scores, so its cost is known before it starts. Its constants were
chosen on one half of the prompts of recorded rewards and measured on the other: benchmarks/results/pruning_replay.md.
Rules that look at more than the order of the newest scores gained nothing there; the same file lists them.

Only scores of one prompt compare. A checkpoint costs a decode and a verifier call for each row alive, but no NFE: 48
scores instead of 8 for N = 8, or 30 at the coarse pace, which gains almost as much. Where early scores say nothing of
the final ones, a race is worth no more than its finishers, about 0.4 of N: do not prune there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple


class Pace(NamedTuple):
    """When rows are stopped, in percent of the steps, and the share of them that goes on each time."""

    checkpoints: tuple[int, ...]
    keep: float


FINE = Pace((35, 45, 55, 65, 75, 85), 0.78)
COARSE = Pace((35, 55, 75), 0.65)
MOST_ROWS = 64  # in one race
LEAST_ROWS = 8  # below, a race is worth little
ROOM = 256 * 2**20  # bytes for the latents of a race; a solver may hold several times as much


class Cut(NamedTuple):
    """After `step` steps, score the x0 predictions of the rows alive; the best `keep` go on.

    ahead: so many big steps further on are those predictions made, beside the trajectory; see look_ahead.py.
    """

    step: int
    keep: int
    ahead: int = 0


@dataclass(frozen=True)
class Race:
    """Rows that start together in one sampler call of `steps` steps, and when how many of them are stopped."""

    steps: int
    starts: int
    cuts: tuple[Cut, ...] = ()

    @property
    def finishers(self) -> int:
        return self.cuts[-1].keep if self.cuts else self.starts

    @property
    def cost(self) -> int:
        """In steps of rows: a full trajectory costs `steps`."""
        return self.cost_until(self.steps)

    def cost_until(self, step: int) -> int:
        """Steps of rows done when the sampler has done `step` steps, looks ahead included."""
        cost, alive, at = 0, self.starts, 0
        for cut in self.cuts:
            if cut.step >= step:
                break
            cost, alive, at = cost + alive * (cut.step - at + cut.ahead), cut.keep, cut.step
        return cost + alive * (step - at)


def plan(budget: int, steps: int, pace: Pace = FINE, most_rows: int = MOST_ROWS) -> tuple[Race, ...]:
    """The races to run one after the other; the best of all their finishers wins.

    budget: full trajectories, what all of them cost together at most. steps: of the sampler. pace: COARSE
    where scores are expensive; a lower keep for a verifier whose early scores can be trusted. most_rows: together in
    one sampler call.
    """
    if budget < 1 or steps < 1 or most_rows < 1 or not 0 < pace.keep <= 1:
        raise ValueError(
            "budget, steps and most_rows must be at least 1 and keep in 0..1, "
            f"but they are {budget}, {steps}, {most_rows} and {pace.keep}."
        )
    for count in range(1, budget + 1):
        shares = _shares(budget, count)
        planned = {share: race(share, steps, pace) for share in set(shares)}
        if all(one.starts <= most_rows for one in planned.values()):
            break
    return tuple(planned[share] for share in shares)


def race(budget: int, steps: int, pace: Pace = FINE) -> Race:
    """One race for `budget` full trajectories, however many rows that takes."""
    lengths, shares = _legs(steps, pace)
    finishers = min(2, budget)
    left, rest = budget * steps, steps
    rows: list[int] = []
    for leg, length in enumerate(lengths):
        rest -= length
        ahead = sum(map(operator.mul, shares[leg:], lengths[leg:])) / shares[leg]  # c_j (eq. 2)
        wanted = math.floor(left / ahead + 1e-9)
        affordable = (left - finishers * rest) // length
        rows.append(max(finishers, min(wanted, affordable, *rows[-1:])))
        left -= rows[-1] * length
    ends = list(accumulate(lengths))[:-1]
    falls = zip(ends, pairwise(rows), strict=True)
    return Race(steps, rows[0], tuple(Cut(end, after) for end, (before, after) in falls if after < before))


def rows_together(size: int) -> int:
    """Candidates in one race whose latents have `size` bytes each: of images 64, of video fewer. Never of the free
    memory, so that a seed gives the same winner on every machine."""
    return max(LEAST_ROWS, min(MOST_ROWS, ROOM // max(size, 1)))


def survivors(scores: Mapping[int, float], keep: int) -> list[int]:
    """The rows with the `keep` highest scores, in the order of their numbers; of equal ones the first. Those that have
    failed, with minus infinity, are the first to be stopped."""
    wrong = [row for row, score in scores.items() if math.isnan(score) or score == math.inf]
    if wrong:
        raise ValueError(f"Row {wrong[0]} has the score {scores[wrong[0]]}; it must be a finite number.")
    return sorted(sorted(scores, key=lambda row: (-scores[row], row))[:keep])


def _legs(steps: int, pace: Pace) -> tuple[list[int], list[float]]:
    """Steps between the cuts, and the share of the starts that is alive there. A cut waits for its step to end."""
    alive = {0: 1.0}
    for number, percent in enumerate(pace.checkpoints, start=1):
        step = -(-percent * steps // 100)
        if step < steps:
            alive[step] = pace.keep**number
    starts = [*alive, steps]
    return [end - start for start, end in pairwise(starts)], list(alive.values())


def _shares(budget: int, count: int) -> list[int]:
    return [budget // count + (number < budget % count) for number in range(count)]
