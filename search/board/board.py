"""What people see of a search while it runs and afterwards: its candidates, the best score, what is spent and left.

Whoever searches starts a board, tells it what happens, and looks at `stop_asked` now and then:

    board = BOARDS.start(node="12:5", algorithm="random", trajectories=16)
    board.progress(7.5, nfe=150)                      # as often as one likes
    board.show([candidates], {(0, 3): picture})       # all candidates so far, per image; the new pictures
    board.end("finished")

The browser that queued the prompt is told at once and only what is new; any other asks for the board by its id.
"""

from __future__ import annotations

import heapq
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from comfy_execution.progress import get_progress_state
from PIL.Image import Image

from ..host.prompts import PROMPTS
from ..pictures import thumbnail
from ..records import hand
from ..records.candidate import Candidate
from ..records.marks import Marks
from ..records.report import Report, Seconds
from .question import Question
from .remaining import Remaining

EVENT = "noise_search.board"
SECONDS_BETWEEN = 0.5  # events that tell of nothing but progress
PREVIEWS_KEPT = 24  # of the best candidates of a board; beside them those without search
TILE_SIDE, TILE_QUALITY = 128, 75
PREVIEW_QUALITY = 85

Pictures = Mapping[tuple[int, int], Image]  # by image of the batch and candidate, see thumbnail.of_image


class _Shown(NamedTuple):
    """A candidate on the board. running: not yet at its end, and not stopped. revision: when it last changed."""

    candidate: Candidate
    running: bool
    revision: int


class _Begun(NamedTuple):
    """A candidate without a score yet, after so many steps."""

    step: int
    revision: int


class Origin(NamedTuple):
    """Where a search comes from: the ids of prompt and workflow, the seed of the image without search with the node and
    input where it was set, and the node of the queued prompt that runs it. refines: whether it goes on from a recipe,
    whose image is then candidate 0."""

    prompt: str | None
    workflow: str | None
    seed: int
    seed_at: tuple[str, str] | None
    sampler: str
    refines: bool = False

    @property
    def told(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if name != "sampler"}


class _Revisions(NamedTuple):
    """now: counts the changes of the candidates. told: up to which the browser was told, and when (time.monotonic)."""

    now: int = 0
    told: int = 0
    told_at: float = 0.0

    def next(self) -> _Revisions:
        return self._replace(now=self.now + 1)


class _OnBoard:
    """One image of the batch: its candidates, and their pictures as JPEG files. begun: those without a score yet.
    previews: of how many of the best."""

    def __init__(self, previews: int, marks: Marks):
        self.marks = marks
        self.candidates: dict[int, _Shown] = {}
        self.begun: dict[int, _Begun] = {}
        self.wanted: int | None = None  # what a person wants in place of the best
        self.chosen: int | None = None  # that one, when it has become an image
        self.best: int | None = None
        self.tiles: dict[int, bytes] = {}
        self.previews: dict[int, bytes] = {}
        self._most = previews

    def show(self, candidates: Sequence[Candidate], running: Collection[int], revision: int) -> None:
        for candidate in candidates:
            self.begun.pop(candidate.index, None)
            is_running = candidate.index in running
            before = self.candidates.get(candidate.index)
            if before and before.candidate is candidate and before.running == is_running:
                continue  # most of them, so before they are compared
            now = _Shown(candidate, is_running, revision)
            if before is None or before[:2] != now[:2]:
                self.candidates[candidate.index] = now
        self.rank()

    def rank(self) -> None:
        """What is best is what was chosen; else the best image that was not rejected, or of all where all were."""
        finished = [shown.candidate for shown in self.candidates.values() if shown.candidate.is_finished]
        could_win = [one for one in finished if not self.marks.is_rejected(one)] or finished
        best = max(could_win, key=lambda candidate: candidate.rank, default=None)
        self.best = None if best is None else best.index
        if self.chosen is not None:
            self.best = self.chosen

    def mark(self, index: int, mark: str, revision: int) -> bool:
        """False when there is no such candidate."""
        shown = self.candidates.get(index)
        if shown is None:
            return False
        self.marks.give(shown.candidate, mark)
        for at, other in self.candidates.items():
            if index in (at, other.candidate.repeats):
                self.candidates[at] = other._replace(revision=revision)
        return True

    def keep_previews(self, candidates: Sequence[Candidate], pictures: Mapping[int, Image]) -> None:
        """Of the best, and of the image without search, the pictures larger."""
        ranked = heapq.nsmallest(
            self._most, candidates, key=lambda one: (not one.is_finished, not one.reached, -one.score)
        )
        own = [candidate for candidate in candidates if candidate.is_baseline and candidate.is_finished]
        kept = {candidate.index for candidate in [*ranked, *own]}
        self.previews = {index: preview for index, preview in self.previews.items() if index in kept}
        for index in kept & pictures.keys():
            self.previews[index] = thumbnail.encode(pictures[index], thumbnail.SHOWN_SIDE, PREVIEW_QUALITY)


