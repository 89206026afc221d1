"""A candidate: one initial noise and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .recipe import Recipe


@dataclass(frozen=True)
class Candidate:
    """One initial noise and what came of it, once it was judged.

    scores: of each verifier, by name. recipe: None when the noise came from the workflow and no seed recreates it.
    nfe: denoiser predictions made for it. thumbnail: a JPEG file's bytes, empty when there is no picture.
    stopped_at_step: None when it ran to its end; else the scores are those of the x0 prediction there, or of a draft
    that had only so many steps. repeats: the draft which this is in full.
    index, score: its number in the search, and the one number by which it ranks; given by a Standing.
    failed: why it has no image that can be judged (see failures), empty when it has one; a failed candidate has no
    scores, or they do not count, and ranks below all others. is_one_color: whether every pixel is the same, which is a
    failure where other candidates have pictures. early: of one that ran to its end, how it ranked among those of its
    round when the last of them were stopped. details: what verifiers told of its parts (verifiers.base.Detailed), by
    name. reached: whether it is an image that reaches the search's target, given by a Standing as well.
    """

    scores: dict[str, float]
    recipe: Recipe | None
    nfe: int
    thumbnail: bytes
    stopped_at_step: int | None = None
    round: int = 0
    repeats: int | None = None
    index: int = 0
    score: float = 0.0
    failed: str = ""
    is_one_color: bool = False
    early: float | None = None
    details: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    reached: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether it was denoised to its end and has not failed, so that its score is that of an image one can have."""
        return self.stopped_at_step is None and not self.failed

    @property
    def rank(self) -> tuple[bool, float]:
        """The best of finished candidates has the highest, of equal ones it is the first. All that reach the target are
        equal, so that the same one wins however many run together."""
        return (True, 0.0) if self.reached else (False, self.score)

    @property
    def is_baseline(self) -> bool:
        """Whether this is the image without search, or that one in full."""
        return 0 in (self.index, self.repeats)

    def failing(self, reason: str) -> Candidate:
        return replace(self, failed=reason, score=-math.inf, reached=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "round": self.round,
            "score": None if self.failed else self.score,
            "scores": self.scores,
            "recipe": recipe_dict(self.recipe),
            "nfe": self.nfe,
            "stopped_at_step": self.stopped_at_step,
            **({} if self.repeats is None else {"repeats": self.repeats}),
            **({"details": self.details} if self.details else {}),
            **({"reached": True} if self.reached else {}),
            **({"failed": self.failed} if self.failed else {}),
        }


def places(candidates: Sequence[Candidate], best: int) -> list[int]:
    """The numbers of those that ran to their end, rank 1 first. That is `best`; the others follow by score, of equal
    ones the first."""
    others = [one for one in candidates if one.is_finished and one.index != best]
    return [best, *(one.index for one in sorted(others, key=lambda one: (not one.rank[0], -one.rank[1])))]


def recipe_dict(recipe: Recipe | None) -> dict[str, Any] | None:
    return None if recipe is None else recipe.to_dict()
