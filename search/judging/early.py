"""Judging candidates on their way: by small images, once these have ranked candidates as whole ones do.

What is seen on the way is thrown away, and mostly only its rank counts; a small image costs a part of a whole one
(small_images.py). Whether it ranks alike is measured where it is used: the first time that enough candidates are judged
on their way, they are decoded both ways. Who runs to the end is always judged by a whole image.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from ...verifiers.base import Verifier, VerifierError, combine, parts
from .decoding import DecodeError
from .judge import Judge, Scored
from .small_images import SmallImages

ALIKE = 0.9  # Spearman's rank correlation, within each image of a batch
FEWEST = 6  # candidates that it is measured among


class EarlyJudge:
    """agreement: of ranks by small images and by whole ones, -1..1; None as long as it was not measured."""

    def __init__(self, judge: Judge, small: SmallImages | None, items: int):
        self.verifier = judge.verifier
        self.judge_whole = judge
        self.small = small
        self.items = items
        self.agreement: float | None = None
        self.judge_small = judge if small is None else judge.with_vae(small.vae)

    @property
    def is_small(self) -> bool:
        return self.agreement is not None and self.agreement >= ALIKE

    @property
    def note(self) -> str:
        """For people, when small images have judged."""
        if self.small is None or self.agreement is None or not self.is_small:
            return ""
        return (
            f"Candidates were judged on their way by {self.small.name}, which ranked them as whole images did (rank "
            f"correlation {self.agreement:.2f}, measured in this search)."
        )

    def judge(self, latents: Tensor, rows: Sequence[int], name_of: Callable[[int], str]) -> Scored:
        """As Judge.judge. rows: of each latent; row % items is the image of the batch."""
        if self.is_small:
            return self.judge_small.judge(latents, name_of)
        whole = self.judge_whole.judge(latents, name_of)
        if self.small is None or self.agreement is not None or len(rows) < FEWEST * self.items:
            return whole
        try:
            small = self.judge_small.judge(latents, name_of)
        except (DecodeError, VerifierError) as error:
            logging.info("Noise search: whole images judge candidates on the way. By %s, %s", self.small.name, error)
            self.agreement = -1.0
            return whole
        self.agreement = min(self._agreement(rows, item, whole, small) for item in range(self.items))
        return whole._replace(decoding=whole.decoding + small.decoding, scoring=whole.scoring + small.scoring)

    def _agreement(self, rows: Sequence[int], item: int, whole: Scored, small: Scored) -> float:
        own = [at for at, row in enumerate(rows) if row % self.items == item]
        return spearman(*(ranked(self.verifier, [judged.scores[at] for at in own]) for judged in (whole, small)))


def ranked(verifier: Verifier, scores: Sequence[Mapping[str, float]]) -> list[float]:
    """One number for each, by which they are ranked among each other; minus infinity for those that failed."""
    by_name = {name: [each.get(name, -math.inf) for each in scores] for name in parts(verifier)}
    return combine(verifier, by_name)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation, -1..1, of what has a finite number in both; 0 where all are equal in one of them."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if len(both) < FEWEST:
        return 0.0
    ranks = [_ranks(values) for values in zip(*both, strict=True)]
    if any(np.ptp(of) == 0 for of in ranks):
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Equal ones share the mean of their ranks."""
    ordered = sorted(values)
    return np.array([(ordered.index(value) + len(ordered) - 1 - ordered[::-1].index(value)) / 2 for value in values])
