"""A race in the sampler: after some steps, rows are judged by their x0 predictions and the weaker ones stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from PIL.Image import Image
from torch import Tensor

from ...verifiers.base import Details
from ..methods.pruning import Cut, Race, survivors
from ..pictures import thumbnail
from .early import EarlyJudge, ranked
from .judge import Scored

Ahead = Callable[[list[int], int], Tensor]  # (rows, big steps) -> what they become so far ahead


class Look(NamedTuple):
    """What was seen of a row when it was judged: scores by verifier, the picture, and that as a JPEG file's bytes.

    step: how many it had done; None when it had run to its end. failed, is_one_color, details: see Candidate.
    """

    scores: dict[str, float]
    picture: Image | None
    thumbnail: bytes
    step: int | None
    failed: str
    is_one_color: bool
    details: dict[str, Details]


def looks(judged: Scored, step: int | None = None) -> list[Look]:
    """Of each that was judged, after so many steps."""
    return [
        Look(
            scores, picture, b"" if picture is None else thumbnail.encode(picture), step, failed, is_one_color, details
        )
        for scores, picture, failed, is_one_color, details in zip(
            judged.scores, judged.pictures, judged.failed, judged.one_color, judged.details, strict=True
        )
    ]


class Racing:
    """Cuts the rows of one sampler call, [candidates x items], each item of the user's batch by itself.

    name_of: what to call a row in an error. to_latent: from model space to what a sampler node gives out. enough: true
    when people want the best so far; then only the best row of each item goes on.
    """

    def __init__(
        self,
        race: Race,
        items: int,
        judge: EarlyJudge,
        name_of: Callable[[int], str],
        to_latent: Any,
        enough: Callable[[], bool],
    ):
        self.cuts: dict[int, Cut] = {cut.step: cut for cut in race.cuts}
        self.items = items
        self.judge = judge
        self.name_of = name_of
        self.to_latent = to_latent
        self.enough = enough
        self.alive = list(range(race.starts * items))
        self.latest: dict[int, Look] = {}  # of every row, as it was last judged
        self.judged: list[int] = []  # the rows that were judged last
        self.early: dict[int, float] = {}  # by what each was ranked then
        self.looking = self.decoding = self.scoring = 0.0

    def after_step(self, step: int, x0: Tensor, look_ahead: Ahead) -> list[int] | None:
        """The rows that go on after so many steps; None when it is not the time for a cut. x0: [rows, ...]."""
        cut = self._cut(step)
        if cut is None:
            return None
        rows = self.judged = self.alive
        started = time.perf_counter()
        seen = look_ahead(rows, cut.ahead) if cut.ahead else x0[torch.tensor(rows, device=x0.device)]
        self.looking += time.perf_counter() - started
        judged = self.judge.judge(self.to_latent(seen).float().cpu(), rows, lambda at: self.name_of(rows[at]))
        self.decoding += judged.decoding
        self.scoring += judged.scoring
        seen = dict(zip(rows, looks(judged, step), strict=True))
        self.latest |= seen
        ranked = [self._ranked(item, seen) for item in range(self.items)]
        self.early = {row: early for of_item in ranked for row, early in of_item.items() if early > -math.inf}
        self.alive = sorted(row for of_item in ranked for row in survivors(of_item, cut.keep))
        return self.alive

    @property
    def stopped(self) -> dict[int, Look]:
        return {row: latest for row, latest in self.latest.items() if row not in self.alive}

    def _cut(self, step: int) -> Cut | None:
        """How many rows of each item go on after this step; None for all of them."""
        if self.enough():
            return Cut(step, 1) if len(self.alive) > self.items else None
        return self.cuts.get(step)

    def _ranked(self, item: int, seen: dict[int, Look]) -> dict[int, float]:
        """One number for each row of this item, ranked among those still alive; those that failed below all others."""
        rows = [row for row in seen if row % self.items == item]
        return dict(zip(rows, ranked(self.judge.verifier, [seen[row].scores for row in rows]), strict=True))
