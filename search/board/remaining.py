"""How long a search will still take."""

from __future__ import annotations

import time
from collections.abc import Callable


class Remaining:
    """An estimate, by what the trajectories of this search have cost so far.

    trajectories: those the whole search costs. max_seconds: when it ends at the latest, 0 for no limit.
    """

    def __init__(
        self, trajectories: float, max_seconds: float = 0.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.trajectories = trajectories
        self.max_seconds = max_seconds
        self.clock = clock
        self.started = clock()
        self.took: float | None = None  # once it has ended
        self.done = 0.0
        self.pace: float | None = None  # seconds a trajectory, decoding and scoring included

    @property
    def elapsed(self) -> float:
        return self.clock() - self.started if self.took is None else self.took

    def end(self) -> None:
        self.took = self.elapsed

    def paused(self, seconds: float) -> None:
        """Note that the search has waited for people: that is no time of its own."""
        self.started += seconds

    def reached(self, trajectories: float) -> None:
        """Note that so many trajectories are done."""
        self.done = trajectories

    def judged(self) -> None:
        """Note that what is done has been decoded and scored as well."""
        if self.done:
            self.pace = self.elapsed / self.done

    @property
    def seconds(self) -> float | None:
        """None before anything is done. Until the first candidates are judged, without what judging takes."""
        if not self.done:
            return None
        pace = self.elapsed / self.done if self.pace is None else self.pace
        left = pace * max(self.trajectories - self.done, 0.0)
        return max(min(left, self.max_seconds - self.elapsed), 0.0) if self.max_seconds else left
