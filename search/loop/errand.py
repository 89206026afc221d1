"""In a process that works for another's loop: score the candidates that were asked for, and make no result."""

from __future__ import annotations

import logging

from ..crew.seam import Errand
from ..plan import Plan
from ..records.recipe import Recipe
from .body import Body, Flow
from .kept import Made
from .looped import Look, Looped, Where


class LoopErrand(Looped):
    """Its candidates have the numbers that they have in the search. body: without a result."""

    def __init__(self, errand: Errand, plan: Plan, flow: Flow, body: Body, where: Where):
        super().__init__(plan, flow, body, where)
        self.errand = errand

    def recipe(self, index: int) -> Recipe:
        piece = self.errand.piece
        return piece.candidates[piece.numbers.index(index)][0]

    def wanted(self) -> int | None:
        scored, numbers = len(self.errand.lines), self.errand.piece.numbers
        return numbers[scored] if scored < len(numbers) else None

    def begins(self, index: int) -> None:
        logging.info("%s: %s, for another process.", self.plan.title, self.name(index))

    def add(self, index: int, look: Look, made: Made) -> None:
        self.errand.add([look.candidate(self.recipe(index), 0, look.picture())], [None])

    @property
    def progress(self) -> tuple[int, float]:
        return len(self.errand.lines), len(self.errand.piece.numbers)

    @property
    def needed(self) -> set[int]:
        return set()

    def end(self) -> None:
        self.errand.is_done = True
