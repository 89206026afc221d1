"""What people are told of a driver's search while it runs: its board, and a line a round in the log."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from ..records.standing import Seen, Standing
from .board import Board, Pictures


class Watch:
    """title: the search node in messages. items: how the search for each image stands. steps: those of a trajectory."""

    def __init__(self, title: str, board: Board, items: Sequence[Standing], steps: int):
        self.title = title
        self.board = board
        self.items = items
        self.steps = steps
        self.rounds = self.nfe = 0  # of what was judged

    @property
    def stop_asked(self) -> bool:
        """Whether somebody has seen enough."""
        return self.board.stop_asked

    def progress(self, steps: int, nfe: int) -> None:
        """steps: done by all candidates so far. nfe: predictions for those that are running."""
        self.board.progress(steps / self.steps, self.nfe + nfe)

    def racing(self, seen: Sequence[Sequence[Seen]], pictures: Pictures, running: Collection[tuple[int, int]]) -> None:
        """Candidates that are judged on the way, of each image; `running` are those that go on."""
        self.board.show([item.joined_by(more) for item, more in zip(self.items, seen, strict=True)], pictures, running)

    def judged(self, pictures: Pictures) -> None:
        """A round has ended, and the items know its candidates."""
        self.rounds += 1
        images = [item.candidates() for item in self.items]
        self.board.show(images, pictures)
        self.nfe = self.board.nfe
        best = [candidates[item.best].score for candidates, item in zip(images, self.items) if item.best is not None]
        left = self.board.remaining.seconds
        logging.info(
            "%s, round %d: %d candidates so far, best score %s, %d NFE, about %.0f s left.",
            *(self.title, self.rounds, len(images[0]), ", ".join(f"{score:.4f}" for score in best) or "none yet"),
            *(self.board.nfe, 0.0 if left is None else left),
        )

    def end(self, stopped: str) -> None:
        self.board.end(stopped)
