"""How the search for one image stands: what was seen, how it ranks, and the latents that may still win."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

from ...verifiers.base import Verifier, combine, contenders
from .recipe import Recipe
from .report import Candidate


class Seen(NamedTuple):
    """A candidate that was judged. scores: of each verifier, by name; the other fields as in report.Candidate."""

    scores: dict[str, float]
    recipe: Recipe | None
    round: int
    nfe: int
    thumbnail: bytes
    stopped_at_step: int | None
    repeats: int | None = None


class Result(NamedTuple):
    """A candidate's latent and x0 prediction, [...] on the CPU."""

    latent: Tensor
    x0: Tensor


Kept = TypeVar("Kept")  # what is kept of a candidate that may win: a Result, or what a loop has made


class Standing(Generic[Kept]):
    """One image of the user's batch. Candidates are ranked among all that were seen (verifiers.base.Ensemble)."""

    def __init__(self, verifier: Verifier):
        self.verifier = verifier
        self.seen: list[Seen] = []
        self.results: dict[int, Kept] = {}  # of those that may still turn out best
        self.best: int | None = None

    @property
    def since_best(self) -> int:
        """Candidates that came after the best one."""
        return 0 if self.best is None else len(self.seen) - 1 - self.best

    def add(self, candidates: list[tuple[Seen, Kept]]) -> None:
        """Record candidates; only those that ran to their end can win."""
        for seen, result in candidates:
            if seen.stopped_at_step is None:
                self.results[len(self.seen)] = result
            self.seen.append(seen)
        running = list(self.results)
        kept = contenders(self.verifier, self._by_name(running))
        self.results = {running[at]: self.results[running[at]] for at in kept}
        finished = self._finished()
        if finished:
            ranked = combine(self.verifier, self._by_name(finished))
            self.best = finished[max(range(len(finished)), key=ranked.__getitem__)]

    def finished(self) -> list[int]:
        """Those that ran to their end, best first."""
        finished = self._finished()
        ranked = combine(self.verifier, self._by_name(finished)) if finished else []
        return [finished[at] for at in sorted(range(len(finished)), key=lambda at: -ranked[at])]

    def only_drafts(self, steps: int) -> None:
        """From now on nothing seen so far can win: it ran on a schedule of so many steps, fewer than the image gets."""
        self.seen = [s if s.stopped_at_step is not None else s._replace(stopped_at_step=steps) for s in self.seen]
        self.results, self.best = {}, None

    def scores(self) -> list[float]:
        """One number for everything seen, finished or not."""
        return combine(self.verifier, self._by_name(range(len(self.seen)))) if self.seen else []

    def candidates(self) -> tuple[Candidate, ...]:
        """Those that ran to their end ranked among themselves, the others among all."""
        scores, finished = self.scores(), self._finished()
        for index, score in zip(finished, combine(self.verifier, self._by_name(finished)) if finished else []):
            scores[index] = score
        return tuple(
            Candidate(index=index, score=score, **seen._asdict())
            for index, (seen, score) in enumerate(zip(self.seen, scores, strict=True))
        )

    def joined_by(self, racing: Sequence[Seen]) -> tuple[Candidate, ...]:
        """The candidates with some more that are still on their way, judged by what is predicted of them."""
        together = copy.copy(self)
        together.seen = [*self.seen, *racing]
        return together.candidates()

    def _finished(self) -> list[int]:
        return [index for index, seen in enumerate(self.seen) if seen.stopped_at_step is None]

    def _by_name(self, indices: range | list[int]) -> dict[str, list[float]]:
        names = self.seen[0].scores if self.seen else ()
        return {name: [self.seen[index].scores[name] for index in indices] for name in names}
