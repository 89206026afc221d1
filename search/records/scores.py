"""What a method is told: one number for each candidate, and which of them are images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Scores(list[float]):
    """Of everything that was judged. finished: whether each is the score of an image that one can have; the others were
    stopped on the way, or have failed."""

    def __init__(self, scores: Iterable[float] = (), finished: Sequence[bool] | None = None):
        super().__init__(scores)
        self.finished = [True] * len(self) if finished is None else list(finished)

    def best(self, count: int) -> list[int]:
        """The highest first, of images before those of others; of equal ones the earlier."""
        return sorted(range(len(self)), key=lambda index: (not self.finished[index], -self[index]))[:count]