class Board:
    """One search: of a sampler call, or of a loop. Written by the thread that searches, read by the server's.

    node: the search node's id in the prompt; of a loop's copy of it, the board is on the node that was copied.
    trajectories: what the search costs. images: those of a batch, each searched by itself.
    seed: of the image without search. marks: of each image, what a person thinks of its candidates.
    refines: see Origin. hands: who scores candidates, while several do.
    notes: sentences on what does not hold of this search, and else holds for every one.
    """

    def __init__(
        self,
        node: str,
        algorithm: str,
        trajectories: float,
        images: int = 1,
        max_seconds: float = 0.0,
        seed: int = 0,
        marks: Sequence[Marks] | None = None,
        refines: bool = False,
    ):
        self.id = uuid.uuid4().hex[:12]
        self.node = get_progress_state().dynprompt.get_display_node_id(node)
        self.algorithm = algorithm
        self.remaining = Remaining(trajectories, max_seconds)
        self.stop_asked = False
        self.question: Question | None = None  # that people are asked now
        self.stopped: str | None = None
        self.nfe = 0
        self.notes: list[str] = []
        self.hands: Sequence[hand.Hand] = ()
        prompt = PROMPTS.begin()
        sampler, seed_at = PROMPTS.seed_at(seed)
        self.origin = Origin(prompt and prompt.id, prompt and prompt.workflow, seed, seed_at, sampler, refines)
        self.reports: Sequence[Report] = ()  # of each image, when it has found something
        marks = [Marks() for _ in range(images)] if marks is None else marks
        self._images = [_OnBoard(max(PREVIEWS_KEPT // images, 1), marks[image]) for image in range(images)]
        self._revisions = _Revisions()
        self._lock = threading.RLock()

    @property
    def candidates(self) -> int:
        return sum(len(image.candidates) for image in self._images)

    def progress(self, trajectories: float, nfe: int) -> None:
        """Note what is spent: trajectories, with parts of one as fractions, and denoiser predictions."""
        with self._lock:
            self.remaining.reached(trajectories)
            self.nfe = nfe
            if time.monotonic() - self._revisions.told_at >= SECONDS_BETWEEN:
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
            self._revisions = self._revisions.next()
            for (image, index), tile in tiles.items():
                self._images[image].tiles[index] = tile
            self.nfe = sum(candidate.nfe for candidates in images for candidate in candidates)
            for number, (image, candidates) in enumerate(zip(self._images, images, strict=True)):
                own = {index: picture for (at, index), picture in pictures.items() if at == number}
                image.show(candidates, {index for at, index in running if at == number}, self._revisions.now)
                image.keep_previews(candidates, own)
            if not running:
                self.remaining.judged()
            self._tell()

    def has_score(self, image: int, index: int) -> bool:
        """Whether the candidate was judged, if only on its way."""
        return index in self._images[image].candidates

    def glimpse(self, pictures: Mapping[tuple[int, int], Image | None], step: int) -> None:
        """Show candidates that have only begun, after so many steps, by image and index."""
        with self._lock:
            self._revisions = self._revisions.next()
            for (image, index), picture in pictures.items():
                self._images[image].begun[index] = _Begun(step, self._revisions.now)
                if picture is not None:
                    self._images[image].tiles[index] = thumbnail.encode(picture, TILE_SIDE, TILE_QUALITY)
            self._tell()

    def ask(self, question: Question | None) -> None:
        """Ask people which candidates go on; None when that is decided."""
        with self._lock:
            self.question = question
            self._tell()

    def ask_to_stop(self) -> bool:
        """Whoever searches shall keep the best so far and end. True when there is something to keep already."""
        with self._lock:
            self.stop_asked = True
            self._tell()
            return all(image.best is not None for image in self._images)

    @property
    def marks(self) -> list[Marks]:
        return [image.marks for image in self._images]

    @property
    def wanted(self) -> dict[int, int]:
        """By image of the batch, the candidates that people want in place of the best."""
        return {number: image.wanted for number, image in enumerate(self._images) if image.wanted is not None}

    def use(self, image: int, index: int) -> bool:
        """The search shall end and give out this candidate. True when there is such a one, begun or judged."""
        with self._lock:
            found = self._image(image)
            if found is None or not (index in found.begun or index in found.candidates):
                return False
            found.wanted = index
        self.ask_to_stop()
        return True

    def mark(self, image: int, index: int, mark: str) -> bool:
        """What a person thinks of a candidate that was judged: `star`, `reject`, or empty to take that back. While the
        search runs, what was rejected does not win. False when there is no such candidate."""
        with self._lock:
            found = self._image(image)
            if found is None or not found.mark(index, mark, self._revisions.now + 1):
                return False
            self._revisions = self._revisions.next()
            if self.stopped is None:
                found.rank()
            self._tell()
        told = found.marks.told([shown.candidate for shown in found.candidates.values()])
        PROMPTS.mark(self.id, image, told)
        return True

    def choose(self, image: int, index: int) -> None:
        """This candidate is given out, as a person wants."""
        with self._lock:
            self._images[image].chosen = self._images[image].best = index

    def end(self, stopped: str) -> None:
        """The search is over. stopped: as in a report, or `interrupted`."""
        with self._lock:
            if self.stopped is None:
                self.stopped = stopped
                self.question = None
                self.hands = ()
                for image in self._images:
                    image.begun.clear()
                self.remaining.end()
                self._tell()

    def message(self, since: int = 0) -> dict[str, Any]:
        """The board as plain JSON values, of its candidates those that came or changed after revision `since`."""
        with self._lock:
            ended = self.stopped is not None
            left = None if ended else self.remaining.seconds
            return {
                "board": self.id,
                "node": self.node,
                **self.origin.told,
                "algorithm": self.algorithm,
                "since": since,
                "revision": self._revisions.now,
                "done": self.remaining.done,
                "total": self.remaining.trajectories,
                "nfe": self.nfe,
                "seconds": {"spent": self.remaining.elapsed, "left": left},
                "notes": self.notes,
                "hands": hand.told(self.hands),
                "stop_asked": self.stop_asked,
                "asks": self.question and self.question.message(),
                "stopped": self.stopped,
                "best": [image.best for image in self._images],
                "chosen": [image.chosen for image in self._images],
                "candidates": [
                    [_entry(shown, image.marks) for shown in image.candidates.values() if shown.revision > since]
                    + [
                        {"index": index, "step": begun.step, "begun": True}
                        for index, begun in image.begun.items()
                        if begun.revision > since
                    ]
                    for image in self._images
                ],
            }

    def report(self, image: int) -> Report:
        """Of a search that has ended; of one that was interrupted, what the board knows."""
        if self.reports:
            return self.reports[image]
        shown = self._images[image].candidates
        candidates = tuple(shown[index].candidate for index in sorted(shown))
        spent = Seconds(total=self.remaining.elapsed)
        return Report(self.algorithm, self.origin.seed, 0, candidates, self.stopped or "interrupted", spent)

    def candidate(self, image: int, index: int) -> Candidate | None:
        """None when the board has none of that number."""
        with self._lock:
            found = self._image(image)
            shown = found and found.candidates.get(index)
            return shown and shown.candidate

    def tile(self, image: int, index: int) -> bytes | None:
        """A JPEG file of up to TILE_SIDE pixels, None when the candidate came without a picture."""
        found = self._image(image)
        return found and found.tiles.get(index)

    def preview(self, image: int, index: int) -> bytes | None:
        """A JPEG file of up to thumbnail.SHOWN_SIDE pixels, None when it is not among the kept ones."""
        found = self._image(image)
        return found and found.previews.get(index)

    def _image(self, number: int) -> _OnBoard | None:
        return self._images[number] if 0 <= number < len(self._images) else None

    def _tell(self) -> None:
        """Send what is new to the client that queued the prompt; to none for a prompt without."""
        self._revisions = self._revisions._replace(told_at=time.monotonic())
        server = PROMPTS.server
        if server is not None and server.client_id:
            server.send_sync(EVENT, self.message(self._revisions.told), server.client_id)
            self._revisions = self._revisions._replace(told=self._revisions.now)


def _entry(shown: _Shown, marks: Marks) -> dict[str, Any]:
    candidate = shown.candidate
    mark = marks.of(candidate)
    return {
        "index": candidate.index,
        "score": None if candidate.failed else candidate.score,
        "nfe": candidate.nfe,
        "step": candidate.stopped_at_step,
        "running": shown.running,
        "repeats": candidate.repeats,
        "seed": candidate.recipe and candidate.recipe.plain_seed,
        "has_recipe": candidate.recipe is not None,
        **({"mark": mark} if mark else {}),
        **({"details": candidate.details} if candidate.details else {}),
        **({"failed": candidate.failed} if candidate.failed else {}),
    }
