"""Random search (Ma et al. 2025, arXiv 2501.09732, section 3.1): independent noises, keep the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..records.recipe import Recipe
from .base import Algorithm, Heat, Method, Start
from .by_hand import ANSWER_WITHIN, BY_HAND, check_by_hand, hand_plan
from .checks import SettingError, at_least
from .look_ahead import look_plan
from .noise import candidate_seed
from .pruning import FINE, MOST_ROWS, Pace, Race, plan, rows_together

NONE, PROGRESSIVE, LOOK_AHEAD = "none", "progressive", "look ahead"
PRUNINGS = (NONE, PROGRESSIVE, LOOK_AHEAD, BY_HAND)
TIMED_ROWS = 16  # candidates in a race when time is short: the first round always runs


@dataclass(frozen=True)
class RandomSearch(Method):
    """candidates: what it costs, in full trajectories. pruning: all but NONE spend the same on more starts.
    answer_within: seconds that people have at each cut, with BY_HAND."""

    name: ClassVar[str] = "random"

    candidates: int
    pruning: str = NONE
    answer_within: int = ANSWER_WITHIN

    def __post_init__(self) -> None:
        at_least(candidates=(self.candidates, 1), answer_within=(self.answer_within, 1))
        if self.pruning not in PRUNINGS:
            raise SettingError(f"pruning is {self.pruning!r}, but it has to be one of {', '.join(PRUNINGS)}.")

        if self.pruning == BY_HAND:
            check_by_hand(self.candidates)

    @property
    def trajectories(self) -> float:
        return self.candidates

    @property
    def races(self) -> bool:
        return self.pruning != NONE

    def begin(self, start: Start) -> Algorithm:
        if not self.races:
            return random_search(start.seed, self.candidates)
        most = min(TIMED_ROWS if start.is_timed else start.rows, rows_together(start.latent_bytes))
        if self.pruning == BY_HAND:
            return in_races(start.seed, hand_plan(self.candidates, start.steps, most, self.answer_within))
        if self.pruning == LOOK_AHEAD:
            return in_races(start.seed, look_plan(self.candidates, start.steps, most_rows=most))
        return pruned_random_search(start.seed, self.candidates, start.steps, most, start.pace)


def random_search(seed: int, candidates: int) -> Algorithm:
    """Judge the noises of `candidates` consecutive seeds; the first is the one the sampler would have used anyway."""
    yield [Recipe(candidate_seed(seed, index)) for index in range(candidates)]


def pruned_random_search(
    seed: int, candidates: int, steps: int, most_rows: int = MOST_ROWS, pace: Pace = FINE
) -> Algorithm:
    """The cost of `candidates` trajectories of so many steps, spent on more starts: the weaker ones stop on the way.

    most_rows: that start together, and are one round.
    """
    return in_races(seed, plan(candidates, steps, pace, most_rows))


def in_races(seed: int, races: Sequence[Race]) -> Algorithm:
    """Consecutive seeds, as many as all races start."""
    started = 0
    for race in races:
        yield Heat([Recipe(candidate_seed(seed, started + index)) for index in range(race.starts)], race)
        started += race.starts
