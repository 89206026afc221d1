"""Which wording of a prompt a candidate is drawn with: a bandit, beside whatever method chooses its noise.

Wording 0 is the user's own. Each is tried once, in order; then Thompson sampling: of each wording a mean score is drawn
from what its candidates say of it, and the highest is tried. Wordings that score badly are seldom drawn again, and none
is given up for good.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

TOGETHER = 4  # candidates that are chosen on the same knowledge; part of what a seed gives, so no matter of batch size


class Bandit:
    """Of the search for one image. The same seed and scores give the same choices."""

    def __init__(self, wordings: int, seed: int):
        self.wordings = wordings
        self.seed = seed

    def choose(self, seen: Sequence[tuple[int, float]], count: int) -> list[int]:
        """The wordings of the next candidates. seen: wording and score of all before, minus infinity where failed."""
        rng = random.Random(f"{self.seed} {len(seen)}")
        first = range(len(seen), min(len(seen) + count, self.wordings))
        return [*first, *(self._drawn(seen, rng) for _ in range(count - len(first)))]

    def _drawn(self, seen: Sequence[tuple[int, float]], rng: random.Random) -> int:
        scores = [[score for wording, score in seen if wording == own and score > -math.inf] for own in self._all]
        known = [score for of in scores for score in of]
        middle = statistics.fmean(known) if known else 0.0
        spread = _spread(scores) or 1.0
        return max(self._all, key=lambda own: _mean(scores[own], middle, spread, rng))

    @property
    def _all(self) -> range:
        return range(self.wordings)


def _mean(scores: Sequence[float], middle: float, spread: float, rng: random.Random) -> float:
    """Drawn from what is known: as if the mean of all had been seen once with this wording."""
    count = len(scores) + 1
    return rng.gauss((middle + sum(scores)) / count, spread / math.sqrt(count))


def _spread(scores: Sequence[Sequence[float]]) -> float:
    """Of scores around those of their own wording; of all where no wording has two."""
    apart = [score - statistics.fmean(of) for of in scores if len(of) > 1 for score in of]
    alone = [score for of in scores for score in of]
    return statistics.pstdev(apart) if apart else statistics.pstdev(alone) if len(alone) > 1 else 0.0
