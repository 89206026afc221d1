"""When it is enough: a target, time, patience, people."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from .plan import Limits
from .records.standing import Standing

TARGET = "target"


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

    def paused(self, seconds: float) -> None:
        """Note that the search has waited for people, which does not count."""
        self.started += seconds
        self.lap += seconds

    def spent_on(self, candidates: int) -> None:
        """Note that a round of this many candidates has ended."""
        now = self.clock()
        self.per_candidate, self.lap = (now - self.lap) / candidates, now

    def affords(self, candidates: int) -> int:
        """How many of these candidates there is time for."""
        if not self.seconds or self.per_candidate is None:
            return candidates
        return max(0, min(candidates, int((self.seconds - self.elapsed) / max(self.per_candidate, 1e-9))))


class Stopping:
    """Of one search. reason: None while it goes on, else `target`, `time`, `patience` or `user`.

    stop_asked: whether people want the best so far.
    """

    def __init__(self, limits: Limits, standings: Sequence[Standing[Any]], stop_asked: Callable[[], bool]):
        self.limit = TimeLimit(limits.max_seconds)
        self.patience = limits.patience
        self.standings = standings
        self.stop_asked = stop_asked
        self.reason: str | None = None

    @property
    def word(self) -> str:
        """As a report says it."""
        return self.reason or "finished"

    def is_enough(self) -> bool:
        if self.reason is None and self.standings[0].seen:
            if self.has_reached:
                self.reason = TARGET
            elif self.stop_asked() and self._has_sound:
                self.reason = "user"
            elif self.patience and all(item.since_best >= self.patience for item in self.standings):
                self.reason = "patience"
        return self.reason is not None

    @property
    def has_reached(self) -> bool:
        """Whether every image has a candidate that reaches the target."""
        return all(item.has_reached for item in self.standings)

    @property
    def _has_sound(self) -> bool:
        """Whether not all have failed so far: then there may be something to keep."""
        return all(any(not one.failed for one in item.seen) for item in self.standings)

    def affords(self, candidates: int) -> int:
        """How many of these there is time for; 0 ends the search. One that has ended finishes what it needs, and one
        without any candidate gets its first."""
        if self.reason is not None:
            return candidates
        count = self.limit.affords(candidates)
        if count or not self.standings[0].seen:
            return count or 1
        self.reason = "time"
        return 0
