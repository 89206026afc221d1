"""Pruning by looks ahead: an early score is that of the image which a row would become in a few big steps.

The x0 prediction after k of S steps is the mean of all images that the latent may still become, so it is blurred and
its score says little. A look ahead finishes the latent instead, in a few big steps of the sampler's own schedule; that
image is scored and thrown away, and the row goes on from where it was. The first prediction of a look is the one that
the row makes there anyway, so a look of m steps costs m - 1. As `plan` in pruning.py, with looks of two steps:

    n_0 (s_1 + 1) + n_1 (s_2 - s_1 + 1) + n_2 (S - s_2) <= N S                                         (eq. 1)

s_1 and s_2 are the predictions made after 20 and 30 % of the steps; of n_0 starts a third and then one or two go on.
N = 8 at 20 steps: 19 rows start; 6 and then 2 go on.

It is worth more than pruning by x0 predictions where looks rank well, and less where they do not:
benchmarks/results/effective_n.md.
"""

from __future__ import annotations

from typing import NamedTuple

from .pruning import MOST_ROWS, Cut, Race, plan


class Looks(NamedTuple):
    """When rows are judged by looks, in percent of the steps; the share that goes on each time but the last, when it is
    `finish` of the budget, but at least one, and two where the budget is at least 6. ahead: see pruning.Cut."""

    levels: tuple[int, ...]
    keep: float
    finish: float = 0.0
    ahead: int = 1


BOLD = Looks((20, 30), 1 / 3)
SOFT = Looks((25, 40), 1 / 2, 1 / 3)
TWO_FINISH = 6  # at this budget and above


def look_plan(budget: int, steps: int, looks: Looks = BOLD, most_rows: int = MOST_ROWS) -> tuple[Race, ...]:
    """The races to run one after the other, as pruning.plan; by x0 predictions where there are too few steps for looks
    to let more start."""
    for count in range(1, budget + 1):
        shares = [budget // count + (number < budget % count) for number in range(count)]
        races = {share: look_race(share, steps, looks) for share in set(shares)}
        if all(race.starts <= most_rows for race in races.values()):
            break
    plain = plan(budget, steps, most_rows=most_rows)
    is_worth = sum(races[share].starts for share in shares) > sum(race.starts for race in plain)
    return tuple(races[share] for share in shares) if is_worth else plain


def look_race(budget: int, steps: int, looks: Looks = BOLD) -> Race:
    """One race for `budget` full trajectories of so many steps, with as many starts as that pays for."""
    best = Race(steps, budget)
    starts = budget + 1
    while (race := _race(budget, steps, starts, looks)).cost <= budget * steps and race.cuts:
        best, starts = race, starts + 1
    return best


def _race(budget: int, steps: int, starts: int, looks: Looks) -> Race:
    at = [-(-percent * steps // 100) + 1 for percent in looks.levels]
    last = max(1 if budget < TWO_FINISH else 2, round(looks.finish * budget))
    cuts: list[Cut] = []
    alive = starts
    for number, step in enumerate(at, start=1):
        keep = last if number == len(at) else max(last, round(looks.keep * alive))
        if step < steps and keep < alive and (not cuts or step > cuts[-1].step):
            cuts.append(Cut(step, keep, looks.ahead))
            alive = keep
    return Race(steps, starts, tuple(cuts))
