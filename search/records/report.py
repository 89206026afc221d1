"""Everything a search recorded about one image."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import failures
from .candidate import Candidate, recipe_dict

VERSION = 1
PERSON = "a person"


@dataclass(frozen=True)
class Seconds:
    """Wall-clock seconds, by what they were spent on; the rest of `total` is bookkeeping."""

    sampling: float = 0.0
    decoding: float = 0.0
    scoring: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Report:
    """One search for one image. `candidates` is in the order they ran; number 0 is the image without search.

    extra_nfe: denoiser predictions beside those of the candidates: for some that were given up when people had seen
    enough, or for the best one's image when only its score was known. earlier_nfe: those of the candidates' that an
    earlier run has spent. prompt: what it was judged by, where that is the text that the sampler draws.
    notes: sentences on what does not hold here, and else holds for every search. summary: what the search did and why,
    in words, where its settings do not say it. target: at which it was to stop. chosen: the candidate that a person has
    taken in place of the best.
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

    @property
    def best(self) -> Candidate:
        """What the sampler gives out: what a person has chosen; else the first that has reached the target; else the
        highest score among those that ran to their end, of equal ones the first."""
        if self.chosen is not None:
            return self.candidates[self.chosen]
        return max((c for c in self.candidates if c.is_finished), key=lambda candidate: candidate.rank)

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

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; a score that is not finite becomes None."""
        best = self.best
        return _finite(
            {
                "version": VERSION,
                "algorithm": self.algorithm,
                "seed": self.seed,
                "sampler_steps": self.sampler_steps,
                "nfe": {"search": self.nfe, "total": self.nfe + self.earlier_nfe},
                "seconds": vars(self.seconds),
                "baseline": {"score": self.baseline.score if self.baseline else None},
                "best": {"index": best.index, "score": best.score, "recipe": recipe_dict(best.recipe)},
                "candidates": [candidate.to_dict() for candidate in self.candidates],
                "stopped": self.stopped,
                **({} if self.target is None else {"target": self.target}),
                **({"prompt": self.prompt} if self.prompt else {}),
                **({"notes": list(self.notes)} if self.notes else {}),
                **({"summary": self.summary} if self.summary else {}),
                **({"chosen_by": PERSON} if self.chosen is not None else {}),
            }
            | ({"failed": self.failed} if self.failed else {})
        )

    def winner(self) -> dict[str, Any]:
        """The best candidate and what it took to find it, as plain JSON values: what a saved picture carries."""
        report = self.to_dict()
        kept = (
            "algorithm",
            "seed",
            "sampler_steps",
            "nfe",
            "seconds",
            "stopped",
            "target",
            "baseline",
            "best",
            "notes",
            "chosen_by",
        )
        winner = {key: report[key] for key in kept if key in report}
        return winner | {
            "candidates": len(self.candidates),
            "best": winner["best"] | {"scores": _finite(self.best.scores), "nfe": self.best.nfe},
        }


def reports_json(reports: list[Report], indent: int | None = 2, parts: Sequence[int] = ()) -> str:
    """One report as a JSON object; the reports of a batch, one per image, as an array of them.

    parts: of a picture that was made in several searches, how many reports each of them has.
    """
    told = [report.to_dict() for report in reports]
    numbers = [number for number, count in enumerate(parts, start=1) for _ in range(count)]
    if len(parts) > 1:
        of = {"parts": len(parts), "note": "No seed alone gives the whole picture: it was sampled in several parts."}
        told = [{"part": number, **of, **one} for number, one in zip(numbers, told, strict=True)]
    return one_or_many(told, indent)


def recipes_json(reports: list[Report]) -> str:
    """The best candidate's recipe as a JSON object; of a batch, one per image, as an array of them."""
    return one_or_many([recipe_dict(report.best.recipe) for report in reports], None)


def one_or_many(values: list[Any], indent: int | None) -> str:
    return json.dumps(values[0] if len(values) == 1 else values, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
