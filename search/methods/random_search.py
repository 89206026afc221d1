"""Random search (Ma et al. 2025, arXiv 2501.09732, section 3.1): independent noises, keep the best."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from ..records.recipe import Recipe
from .noise import candidate_seed
from .pruning import MOST_ROWS, Race, plan


class Heat(NamedTuple):
    """Noises that start together in one sampler call and are pruned on the way."""

    recipes: list[Recipe]
    race: Race


class Enough(Exception):
    """Thrown into an algorithm when people want the best so far: it may yield what is needed to finish that.

    scores: of everything it has asked for and that has run, in that order; a part of the last round may be missing.
    """

    def __init__(self, scores: list[float]):
        super().__init__()
        self.scores = scores


# Yields the noises it wants judged; receives the scores of everything it has asked for so far, in that order, because
# some verifiers rank candidates among each other.
Algorithm = Generator[list[Recipe] | Heat, list[float], None]


def random_search(seed: int, candidates: int) -> Algorithm:
    """Judge the noises of `candidates` consecutive seeds; the first is the one the sampler would have used anyway."""
    yield [Recipe(candidate_seed(seed, index)) for index in range(candidates)]


def pruned_random_search(seed: int, candidates: int, steps: int, most_rows: int = MOST_ROWS) -> Algorithm:
    """The cost of `candidates` trajectories of so many steps, spent on more starts: the weaker ones stop on the way.

    most_rows: that start together, and are one round.
    """
    started = 0
    for race in plan(candidates, steps, most_rows=most_rows):
        yield Heat([Recipe(candidate_seed(seed, started + index)) for index in range(race.starts)], race)
        started += race.starts
