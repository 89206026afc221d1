"""What people see of a search while it runs and afterwards: its candidates, the best score, what is spent and left.

Whoever searches starts a board, tells it what happens, and looks at `stop_asked` now and then:

    board = BOARDS.start(node="12:5", algorithm="random", trajectories=16)
    board.progress(7.5, nfe=150)                      # as often as one likes
    board.show([candidates], {(0, 3): picture})       # all candidates so far, an image each; the new pictures
    board.end("finished")

The browser that queued the prompt is told at once and only what is new; any other asks for the board by its id.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from comfy_execution.progress import get_progress_state
from PIL.Image import Image

from ..host.prompts import PROMPTS
from ..pictures import thumbnail
from ..records.report import Candidate
from .remaining import Remaining

EVENT = "noise_search.board"
SECONDS_BETWEEN = 0.5  # events that tell of nothing but progress
BOARDS_KEPT = 16
CANDIDATES_KEPT = 2048  # on all boards together; each has pictures of some kilobytes
PREVIEWS_KEPT = 24  # of the best candidates of a board
TILE_SIDE, TILE_QUALITY = 128, 75
PREVIEW_QUALITY = 85

Pictures = Mapping[tuple[int, int], Image]  # by image of the batch and candidate, see thumbnail.of_image


class _Shown(NamedTuple):
    """A candidate on the board. running: not yet at its end, and not stopped. revision: when it last changed."""

    candidate: Candidate
    running: bool
    revision: int


class Board:
    """One search: of a sampler call, or of a loop. Written by the thread that searches, read by the server's.

    node: the search node's id in the prompt; of a loop's copy of it, the board is on the node that was copied.
    trajectories: what the search costs. images: those of a batch, each searched by itself. unit: what trajectories are
    called.
    """

    def __init__(
        self,
        node: str,
        algorithm: str,
        trajectories: float,
        images: int = 1,
        max_seconds: float = 0.0,
        unit: str = "trajectories",
    ):
        self.id = uuid.uuid4().hex[:12]
        self.node = get_progress_state().dynprompt.get_display_node_id(node)
        self.algorithm = algorithm
        self.unit = unit
        self.remaining = Remaining(trajectories, max_seconds)
        self.stop_asked = False
        self.stopped: str | None = None
        self.seconds = 0.0  # that it took, once it has stopped
        self.nfe = 0
        prompt = PROMPTS.begin()
        self.prompt = prompt and prompt.id
        self.workflow = prompt and prompt.workflow
        self._images: list[dict[int, _Shown]] = [{} for _ in range(images)]
        self._best: list[int | None] = [None] * images
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._previews: dict[tuple[int, int], bytes] = {}
        self._revision = self._told = 0
        self._told_at = 0.0
        self._lock = threading.RLock()

    @property
    def candidates(self) -> int:
        return sum(map(len, self._images))

    def progress(self, trajectories: float, nfe: int) -> None:
        """Note what is spent: trajectories, with parts of one as fractions, and denoiser predictions."""
        with self._lock:
            self.remaining.reached(trajectories)
            self.nfe = nfe
            if time.monotonic() - self._told_at >= SECONDS_BETWEEN:
                self._tell()

    def show(
        self,
        images: Sequence[Sequence[Candidate]],
        pictures: Pictures,
        running: Collection[tuple[int, int]] = (),
    ) -> None:
        """Show how the candidates stand.

        images: all candidates so far, of each image of the batch. pictures: of those that are new or were still
        running, by image and index. running: those whose score is that of a prediction on the way.
        """
        tiles = {at: thumbnail.encode(picture, TILE_SIDE, TILE_QUALITY) for at, picture in pictures.items()}
        with self._lock:
            self._revision += 1
            self._tiles |= tiles
            self.nfe = sum(candidate.nfe for candidates in images for candidate in candidates)
            for image, candidates in enumerate(images):
                self._place(image, candidates, running)
                self._keep_previews(image, candidates, pictures)
            if not running:
                self.remaining.judged()
            self._tell()

    def ask_to_stop(self) -> bool:
        """Whoever searches shall keep the best so far and end. True when there is something to keep already."""
        with self._lock:
            self.stop_asked = True
            self._tell()
            return None not in self._best

    def end(self, stopped: str) -> None:
        """The search is over. stopped: as in a report, or `interrupted`, or `failed`."""
        with self._lock:
            if self.stopped is None:
                self.stopped, self.seconds = stopped, self.remaining.elapsed
                self._tell()

    def message(self, since: int = 0) -> dict[str, Any]:
        """The board as plain JSON values, of its candidates those that came or changed after revision `since`."""
        with self._lock:
            ended = self.stopped is not None
            left = None if ended else self.remaining.seconds
            return {
                "board": self.id,
                "node": self.node,
                "workflow": self.workflow,
                "prompt": self.prompt,
                "algorithm": self.algorithm,
                "unit": self.unit,
                "since": since,
                "revision": self._revision,
                "done": self.remaining.done,
                "total": self.remaining.trajectories,
                "nfe": self.nfe,
                "seconds": {"spent": self.seconds if ended else self.remaining.elapsed, "left": left},
                "stop_asked": self.stop_asked,
                "stopped": self.stopped,
                "best": list(self._best),
                "candidates": [
                    [_entry(shown) for shown in candidates.values() if shown.revision > since]
                    for candidates in self._images
                ],
            }

    def candidate(self, image: int, index: int) -> Candidate | None:
        """None when the board has none of that number."""
        with self._lock:
            shown = self._images[image].get(index) if 0 <= image < len(self._images) else None
            return shown and shown.candidate

    def tile(self, image: int, index: int) -> bytes | None:
        """A JPEG file of up to TILE_SIDE pixels, None when the candidate came without a picture."""
        return self._tiles.get((image, index))

    def preview(self, image: int, index: int) -> bytes | None:
        """A JPEG file of up to thumbnail.SHOWN_SIDE pixels, None when the candidate is not among the best."""
        return self._previews.get((image, index))

    def _place(self, image: int, candidates: Sequence[Candidate], running: Collection[tuple[int, int]]) -> None:
        shown = self._images[image]
        for candidate in candidates:
            now = _Shown(candidate, (image, candidate.index) in running, self._revision)
            before = shown.get(candidate.index)
            if before is None or before[:2] != now[:2]:
                shown[candidate.index] = now
        finished = [candidate for candidate in candidates if candidate.is_finished]
        best = max(finished, key=lambda candidate: candidate.score, default=None)
        self._best[image] = None if best is None else best.index

    def _keep_previews(self, image: int, candidates: Sequence[Candidate], pictures: Pictures) -> None:
        most = max(PREVIEWS_KEPT // len(self._images), 1)
        ranked = sorted(candidates, key=lambda candidate: (not candidate.is_finished, -candidate.score))
        kept = {(image, candidate.index) for candidate in ranked[:most]}
        for place in [place for place in self._previews if place[0] == image and place not in kept]:
            del self._previews[place]
        for place in kept & pictures.keys():
            self._previews[place] = thumbnail.encode(pictures[place], thumbnail.SHOWN_SIDE, PREVIEW_QUALITY)

    def _tell(self) -> None:
        """Send what is new to the client that queued the prompt; to none for a prompt without."""
        self._told_at = time.monotonic()
        server = PROMPTS.server
        if server is not None and server.client_id:
            server.send_sync(EVENT, self.message(self._told), server.client_id)
            self._told = self._revision


class Boards:
    """Those of the latest searches."""

    def __init__(self) -> None:
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
            boards = [board for board in kept if board.prompt == prompt.id or board.id in prompt.boards]
            latest |= {node: [board for board in boards if board.node == node] for node in {b.node for b in boards}}
        found = [board for boards in latest.values() for board in boards]
        for board in found:
            _settle(board)
        return found

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
    if board.stopped is None and board.prompt is not None and not PROMPTS.is_running(board.prompt):
        logging.info("%s search of node %s ended with its prompt.", board.algorithm, board.node)
        board.end("interrupted")


def _entry(shown: _Shown) -> dict[str, Any]:
    candidate = shown.candidate
    return {
        "index": candidate.index,
        "score": candidate.score,
        "nfe": candidate.nfe,
        "step": candidate.stopped_at_step,
        "running": shown.running,
        "repeats": candidate.repeats,
    }
