"""Asking a verifier, or those that it is made of, about images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ...verifiers.base import NeedsPrediction, Verifier, ask, parts
from ..host.memory import in_chunks


def score_images(
    verifier: Verifier,
    images: Tensor,
    prompts: list[str],
    name_of: Callable[[int], str],
    predictions: Mapping[float, Tensor] | None = None,
) -> dict[str, list[float]]:
    """What each verifier says of `images` [N, H, W, 3], by its name: one, or those of an ensemble.

    predictions: what the model predicted on the way to the images, the same shape, by level.
    Raises VerifierError when a verifier fails or answers with something that is not a finite number for each image.
    """
    scores: dict[str, list[float]] = {}
    for name, part in parts(verifier).items():
        asked, seen = part, images
        if isinstance(part, NeedsPrediction) and predictions:
            asked, seen = _Paired(part), torch.cat([images, predictions[part.level]], dim=-1)
        scores[name] = _score_in_chunks(asked, seen, prompts, name_of)
    return scores


class _Paired:
    """A verifier that compares an image with its prediction, as one that sees both side by side in the channels."""

    def __init__(self, verifier: NeedsPrediction):
        self.verifier = verifier
        self.name = verifier.name
        self.needs_prompt = verifier.needs_prompt

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return self.verifier.score_with_prediction(images[..., :3], images[..., 3:], prompts)


def _score_in_chunks(
    verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str]
) -> list[float]:
    def work(part: slice) -> list[float]:
        return ask(verifier, images[part], prompts[part], lambda row: name_of(part.start + row))

    chunks = in_chunks(work, len(images), lambda row: f"{verifier.name} to judge {name_of(row)} alone")
    return [score for chunk in chunks for score in chunk]
