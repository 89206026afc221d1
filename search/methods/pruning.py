"""Progressive pruning: more starts for the same cost, the weaker ones stopped by the score of their x0 prediction.

A race: n_0 rows start together, and after the steps s_1 < .. < s_J only the best n_1 > .. > n_J go on. Its cost in
steps of rows, with s_0 = 0 and s_{J+1} = S, may not exceed that of N full trajectories:

    n_0 s_1 + n_1 (s_2 - s_1) + .. + n_J (S - s_J) <= N S                                              (eq. 1)

The rows thin out geometrically, n_j ~ keep^j n_0, from 30 % of the steps on at every 5 %: at 20 steps after each. One
row that is alive after s_j will cost, with those that fall after it taken into account,

    c_j = sum over i >= j of keep^(i - j) (s_{i+1} - s_i)                                              (eq. 2)

so n_j = floor(what is left of N S / c_j): what rounding spares at one cut is spent at the next. Two rows finish if
N >= 3, because the last choice is by final scores. N = 8 at 20 steps: 13 rows start; 12, 10, 9, 8, 7, 6, 5, 4 and then
3 go on.

A plan depends on N, S and the pace alone, never on scores or on how long they take, so its cost is known before it
starts and the same seed gives the same winner on every machine. Its constants were chosen on one half of the prompts of
recorded rewards and measured on the other: benchmarks/results/pruning_replay.md. Rules that look at more than the order
of the newest scores gained nothing there; the same file lists them.

Only scores of one prompt compare. A checkpoint costs a decode and a verifier call for each row alive, but no NFE: for
N = 8, 77 scores instead of 8, or 30 at the coarse pace, which gains less by steps, and more by time where a score takes
longer than about a fifth of a step. A verifier may say which pace suits it (`Paced` in verifiers/base.py): FAST where
early scores are good, COARSE where a score is dear. Do not prune where a score takes more than two steps, because not
even the coarse pace is worth its time there; nor where early scores say nothing of the final ones, because a race is
then worth no more than its finishers, 3 for N = 8, or 2 at the fast pace.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple


class Pace(NamedTuple):
    """When rows are stopped, in percent of the steps, and the share of them that goes on each time. few: that share
    where the budget is below FEW, when it is another."""

    checkpoints: tuple[int, ...]
    keep: float
    few: float | None = None


EVERY_STEP = tuple(range(30, 100, 5))  # of 20 steps
FINE = Pace(EVERY_STEP, 0.87)
FAST = Pace(EVERY_STEP, 0.82, few=FINE.keep)
COARSE = Pace((35, 55, 75), 0.65)
PACES = {"fast": FAST, "fine": FINE, "coarse": COARSE}
FEW = 6  # trajectories
TWO_FINISH = 3  # at this budget and above
MOST_ROWS = 64  # in one race
CREW_ROWS = 12  # where races may run side by side on several GPUs; never by how many there are
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
    """Rows that start together in one sampler call of `steps` steps, and when how many of them are stopped.

    answer_within: seconds in which a person may say at each cut which go on; 0 asks nobody (by_hand.py).
    """

    steps: int
    starts: int
    cuts: tuple[Cut, ...] = ()
    answer_within: float = 0.0

    @property
    def finishers(self) -> int:
        return self.cuts[-1].keep if self.cuts else self.starts

    @property
    def cost(self) -> int:
        """In steps of rows: a full trajectory costs `steps`."""
        return self.cost_until(self.steps)

    @property
    def scores(self) -> int:
        """How many are asked for: of the rows alive at each cut, and of the finishers."""
        return self.starts + sum(cut.keep for cut in self.cuts)

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
    where scores are dear, FAST for a verifier whose early scores are good. most_rows: together in one sampler call.
    """
    if min(budget, steps, most_rows) < 1 or not all(0 < keep <= 1 for keep in (pace.keep, pace.few or pace.keep)):
        raise ValueError(
            "budget, steps and most_rows must be at least 1 and what goes on in 0..1, "
            f"but they are {budget}, {steps}, {most_rows} and {pace}."
        )
    for count in range(1, budget + 1):
        shares = _shares(budget, count)
        planned = {share: race(share, steps, pace) for share in set(shares)}
        if all(one.starts <= most_rows for one in planned.values()):
            break
    return tuple(planned[share] for share in shares)


def race(budget: int, steps: int, pace: Pace = FINE) -> Race:
    """One race for `budget` full trajectories, however many rows that takes."""
    lengths, shares = _legs(budget, steps, pace)
    finishers = 2 if budget >= TWO_FINISH else 1
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


def _legs(budget: int, steps: int, pace: Pace) -> tuple[list[int], list[float]]:
    """Steps between the cuts, and the share of the starts that is alive there. A cut waits for its step to end."""
    keep = pace.few if pace.few and budget < FEW else pace.keep
    alive = {0: 1.0}
    for number, percent in enumerate(pace.checkpoints, start=1):
        step = -(-percent * steps // 100)
        if step < steps:
            alive[step] = keep**number
    starts = [*alive, steps]
    return [end - start for start, end in pairwise(starts)], list(alive.values())


def _shares(budget: int, count: int) -> list[int]:
    return [budget // count + (number < budget % count) for number in range(count)]
