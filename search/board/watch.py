"""What people are told of a driver's search while it runs: its board, and a line per round in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..records import failures
from ..records.candidate import Candidate
from ..records.hand import Hand
from ..records.standing import Standing
from ..stopping import TimeLimit
from .board import Board, Pictures
from .glimpses import Glimpses


class Asked(NamedTuple):
    """How candidates shall run together: pruned on the way, and how many at a time."""

    races: bool
    batch_size: int


class Watch:
    """title: the search node in messages. items: how the search for each image stands. steps: those of a trajectory.
    hands: who scores candidates, by the steps that all have done so far; none where this process does alone."""

    hands: Callable[[int], Sequence[Hand]] = staticmethod(lambda _: ())

    def __init__(
        self, title: str, board: Board, items: Sequence[Standing[Any]], steps: int, asked: Asked, glimpses: Glimpses
    ):
        self.glimpses = glimpses
        self.title = title
        self.board = board
        self.items = items
        self.steps = steps
        self.asked = asked
        self.rounds = self.nfe = 0  # of what was judged
        self.alone_because = ""

    @property
    def stop_asked(self) -> bool:
        """Whether somebody has seen enough."""
        return self.board.stop_asked

    def progress(self, steps: int, nfe: int) -> None:
        """steps: done by all candidates so far. nfe: predictions for those that are running."""
        self.board.hands = self.hands(steps)
        self.board.progress(steps / self.steps, self.nfe + nfe)

    def racing(
        self, seen: Sequence[Sequence[Candidate]], pictures: Pictures, running: Collection[tuple[int, int]]
    ) -> None:
        """Candidates that are judged on the way, of each image; `running` are those that go on."""
        self.board.show([item.joined_by(more) for item, more in zip(self.items, seen, strict=True)], pictures, running)

    def glimpse(self, places: Mapping[int, tuple[int, int]], step: int, x0: Tensor) -> None:
        """What is predicted of candidates that nothing is known of yet. places: of rows; x0: of all rows."""
        new = {row: place for row, place in places.items() if not self.board.has_score(*place)}
        if new and self.glimpses.are_due:
            self.board.glimpse(self.glimpses.take(x0, new), step)

    def judged(self, pictures: Pictures) -> None:
        """A round has ended, and the items know its candidates."""
        self.rounds += 1
        images = [item.candidates() for item in self.items]
        self.board.show(images, pictures)
        self.nfe = self.board.nfe
        best = [candidates[item.best].score for candidates, item in zip(images, self.items) if item.best is not None]
        left = self.board.remaining.seconds
        failed = sum(bool(one.failed) for candidates in images for one in candidates)
        logging.info(
            "%s, round %d: %d candidates so far%s, best score %s, %d NFE, about %.0f s left.",
            *(self.title, self.rounds, len(images[0]), f" ({failed} failed)" if failed else ""),
            *(", ".join(f"{score:.4f}" for score in best) or "none yet", self.board.nfe, 0.0 if left is None else left),
        )

    def alone(self, because: str) -> None:
        """Say why candidates run one by one, once, where that is not what was asked for."""
        if because == self.alone_because:
            return
        self.alone_because = because
        if self.asked.races:
            logging.warning("%s: %s", self.title, self._alone)
        elif self.asked.batch_size != 1:
            logging.info("%s: %s", self.title, self._alone)

    @property
    def _alone(self) -> str:
        because = f"with {self.alone_because} candidates can only run one by one."
        return f"no pruning, because {because}" if self.asked.races else because

    def notes(self, seeds: Sequence[str]) -> tuple[str, ...]:
        """Sentences for the board and the report. seeds: those on the seeds of the candidates."""
        is_told = self.alone_because and (self.asked.races or self.asked.batch_size != 1)
        self.board.notes = [*([self._alone[0].upper() + self._alone[1:]] if is_told else []), *seeds]
        return tuple(self.board.notes)

    def took(self, limit: TimeLimit, seconds: Mapping[str, float]) -> None:
        """Say what has taken the search past its limit: a round runs to its end, and nothing ends a call of others."""
        if limit.is_passed:
            logging.warning(
                "%s took %.1f s, more than max_seconds (%g): what has begun runs to its end (%s).",
                *(self.title, limit.elapsed, limit.seconds),
                ", ".join(f"{spent:.1f} s {what}" for what, spent in seconds.items()),
            )

    def end(self, stopped: str, how: str = "") -> None:
        """The search is over. stopped: as on a board. how: in words, when not the same."""
        self.board.end(stopped)
        for image, item in enumerate(self.items):
            failed = failures.summary(item.seen)
            if failed:
                logging.warning("%s: %s%s.", self.title, failed, f" (image {image})" if len(self.items) > 1 else "")
            if item.best is None:
                logging.info("%s %s before anything was scored.", self.title, how or stopped)
                continue
            best = item.candidates()[item.best]
            logging.info(
                "%s: kept the best of %d%s: candidate %d, score %.4f, recipe %s (%s).",
                *(self.title, len(item.seen), f" for image {image}" if len(self.items) > 1 else "", item.best),
                *(best.score, best.recipe and best.recipe.to_dict(), how or stopped),
            )
