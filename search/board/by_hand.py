"""Pruning by hand: at each cut a person says which candidates go on; the verifier does where nobody answers.

A search pauses twice, after 30 and 60 % of its steps (PACE in methods/by_hand.py): first the picture has a composition,
then nearly all there is to see. While it waits it holds no model in the GPU's memory, ends on Cancel, and on Keep best
goes on with the verifier's best alone. The wait is no part of the search's time, also not of max_seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import comfy.model_management

from ..host.memory import unload
from ..methods.pruning import Race
from .board import Board
from .question import Choice, Question

PERSON, VERIFIER, KEEP_BEST = "a person", "the verifier", "Keep best"
BETWEEN = 0.1  # seconds between two looks at whether people have cancelled
Places = Mapping[int, tuple[int, int]]  # of rows: image of the batch, number of the candidate


class ByHand:
    """Of one search. paused: told how many seconds it has waited. cuts: what was decided, and by whom."""

    def __init__(self, title: str, board: Board, images: int, paused: Callable[[float], None]):
        self.title = title
        self.board = board
        self.images = images
        self.paused = paused
        self.cuts: list[dict[str, Any]] = []

    def choose(
        self, race: Race, step: int, waiting: Places, going: Collection[int], worth: Mapping[int, float]
    ) -> list[int]:
        """The rows that go on after so many steps. waiting: rows that may. going: those the verifier would take. worth:
        the verifier's number of each."""
        suggested = {row: waiting[row] for row in going if row in waiting}
        has_all = {image for image, _ in suggested.values()} == set(range(self.images))
        if not has_all or len(waiting) == self.images or self.board.stop_asked:
            return sorted(going)  # there is nothing to choose
        numbers = [cut.step for cut in race.cuts]
        place = numbers.index(step) + 1, len(numbers)
        question = Question(step, place, self._choice(waiting), self._choice(suggested), race.answer_within)
        started = time.monotonic()
        by = self._ask(question)
        waited = time.monotonic() - started
        self.paused(waited)
        chosen = list(suggested)
        if by == PERSON:
            answer = {(image, number) for image, own in enumerate(question.answer or []) for number in own}
            chosen = [row for row, place_of in waiting.items() if place_of in answer]
        elif by == KEEP_BEST:
            chosen = [max(self._of(suggested, image), key=lambda row: worth[row]) for image in range(self.images)]
        self._note(step, by, {row: waiting[row] for row in chosen}, waiting, waited, race.answer_within)
        return sorted(chosen)

    def told(self, image: int) -> tuple[dict[str, Any], ...]:
        """For the report of an image."""
        return tuple({**cut, "of": cut["of"][image], "kept": cut["kept"][image]} for cut in self.cuts)

    @property
    def note(self) -> str:
        """In a sentence; nothing where nobody was asked."""
        if not self.cuts:
            return ""
        told = [f"after step {cut['step']} {_who(cut)}, {_all(cut['kept'])} of {_all(cut['of'])}" for cut in self.cuts]
        return f"Who chose what goes on: {'; '.join(told)}."

    def _ask(self, question: Question) -> str:
        """Waits, and says who has decided. Raises the host's own error when people cancel."""
        logging.info(
            "%s waits after step %d for a person to choose on its board what goes on, for %.0f s at most.",
            *(self.title, question.step, question.left),
        )
        self.board.ask(question)
        unload()
        try:
            by = self._decided(question)
        finally:
            self.board.ask(None)
        return PERSON if question.answered.is_set() else by

    def _decided(self, question: Question) -> str:
        while not question.answered.wait(BETWEEN):
            comfy.model_management.throw_exception_if_processing_interrupted()
            if self.board.stop_asked:
                return KEEP_BEST
            if not question.left:
                return VERIFIER
        return PERSON

    def _of(self, places: Places, image: int) -> list[int]:
        return [row for row, (own, _) in places.items() if own == image]

    def _note(self, step: int, by: str, chosen: Places, waiting: Places, waited: float, within: float) -> None:
        kept, of = ([len(own) for own in self._choice(places)] for places in (chosen, waiting))
        why = {"why": f"nobody has answered within {within:g} s"} if by == VERIFIER else {}
        self.cuts.append({"step": step, "by": by, "of": of, "kept": kept, "waited": round(waited, 1), **why})
        logging.info("%s, step %d: %s goes on, chosen by %s.", self.title, step, _all(kept), by)

    def _choice(self, places: Places) -> Choice:
        """By image, in the order of their numbers."""
        found: Choice = [[] for _ in range(self.images)]
        for image, number in sorted(places.values()):
            found[image].append(number)
        return found


def _who(cut: Mapping[str, Any]) -> str:
    return f"{cut['by']} ({cut['why']})" if "why" in cut else str(cut["by"])


def _all(counts: Sequence[int]) -> str:
    return " + ".join(map(str, counts))
