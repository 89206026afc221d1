"""Everything a search recorded about one image."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import failures
from .candidate import Candidate, places, recipe_dict
from .marks import Marks
from .recipe import Recipe

VERSION = 1
PERSON = "a person"


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds, by what they were spent on; the rest of `total` is bookkeeping."""

    sampling: float = 0.0
    decoding: float = 0.0
    scoring: float = 0.0
    total: float = 0.0


class Kept(NamedTuple):
    """Candidates whose latents a search holds, by rank, and how many bytes these are."""

    candidates: tuple[int, ...] = ()
    size: int = 0

    @classmethod
    def of(cls, latents: Mapping[int, Any]) -> Kept:
        """latents: tensors by the candidate's number."""
        return cls(tuple(latents), sum(latent.numel() * latent.element_size() for latent in latents.values()))

    def to_dict(self) -> dict[str, Any]:
        return {"candidates": list(self.candidates), "megabytes": round(self.size / 1e6, 3)}


NONE_KEPT = Kept()


@dataclass(frozen=True)
class Report:
    """One search for one image. `candidates` is in the order they ran; number 0 is the image without search.

    extra_nfe: denoiser predictions beside those of the candidates: for some that were given up when people had seen
    enough, or for the best one's image when only its score was known. earlier_nfe: those of the candidates' that an
    earlier run has spent. prompt: what it was judged by, where that is the text that the sampler draws.
    notes: sentences on what does not hold here, and else holds for every search. summary: what the search did and why,
    in words, where its settings do not say it. target: at which it was to stop. chosen: the candidate that a person has
    taken in place of the best. kept: where there is more than the winner's latent. marks: what a person thinks of the
    candidates, also after the search. passed_over: those that were better than the best, and rejected.
    cuts: of pruning by hand, who has chosen what goes on (board/by_hand.py). around: the recipe that was refined,
    whose image is candidate 0 in place of that without search.
    """

    algorithm: str
    seed: int
    sampler_steps: int
    candidates: tuple[Candidate, ...]
    stopped: str
    seconds: Seconds
    extra_nfe: int = 0
    earlier_nfe: int = 0
    prompt: str = ""
    notes: tuple[str, ...] = ()
    summary: str = ""
    target: float | str | None = None
    chosen: int | None = None
    kept: Kept = NONE_KEPT
    marks: Marks = field(default_factory=Marks)
    passed_over: tuple[int, ...] = ()
    cuts: tuple[dict[str, Any], ...] = ()
    around: Recipe | None = None

    @property
    def best(self) -> Candidate:
        """What the sampler gives out: what a person has chosen; else the first that has reached the target; else the
        highest score among those that ran to their end and were not passed over, of equal ones the first."""
        if self.chosen is not None:
            return self.candidates[self.chosen]
        could_win = (one for one in self.candidates if one.is_finished and one.index not in self.passed_over)
        return max(could_win, key=lambda candidate: candidate.rank)

    def ranked(self) -> list[Candidate]:
        """Those that ran to their end, rank 1 first: the best, then by score."""
        return [self.candidates[index] for index in places(self.candidates, self.best.index)]

    @property
    def baseline(self) -> Candidate | None:
        """The image without search: candidate 0, or that one in full; None when it was stopped on the way or failed."""
        return next((c for c in self.candidates if c.is_finished and c.is_baseline), None)

    @property
    def failed(self) -> str:
        """Which candidates failed and why, in a sentence; empty when none did."""
        return failures.summary(self.candidates)

    @property
    def nfe(self) -> int:
        """What this run has spent."""
        return sum(candidate.nfe for candidate in self.candidates) + self.extra_nfe - self.earlier_nfe

    def to_dict(self, rank: int = 1) -> dict[str, Any]:
        """The report as plain JSON values; a score that is not finite becomes None. rank: of what is taken."""
        best = self.best
        return _finite(
            {
                "version": VERSION,
                "algorithm": self.algorithm,
                "seed": self.seed,
                "sampler_steps": self.sampler_steps,
                **({} if self.around is None else {"around": recipe_dict(self.around)}),
                "nfe": {"search": self.nfe, "total": self.nfe + self.earlier_nfe},
                "seconds": vars(self.seconds),
                "baseline": {"score": self.baseline.score if self.baseline else None},
                "best": _named(best),
                **({} if rank == 1 else {"taken": {"rank": rank, **_named(self.ranked()[rank - 1])}}),
                "candidates": [self._told(candidate) for candidate in self.candidates],
                "stopped": self.stopped,
                **({} if self.target is None else {"target": self.target}),
                **({"prompt": self.prompt} if self.prompt else {}),
                **({"notes": notes} if (notes := [*self.notes, *self._rejections]) else {}),
                **({"summary": self.summary} if self.summary else {}),
                **({"chosen_by": PERSON} if self.chosen is not None else {}),
                **({"cuts": list(self.cuts)} if self.cuts else {}),
                **({"kept": self.kept.to_dict()} if len(self.kept.candidates) > 1 else {}),
                **({"person": person} if (person := self.marks.told(self.candidates)) else {}),
            }
            | ({"failed": self.failed} if self.failed else {})
        )

    def _told(self, one: Candidate) -> dict[str, Any]:
        mark = self.marks.of(one)
        return one.to_dict() | ({"mark": mark} if mark else {})

    @property
    def _rejections(self) -> list[str]:
        if not self.passed_over:
            return []
        numbers = ", ".join(map(str, self.passed_over))
        return [f"The best that was not rejected: a person has rejected what scores higher (candidate {numbers})."]

    def winner(self, rank: int = 1) -> dict[str, Any]:
        """The best candidate and what it took to find it, as plain JSON values: what a saved picture carries. rank: of
        another one, in its place."""
        report, taken = self.to_dict(), self.ranked()[rank - 1]
        kept = (
            "algorithm",
            "seed",
            "sampler_steps",
            "around",
            "nfe",
            "seconds",
            "stopped",
            "target",
            "baseline",
            "best",
            "notes",
            "chosen_by",
            "person",
            "cuts",
        )
        winner = {key: report[key] for key in kept if key in report}
        return winner | {
            "candidates": len(self.candidates),
            "best": _finite(_named(taken) | {"scores": taken.scores, "nfe": taken.nfe}),
            **({} if rank == 1 else {"rank": rank}),
        }


def _named(one: Candidate) -> dict[str, Any]:
    return {"index": one.index, "score": one.score, "recipe": recipe_dict(one.recipe)}


def reports_json(reports: list[Report], indent: int | None = 2, parts: Sequence[int] = (), rank: int = 1) -> str:
    """One report as a JSON object; the reports of a batch, one per image, as an array of them.

    parts: of a picture that was made in several searches, how many reports each of them has. rank: of what is taken.
    """
    told = [report.to_dict(rank) for report in reports]
    numbers = [number for number, count in enumerate(parts, start=1) for _ in range(count)]
    if len(parts) > 1:
        of = {"parts": len(parts), "note": "No seed alone gives the whole picture: it was sampled in several parts."}
        told = [{"part": number, **of, **one} for number, one in zip(numbers, told, strict=True)]
    return one_or_many(told, indent)


def recipes_json(reports: list[Report], rank: int = 1) -> str:
    """The best candidate's recipe as a JSON object, or that of another rank; of a batch, one per image, as an array."""
    return one_or_many([recipe_dict(report.ranked()[rank - 1].recipe) for report in reports], None)


def one_or_many(values: list[Any], indent: int | None) -> str:
    return json.dumps(values[0] if len(values) == 1 else values, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
