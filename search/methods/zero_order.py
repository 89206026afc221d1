"""Zero-order search (Ma et al. 2025, arXiv 2501.09732, section 3.2), on the sphere, with a step that adapts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import ClassVar

from ..records.recipe import Recipe
from .base import Algorithm, Method, Start
from .checks import SettingError, at_least

# The step is the angle between pivot and neighbour. A round without improvement shortens it, one with improvement
# lengthens it, within these multiples of the angle that was asked for; tests/search/methods/test_zero_order.py shows
# that it helps.
SHRINK, GROW = 0.7, 1.2
SHORTEST, LONGEST = 0.3, 2.0
MOVE_SEEDS = 2**32


@dataclass(frozen=True)
class ZeroOrder(Method):
    """cosine: between the pivot and its first neighbours, 0..1."""

    name: ClassVar[str] = "zero-order"
    needs_noise: ClassVar[bool] = True

    iterations: int
    neighbors: int
    cosine: float

    def __post_init__(self) -> None:
        at_least(iterations=(self.iterations, 1), neighbors=(self.neighbors, 1))
        if not 0 <= self.cosine < 1:
            raise SettingError(
                f"cosine is {self.cosine}; it has to be from 0 to less than 1 (1 is the same noise again)."
            )

    @property
    def trajectories(self) -> float:
        return 1 + self.iterations * self.neighbors

    def begin(self, start: Start) -> Algorithm:
        return zero_order(start.seed, self.iterations, self.neighbors, self.cosine)


def zero_order(seed: int, iterations: int, neighbors: int, cosine: float) -> Algorithm:
    """Move to the best neighbour of the pivot, as long as it is better than the pivot.

    The pivot keeps the score it had: it is never run again, and never given up for something worse. So the search costs
    1 + iterations x neighbors trajectories. cosine: 0..1 between the pivot and its first neighbours.
    """
    rng = random.Random(seed)
    asked = angle = math.acos(cosine)
    asked_for = [Recipe(seed)]
    pivot = 0
    scores = yield asked_for
    for _ in range(iterations):
        around = [asked_for[pivot].moved(rng.randrange(MOVE_SEEDS), math.cos(angle)) for _ in range(neighbors)]
        asked_for = asked_for + around
        scores = yield around
        top = max(range(len(scores) - neighbors, len(scores)), key=scores.__getitem__)
        if scores[top] > scores[pivot]:
            pivot = top
            angle = min(angle * GROW, asked * LONGEST, math.pi / 2)
        else:
            angle = max(angle * SHRINK, asked * SHORTEST)
