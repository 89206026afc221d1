"""Asking a verifier, or those that it is made of, about images."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ...verifiers.base import Details, NeedsPrediction, Said, Verifier, ask_for_details, parts
from ..host.memory import in_chunks
from .flaws import not_finite


def score_images(
    verifier: Verifier,
    images: Tensor,
    prompts: list[str],
    name_of: Callable[[int], str],
    predictions: Mapping[float, Tensor] | None = None,
) -> dict[str, list[Said]]:
    """What each verifier says of `images` [N, H, W, 3], by its name: one, or those of an ensemble.

    predictions: what the model predicted on the way to the images, the same shape, by level.
    An image with NaN or infinite values is shown to no verifier, and has minus infinity from each.
    Raises VerifierError when a verifier fails or answers with something that is not a finite number for each image.
    """
    broken = not_finite(images)
    if broken:
        return _score_others(verifier, images, prompts, name_of, broken)
    scores: dict[str, list[Said]] = {}
    for name, part in parts(verifier).items():
        asked, seen = part, images
        if isinstance(part, NeedsPrediction) and predictions:
            asked, seen = _Paired(part), torch.cat([images, predictions[part.level]], dim=-1)
        scores[name] = _score_in_chunks(asked, seen, prompts, name_of)
    return scores


def _score_others(
    verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str], broken: list[int]
) -> dict[str, list[Said]]:
    names = ", ".join(map(name_of, broken))
    logging.warning("Noise search: %s can not be judged, because of NaN or infinite values.", names)
    rows = [row for row in range(len(images)) if row not in broken]
    scores = {name: [Said(-math.inf)] * len(images) for name in parts(verifier)}
    if rows:
        found = score_images(verifier, images[rows], [prompts[row] for row in rows], lambda at: name_of(rows[at]))
        for name, values in found.items():
            for row, value in zip(rows, values, strict=True):
                scores[name][row] = value
    return scores


class DetailedScore(float):
    """A score on a wire, with what the verifiers told of the image's parts, by name."""

    details: dict[str, Details]

    def __new__(cls, score: float, details: dict[str, Details]) -> DetailedScore:
        made = super().__new__(cls, score)
        made.details = details
        return made


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
) -> list[Said]:
    def work(part: slice) -> list[Said]:
        return ask_for_details(verifier, images[part], prompts[part], lambda row: name_of(part.start + row))

    chunks = in_chunks(work, len(images), lambda row: f"{verifier.name} to judge {name_of(row)} alone")
    return [said for chunk in chunks for said in chunk]
