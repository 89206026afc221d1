"""Auto search: a pruned start, then the best images refined; nothing to tune but what it may cost.

The start is random search, pruned by looks ahead (look_ahead.py), for a share of the budget. With the rest the best
images so far are refined: noised up to a level of the schedule, denoised again from there, and the better one stays.
That gains more a step than a fresh seed, and keeps what the image shows. The children of a round race as well: most of
them are stopped by a look, as long as looks turn out to be right (not with a batch of images, which have to ask for the
same). Whatever came out best at any time wins, so the search is never worse than its start.

With a recipe to refine there is no start: its image is candidate 0, and all of the budget goes into refining that.

Levels are shares of the sampler's steps, as a shifted schedule moves noise levels. What it gains on captions of the
demo that nothing was tuned on: benchmarks/results/effective_n.md.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..records.candidate import Candidate
from ..records.recipe import Recipe
from ..records.scores import Scores
from .auto_words import in_words
from .base import Algorithm, Heat, Method, Start
from .checks import at_least
from .look_ahead import SOFT, TWO_FINISH, look_plan
from .noise import candidate_seed
from .pruning import MOST_ROWS, Cut, Race, rows_together
from .random_search import TIMED_ROWS

START = 0.5  # of the budget
AGAIN = 0.7  # of the steps, for a child
LEAST_AGAIN = 0.3  # with what is left at the end
CHILDREN, FINISHERS = 6, 2  # in a round
LOOK_AFTER = 0.15  # of the steps
UNSEEN = 4  # children in a round where none is stopped
TURNED = 3
TURN_SEEDS = 2**32


@dataclass(frozen=True)
class AutoSearch(Method):
    """budget: what it costs, in full trajectories. refine: what is refined; where its way is longer than one
    trajectory, that comes on top."""

    name: ClassVar[str] = "auto"
    needs_noise: ClassVar[bool] = True
    in_loops: ClassVar[bool] = False
    parents: ClassVar[int] = 2
    races: ClassVar[bool] = True

    budget: int
    refine: Recipe | None = None

    def __post_init__(self) -> None:
        at_least(budget=(self.budget, 1))

    @property
    def trajectories(self) -> float:
        return self.budget if self.refine is None else self.budget - 1 + self.refine.trajectories

    def begin(self, start: Start) -> Algorithm:
        if self.refine is not None:
            return refined_around(self.refine, start.seed, self.budget, start.levels)
        most = min(TIMED_ROWS if start.is_timed else start.rows, rows_together(start.latent_bytes))
        return auto_search(start.seed, self.budget, start.levels, most, learns=start.images == 1)

    def summary(self, candidates: Sequence[Candidate]) -> str:
        return in_words(candidates, self.refine)


def auto_search(
    seed: int, budget: int, levels: Sequence[float], most_rows: int = MOST_ROWS, learns: bool = True
) -> Algorithm:
    """levels: of the noise before each step and after the last. learns: whether children are stopped by looks only as
    long as looks have kept their word."""
    steps, rng = len(levels) - 1, random.Random(seed)
    left, started = budget * steps, 0
    scores = Scores()
    for race in look_plan(budget if budget < TWO_FINISH else round(START * budget), steps, SOFT, most_rows):
        heat = [Recipe(candidate_seed(seed, started + index)) for index in range(race.starts)]
        before, scores = len(scores), (yield Heat(heat, race))
        started, left = started + race.starts, left - _spent(race, len(scores) - before)
    yield from _refined(rng, left, scores, levels, learns)


def refined_around(given: Recipe, seed: int, budget: int, levels: Sequence[float]) -> Algorithm:
    """Of one image, made along this recipe. What it costs counts as one trajectory of the budget."""
    rng = random.Random(f"{seed} {given.to_dict()}")  # other turns than those that have led to it
    scores = yield [given]
    if any(scores.finished):
        yield from _refined(rng, (budget - 1) * (len(levels) - 1), scores, levels, learns=True)


def _refined(rng: random.Random, left: int, scores: Scores, levels: Sequence[float], learns: bool) -> Algorithm:
    """The best so far, again and again. left: of the budget, in steps of rows."""
    steps = len(levels) - 1
    while (race := next_round(left, steps, not learns or is_trusted(scores))) is not None:
        parents = [scores.recipes[index] for index in scores.best(AutoSearch.parents)]
        up = levels[steps - race.steps]
        heat = [parents[at % len(parents)].refined(rng.randrange(TURN_SEEDS), up) for at in range(race.starts)]
        before, scores = len(scores), (yield Heat(heat, race))
        left -= _spent(race, len(scores) - before)


def _spent(race: Race, ran: int) -> int:
    """In steps of rows. ran: of its candidates; fewer where they ran one by one, and to their end."""
    return race.cost if ran == race.starts else ran * race.steps


def is_trusted(scores: Scores) -> bool:
    """Whether early scores say what becomes of a candidate: until at least so many pairs have ended the other way round
    as in the order that they had."""
    kept, turned = scores.kept_order()
    return turned < TURNED or kept > turned


def next_round(left: int, steps: int, looks: bool = True) -> Race | None:
    """A race of children, for what is left of the budget in steps of rows; None when that is too little."""
    again = round(AGAIN * steps)
    if 0 < again < steps:
        for starts in range(CHILDREN if looks else UNSEEN, 0, -1):
            race = _race(starts, again, steps, looks)
            if race.cost <= left:
                return race
    return Race(left, 1) if again > left >= LEAST_AGAIN * steps else None


def _race(starts: int, again: int, steps: int, looks: bool) -> Race:
    """Of so many children, which do the last `again` steps once more."""
    look = -(-round(LOOK_AFTER * 100) * steps // 100) + 1
    is_cut = looks and starts > FINISHERS and look < again
    return Race(again, starts, (Cut(look, FINISHERS, 1),) if is_cut else ())
