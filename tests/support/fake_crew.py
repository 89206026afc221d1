"""A crew in this process: its workers answer in any order, and die."""

from __future__ import annotations

import importlib
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from noise_search.cluster import handout

MOST_LOST = 2  # by chance


@dataclass
class FakeCrew:
    """Each `wait` ends the work of one worker.

    helps: whether the search's own process takes part. dies: the share of pieces that end their worker; it comes back
    at once. deadly: numbers of candidates that end whoever has them. loses: whether latents are gone when asked for.
    """

    workers: int = 2
    helps: bool = True
    seed: int = 0
    dies: float = 0.0
    deadly: frozenset[int] = frozenset()
    loses: bool = False
    score: Any = None  # runs an errand; given by `offered`
    pieces: list[Any] = field(default_factory=list)  # that workers have scored
    lost: list[Any] = field(default_factory=list)
    own: list[Any] = field(default_factory=list)  # that the search's process has taken
    beside: int = 0

    def start(self, job: Any, units: Any, most: int) -> Any:
        crews = importlib.import_module("noise_search.search.crew.seam")
        units = list(units)
        work = handout.Handout(units, len(units), most, lambda unit: unit.race is not None)
        return _Handed(self, crews, work, random.Random(self.seed))


class _Handed:
    def __init__(self, crew: FakeCrew, crews: Any, work: Any, rng: random.Random):
        self.crew, self.crews, self.work, self.rng = crew, crews, work, rng
        self.flying: list[Any] = []
        self._fill()

    def take(self) -> Any:
        if not self.crew.helps or self.rng.random() < 0.3:
            return None
        share = self.work.take(self.crew.workers + 1)
        if share is None:
            return None
        self.work.done(share)
        self.crew.own.append(_joined(share))
        return self.crew.own[-1]

    def wait(self, seconds: float) -> list[Any]:
        if not self.flying:
            return []
        share = self.flying.pop(self.rng.randrange(len(self.flying)))
        piece = _joined(share)
        found = self._lost(share) if self._dies(piece) else self._scored(share, piece)
        self._fill()
        return [found]

    def is_over(self) -> bool:
        return self.work.is_over

    def close(self) -> list[Any]:
        self.work.close()
        return []

    def who(self) -> list[Any]:
        hand = importlib.import_module("noise_search.search.records.hand").Hand
        pieces = [_joined(share) for share in self.flying]
        has = [hand(f"worker {at + 1}", "runs", piece.numbers, 1, piece.work) for at, piece in enumerate(pieces)]
        return has + [hand(f"worker {at + 1}", "waits") for at in range(len(has), self.crew.workers)]

    def _fill(self) -> None:
        while len(self.flying) < self.crew.workers and (share := self.work.take(self.crew.workers + self.crew.helps)):
            self.flying.append(share)

    def _dies(self, piece: Any) -> bool:
        return bool(self.crew.deadly & set(piece.numbers)) or (
            len(self.crew.lost) < MOST_LOST and self.rng.random() < self.crew.dies
        )

    def _lost(self, share: Any) -> Any:
        hopeless = self.work.lost(share)
        self.crew.lost.append(share)
        if hopeless:
            raise self.crews.CrewError(f"candidate {hopeless[0].numbers[0]} has ended three workers.")
        self.crew.beside += 5
        return self.crews.Note("a worker was lost.", (5,) * len(share.units[0].candidates[0]))

    def _scored(self, share: Any, piece: Any) -> Any:
        wire = importlib.import_module("noise_search.search.crew.wire")
        errands = importlib.import_module("noise_search.search.crew.errands")
        errand = errands.received("", "", 0, wire.piece_to_wire(piece))
        self.crew.score(errand)
        self.work.done(share)
        self.crew.pieces.append(piece)
        gone = self.crew.loses
        return self.crews.Scored(
            piece,
            wire.lines_read(errand.lines),
            lambda image, at: None if gone else errand.results.get((image, at)),
            lambda image, at: None if gone else errand.ends.get((image, at)),
            errand.beside,
            "worker 1",
        )


def _joined(share: Any) -> Any:
    first, *others = share.units
    return first.joined(others)


def offered(crew: Any) -> Any:
    """While this lasts, searches in this process have the crew."""
    patches = importlib.import_module("noise_search.search.patch")
    crews = importlib.import_module("noise_search.search.crew.seam")
    errands = importlib.import_module("noise_search.search.crew.errands")
    searching, given = patches._Searching, SimpleNamespace()
    plain = searching._search

    def search(self: Any, plan: Any, call: Any, judge: Any, source: Any, place: Any) -> Any:
        given.parts = plan, call, judge, self._source(call)
        return plain(self, plan, call, judge, source, place)

    if isinstance(crew, FakeCrew):
        crew.score = lambda errand: errands.run(errand, *given.parts)
    job = crews.Job({}, "", "", 0, "a search")
    return patch.multiple(searching, _search=search, _offer=lambda *_: crews.Offer(crew, job))
