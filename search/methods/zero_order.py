"""Zero-order search (Ma et al. 2025, arXiv 2501.09732, section 3.2), on the sphere, with a step that adapts."""

from __future__ import annotations

import math
import random

from ..records.recipe import Recipe
from .random_search import Algorithm

# The step is the angle between pivot and neighbour. A round without improvement shortens it, one with improvement
# lengthens it, within these multiples of the angle that was asked for; tests/search/test_zero_order.py shows that it
# helps.
SHRINK, GROW = 0.7, 1.2
SHORTEST, LONGEST = 0.3, 2.0
MOVE_SEEDS = 2**32


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
