"""The boards of the latest searches."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from typing import Any

from ..host.prompts import PROMPTS
from .board import Board

BOARDS_KEPT = 16
CANDIDATES_KEPT = 2048  # on all boards together; each has pictures of some kilobytes


class Boards:
    """Those of the latest searches."""

    def __init__(self) -> None:
        self.continued: Counter[str] = Counter()  # how often people have asked a node to go on
        self.marked: Counter[str] = Counter()  # and how often they have marked a candidate of it
        self._boards: OrderedDict[str, Board] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, node: str, algorithm: str, trajectories: float, **settings: Any) -> Board:
        """A new board, see Board."""
        board = Board(node, algorithm, trajectories, **settings)
        with self._lock:
            self._boards[board.id] = board
            self._forget()
        board.progress(0.0, 0)
        return board

    def get(self, board_id: str) -> Board | None:
        board = self._boards.get(board_id)
        if board is not None:
            _settle(board)
        return board

    def of_workflow(self, workflow: str) -> list[Board]:
        """Of each search node those of the last prompt that has a result of it, found then or known from before."""
        with self._lock:
            kept = list(self._boards.values())
        latest: dict[str, list[Board]] = {}
        for prompt in PROMPTS.of_workflow(workflow):
            boards = [board for board in kept if board.origin.prompt == prompt.id or board.id in prompt.boards]
            latest |= {node: [board for board in boards if board.node == node] for node in {b.node for b in boards}}
        found = [board for boards in latest.values() for board in boards]
        for board in found:
            _settle(board)
        return found

    def go_on(self, board: Board) -> None:
        """The next run of its node searches, also where ComfyUI has the result of the same in its cache."""
        self.continued[board.node] += 1

    def running(self) -> list[Board]:
        """Those whose search has not ended."""
        return [board for board in self._settled() if board.stopped is None]

    def ended(self) -> list[Board]:
        """Those whose search has ended, the latest last."""
        return [board for board in self._settled() if board.stopped is not None]

    def _settled(self) -> list[Board]:
        with self._lock:
            kept = list(self._boards.values())
        for board in kept:
            _settle(board)
        return kept

    def _forget(self) -> None:
        """Let go of the oldest that have ended, while there are too many."""
        for board in [board for board in self._boards.values() if board.stopped is not None]:
            candidates = sum(board.candidates for board in self._boards.values())
            if len(self._boards) <= BOARDS_KEPT and candidates <= CANDIDATES_KEPT:
                return
            del self._boards[board.id]


BOARDS = Boards()


def _settle(board: Board) -> None:
    """End a board whose prompt has ended without telling it: a loop is only told what happens inside."""
    if board.stopped is None and board.origin.prompt is not None and not PROMPTS.is_running(board.origin.prompt):
        logging.info("%s search of node %s ended with its prompt.", board.algorithm, board.node)
        board.end("interrupted")
