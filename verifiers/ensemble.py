"""Several verifiers as one: mean of ranks (Ma et al. 2025, appendix A.4) or of z-scores.

Both compare the candidates judged together with each other, so a score is worth something only beside those of the same
call. When candidates arrive later, all are compared anew (`base.Ensemble`): a zero-order pivot, for one, is ranked
together with its neighbours and everything seen before, by the scores it was given once. The order in which candidates
arrive plays no part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .base import Ensemble as EnsembleProtocol
from .base import Verifier, VerifierError, ask

RANK_MEAN, Z_SCORE = "rank mean", "weighted z-score"
METHODS = (RANK_MEAN, Z_SCORE)


def shares_beaten(values: Sequence[float]) -> Tensor:
    """Of each value the share of the others that it beats, equal ones counted half: 1 for the best, 0 for the worst.

    A rank in other words: (n - rank) / (n - 1), ties with the mean of their ranks. 0.5 for a candidate alone.
    """
    scores = torch.tensor(values, dtype=torch.float64)
    if len(scores) < 2:
        return torch.full_like(scores, 0.5)
    ordered = scores.sort().values
    below, up_to = torch.searchsorted(ordered, scores), torch.searchsorted(ordered, scores, right=True)
    return (below + up_to - 1) / 2 / (len(scores) - 1)


def z_scores(values: Sequence[float]) -> Tensor:
    """Standard deviations above the mean; 0 for all when they are equal."""
    scores = torch.tensor(values, dtype=torch.float64)
    spread = scores.std(correction=0)
    return torch.zeros_like(scores) if spread == 0 else (scores - scores.mean()) / spread


class Ensemble:
    """verifiers: at least one. weights: one each, not negative; none for equal ones. held_out: one more, that is asked
    and reported, and counts for nothing."""

    name = "ensemble"

    def __init__(
        self,
        verifiers: Sequence[Verifier],
        method: str = RANK_MEAN,
        weights: Sequence[float] = (),
        held_out: Verifier | None = None,
    ):
        self.parts = dict(_named([*verifiers, *([held_out] if held_out else [])]))
        names = list(self.parts)
        self.held_out = frozenset(names[len(verifiers) :])
        self.method = method
        self.weights = _checked_weights(dict(zip(names, weights or [1.0] * len(verifiers))), len(verifiers), weights)
        self.needs_prompt = any(part.needs_prompt for part in self.parts.values())

    def combine(self, scores: Mapping[str, Sequence[float]]) -> list[float]:
        """The weighted mean over the counting parts of each candidate's rank (0..1) or z-score."""
        relative = shares_beaten if self.method == RANK_MEAN else z_scores
        total = sum(self.weights.values())
        parts = (weight / total * relative(scores[name]) for name, weight in self.weights.items())
        return sum(parts, torch.zeros((), dtype=torch.float64)).tolist()

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Combined over these images alone; for callers that know nothing of `parts`."""
        asked = {name: part for name, part in self.parts.items() if name in self.weights}
        scores = {name: ask(part, images, prompts, lambda index: f"image {index}") for name, part in asked.items()}
        return torch.tensor(self.combine(scores))


def _named(verifiers: Sequence[Verifier]) -> list[tuple[str, Verifier]]:
    """Each with a name of its own: the second "CLIP score" is "CLIP score 2"."""
    seen: dict[str, int] = {}
    named = []
    for verifier in verifiers:
        if isinstance(verifier, EnsembleProtocol):
            raise VerifierError("An ensemble can not be part of an ensemble: connect its verifiers instead.")
        seen[verifier.name] = seen.get(verifier.name, 0) + 1
        named.append(
            (verifier.name if seen[verifier.name] == 1 else f"{verifier.name} {seen[verifier.name]}", verifier)
        )
    return named


def _checked_weights(weights: dict[str, float], verifiers: int, given: Sequence[float]) -> dict[str, float]:
    if verifiers < 1:
        raise VerifierError("An ensemble needs at least one verifier.")
    if given and len(given) != verifiers:
        raise VerifierError(f"An ensemble of {verifiers} verifiers needs as many weights, but was given {len(given)}.")
    if min(weights.values()) < 0 or not 0 < sum(weights.values()) < math.inf:
        raise VerifierError(f"The weights of an ensemble are finite, not negative and not all 0; not {list(given)}.")
    return weights
