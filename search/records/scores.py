"""What a method is told: one number for each candidate, and which of them are images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

from .recipe import Recipe


class Scores(list[float]):
    """Of everything that was judged.

    finished: whether each is the score of an image that one can have; the others were stopped on the way, or have
    failed. rounds: when each was asked for. early: see Candidate. recipes: what was judged; where candidates can not
    share a call, fewer of a race than were asked for.
    """

    recipes: Sequence[Recipe] = ()

    def __init__(
        self,
        scores: Iterable[float] = (),
        finished: Sequence[bool] | None = None,
        rounds: Sequence[int] | None = None,
        early: Sequence[float | None] | None = None,
    ):
        super().__init__(scores)
        self.finished = [True] * len(self) if finished is None else list(finished)
        self.rounds = [0] * len(self) if rounds is None else list(rounds)
        self.early = [None] * len(self) if early is None else list(early)

    def leave_out(self, rejected: Iterable[bool]) -> None:
        """What was rejected is as if it had failed; where all was, nothing is."""
        left_out = list(rejected)
        if all(left_out):
            return
        for index, is_rejected in enumerate(left_out):
            if is_rejected:
                self[index], self.finished[index] = -math.inf, False

    def kept_order(self) -> tuple[int, int]:
        """Of how many pairs of images of one round the early scores had the order that they ended in, and of how many
        they had another."""
        seen = [(at, early) for at, early in enumerate(self.early) if self.finished[at] and early is not None]
        signs = [
            (early - other) * (self[at] - self[beside])
            for (at, early), (beside, other) in combinations(seen, 2)
            if self.rounds[at] == self.rounds[beside]
        ]
        return sum(sign > 0 for sign in signs), sum(sign < 0 for sign in signs)

    def best(self, count: int) -> list[int]:
        """The highest first, of images; of the others only where there is no image. Of equal ones the earlier."""
        images = [index for index in range(len(self)) if self.finished[index]] or range(len(self))
        return sorted(images, key=lambda index: -self[index])[:count]
