"""What a search may spend."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeLimit:
    """Plans rounds so that a search ends in time, by what a candidate has cost in the last round.

    seconds: 0 for no limit. The first round always runs, so the limit can be overrun by one round at most.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter):
        self.seconds = seconds
        self.clock = clock
        self.started = self.lap = clock()
        self.per_candidate: float | None = None

    @property
    def elapsed(self) -> float:
        return self.clock() - self.started

    @property
    def is_passed(self) -> bool:
        return 0 < self.seconds < self.elapsed

    def spent_on(self, candidates: int) -> None:
        """Note that a round of this many candidates has ended."""
        now = self.clock()
        self.per_candidate, self.lap = (now - self.lap) / candidates, now

    def affords(self, candidates: int) -> int:
        """How many of these candidates there is time for."""
        if not self.seconds or self.per_candidate is None:
            return candidates
        return max(0, min(candidates, int((self.seconds - self.elapsed) / max(self.per_candidate, 1e-9))))
