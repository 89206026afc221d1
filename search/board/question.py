"""What people are asked at a cut: which of the candidates that wait go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Choice = list[list[int]]  # numbers of candidates, of each image of the batch


class Question:
    """step: after which the search pauses. cut, cuts: which one of how many. waiting: the candidates, of each image.
    suggested: those the verifier would go on with. within: seconds until that is taken."""

    def __init__(
        self,
        step: int,
        place: tuple[int, int],
        waiting: Choice,
        suggested: Choice,
        within: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.step = step
        self.place = place
        self.waiting = waiting
        self.suggested = suggested
        self.clock = clock
        self.ends = clock() + within
        self.answer: Choice | None = None
        self.answered = threading.Event()

    @property
    def left(self) -> float:
        """Seconds."""
        return max(self.ends - self.clock(), 0.0)

    def take(self, step: int, choice: Sequence[Sequence[int]]) -> None:
        """Raises ValueError, with what is wrong, when this is no answer to it."""
        if step != self.step:
            raise ValueError(f"This search waits after step {self.step}, not after step {step}.")
        if len(choice) != len(self.waiting) or not all(map(len, choice)):
            raise ValueError("Of every image at least one candidate has to go on.")
        for own, waiting in zip(choice, self.waiting, strict=True):
            strange = sorted(set(own) - set(waiting))
            if strange:
                raise ValueError(f"Candidate {strange[0]} does not wait here.")
        self.answer = [sorted(set(own)) for own in choice]
        self.answered.set()

    def message(self) -> dict[str, Any]:
        cut, cuts = self.place
        return {
            "step": self.step,
            "cut": cut,
            "cuts": cuts,
            "waiting": self.waiting,
            "suggested": self.suggested,
            "left": self.left,
        }
