"""What was scored, on disk: a search that was interrupted, or that asks for more, runs only what is new."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import math
from dataclasses import replace
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

from ..pictures import thumbnail
from ..records.candidate import Candidate
from ..records.marks import KINDS, Marks
from ..records.outcomes import Outcome, Outcomes
from ..records.recipe import Recipe

MOST_BYTES = 64 * 2**20  # of all pages together; a candidate takes some kilobytes, most of it its picture
MOST_PAGES = 1000
PLAIN = 3  # parts of every recipe: seed, moves, path
Place = int | tuple | None  # plain JSON values


class Ledger:
    """A folder of pages, one for each graph that was searched. When it grows too large, the pages that were not used
    for the longest time go.

    folder: made when something is written.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_pages: int = MOST_PAGES):
        self.folder = folder
        self.most_bytes = most_bytes
        self.most_pages = most_pages

    def page(self, graph: str) -> Page:
        """The page of a graph. graph: any text, the same exactly when a recipe would score the same."""
        path = self.folder / f"{hashlib.sha256(graph.encode()).hexdigest()}.jsonl"
        try:
            self._make_room(path)
        except OSError as error:
            logging.warning("Noise search: can not clear old scores in %s: %s.", self.folder, error)
        return Page(path)

    def _make_room(self, wanted: Path) -> None:
        """Delete the oldest pages that are too many, and note that the wanted one is in use."""
        if wanted.exists():
            wanted.touch()
        kept = size = 0
        for page in sorted(self.folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True):
            kept, size = kept + 1, size + page.stat().st_size
            if page != wanted and (kept > self.most_pages or size > self.most_bytes):
                page.unlink()


class Page:
    """The candidates of one graph, by recipe: in memory, and in a file as long as the disk takes them.

    Each is appended as a line of JSON, so what was written before a crash can be read after it.
    path: None for a page that is kept in memory only. outcomes: what was proven of the graph's sampler call.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self.entries: dict[str, Candidate] = {}
        self.marks: dict[str, str] = {}
        self.outcomes = Outcomes(self._write_outcome)
        if path is not None and path.exists():
            self._read(path)

    def find(self, recipe: Recipe, place: Place = None) -> Candidate | None:
        """What is known of a candidate, as of round 0. place: what else its score depends on, such as its number."""
        seen = self.entries.get(_name(recipe, place))
        return seen and replace(seen, recipe=recipe, round=0)

    def add(self, seen: Candidate, place: Place = None) -> None:
        """Keep a candidate that has a recipe. A disk that takes no more is logged, once."""
        if seen.recipe is None:
            return
        name = _name(seen.recipe, place)
        self.entries[name] = seen
        if self.path is not None:
            self._write(self.path, line(name, seen))

    def marks_of(self, image: int) -> Marks:
        """What a person thinks of the candidates of one image, in this run, those before and those to come."""

        @cache
        def name(recipe: Recipe) -> str:
            return _name(recipe, ("mark", image))

        def keep(recipe: Recipe, mark: str) -> None:
            self.marks[name(recipe)] = mark
            if self.path is not None:
                self._write(self.path, b"\n" + json.dumps({"marked": name(recipe), "mark": mark}).encode())

        return Marks(lambda recipe: self.marks.get(name(recipe), "") if self.marks else "", keep)

    def forget(self) -> None:
        """Drop everything but what a person thinks, also from the disk."""
        self.entries.clear()
        self.outcomes.known.clear()
        try:
            if self.path is not None:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            self._do_without_disk(error)

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            logging.warning("Noise search: can not read the scores in %s (%s), so all candidates run.", path, error)
            return
        self.entries.update(found for found in map(entry, lines) if found is not None)
        self.outcomes.known.update(outcome for outcome in map(_outcome, lines) if outcome is not None)
        self.marks.update(mark for mark in map(_mark, lines) if mark is not None)

    def _write_outcome(self, kind: str, outcome: Outcome) -> None:
        if self.path is not None:
            self._write(self.path, b"\n" + json.dumps({"call": kind, "outcome": outcome}).encode())

    def _write(self, path: Path, line: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(line)
        except OSError as error:
            self._do_without_disk(error)

    def _do_without_disk(self, error: OSError) -> None:
        self.path = None
        logging.warning(
            "Noise search: scores can not be kept on disk (%s). The search goes on; if it is interrupted, the "
            "candidates from here on run again.",
            error,
        )


def _name(recipe: Recipe, place: Place) -> str:
    told = list(recipe)
    while len(told) > PLAIN and not told[-1]:  # as before there were these
        del told[-1]
    return json.dumps([told, place])


def line(name: str, seen: Candidate) -> bytes:
    """Begins with its line break: a line that a crash or a full disk cut off does not spoil the next."""
    told = {
        "name": name,
        "scores": seen.scores,
        "nfe": seen.nfe,
        "stopped_at_step": seen.stopped_at_step,
        "thumbnail": base64.b64encode(thumbnail.shrink(seen.thumbnail)).decode(),
        **({"failed": seen.failed} if seen.failed else {}),
        **({"is_one_color": True} if seen.is_one_color else {}),
        **({"details": seen.details} if seen.details else {}),
        **({} if seen.early is None else {"early": seen.early}),
    }
    return b"\n" + json.dumps(told, allow_nan=False).encode()


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Of an image, as a verifier told it."""
    if not isinstance(part["text"], str) or not isinstance(part["holds"], bool):
        raise TypeError("no part of an image")
    return {**part, "score": float(part["score"])}


def _outcome(line: bytes) -> tuple[str, Outcome] | None:
    """What a line says was proven; None for one that says something else, is cut off or was changed."""
    try:
        kind, outcome = map(json.loads(line).get, ("call", "outcome"))
    except (ValueError, AttributeError, RecursionError):
        return None
    is_sound = isinstance(kind, str) and isinstance(outcome, (int, str)) and not isinstance(outcome, bool)
    return (kind, outcome) if is_sound else None


def _mark(line: bytes) -> tuple[str, str] | None:
    """A candidate's name and mark, empty where that was taken back; None for a line that says something else."""
    try:
        name, mark = map(json.loads(line).get, ("marked", "mark"))
    except (ValueError, AttributeError, RecursionError):
        return None
    return (name, mark) if isinstance(name, str) and mark in ("", *KINDS) else None


def entry(line: bytes) -> tuple[str, Candidate] | None:
    """A line's name and candidate; None for one that is cut off or was changed."""
    try:
        told = json.loads(line)
        name, stopped = told["name"], told["stopped_at_step"]
        seen = Candidate(
            scores={verifier: float(score) for verifier, score in told["scores"].items()},
            recipe=None,
            round=0,
            nfe=index(told["nfe"]),
            thumbnail=base64.b64decode(told["thumbnail"], validate=True),
            stopped_at_step=None if stopped is None else index(stopped),
            failed=told.get("failed", ""),
            is_one_color=told.get("is_one_color", False) is True,
            early=None if told.get("early") is None else float(told["early"]),
            details={judge: [_part(part) for part in parts] for judge, parts in told.get("details", {}).items()},
        )
        if seen.thumbnail:
            thumbnail.decode(seen.thumbnail)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, OSError):
        return None
    is_named = isinstance(name, str) and isinstance(seen.failed, str)
    is_sound = (
        is_named and (seen.failed or seen.scores) and all(map(math.isfinite, [*seen.scores.values(), seen.early or 0]))
    )
    return (name, seen) if is_sound else None
