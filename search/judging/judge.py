"""Decoding candidates with the user's VAE and scoring them with a verifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from PIL.Image import Image
from torch import Tensor

from ...verifiers.base import NeedsPrediction, Verifier, parts
from ..host.memory import CHUNK
from ..pictures import thumbnail
from .decoding import decode
from .scoring import score_images


class Scored(NamedTuple):
    """Scores of some latents, of each verifier by name; the picture of each, as large as it is ever shown (the middle
    frame of a video); the seconds it took."""

    scores: list[dict[str, float]]
    pictures: list[Image]
    decoding: float
    scoring: float


class Judge:
    """What decides which latent is best: a VAE, a verifier and the prompt it judges by.

    shapes: those of the sampler's latent; of several (video with audio) the first is decoded. frames: how many of a
    video's are judged, 0 for all; see `spread`.
    """

    def __init__(self, vae: Any, verifier: Verifier, prompt: str, shapes: Sequence[Sequence[int]], frames: int = 0):
        self.vae = vae
        self.verifier = verifier
        self.prompt = prompt
        self.shapes = [tuple(shape) for shape in shapes]
        self.frames = frames

    @property
    def prediction_levels(self) -> list[float]:
        """Noise levels at which a verifier wants to see the x0 prediction as well."""
        return sorted({part.level for part in parts(self.verifier).values() if isinstance(part, NeedsPrediction)})

    def misfit(self) -> str | None:
        """Why the VAE can not decode this latent into images; None when it can."""
        shape, dimensions, channels = list(self.shapes[0]), self.vae.latent_dim, self.vae.latent_channels
        if dimensions not in (2, 3) or len(shape) not in (4, 5):
            return "A verifier judges images, but this latent or VAE is not one of images or video."
        if shape[1] != channels or (dimensions == 3 and len(shape) == 4):
            return (
                f"The VAE does not fit the latent: it decodes {channels} channels in {dimensions} dimensions, the "
                f"latent has shape {shape}. Connect the VAE that belongs to the model."
            )
        return None

    def judge(
        self, latents: Tensor, name_of: Callable[[int], str], predictions: Mapping[float, Tensor] | None = None
    ) -> Scored:
        """Judge each of `latents` [N, ...], as a sampler gives them out; a video by the mean over its frames.

        Only a few at a time are there as images: CHUNK, or one video. name_of: what to call latent i in an error.
        predictions: x0 predictions of the same, by prediction level.
        """
        judged = []
        for first in range(0, len(latents), self._together):
            part = slice(first, first + self._together)
            x0 = {level: prediction[part] for level, prediction in (predictions or {}).items()}
            judged.append(self._judge(latents[part], lambda row, first=first: name_of(first + row), x0))
        scores, pictures, decoding, scoring = zip(*judged, strict=True)
        return Scored([*chain(*scores)], [*chain(*pictures)], sum(decoding), sum(scoring))

    @property
    def _together(self) -> int:
        """Latents that are judged at once."""
        return CHUNK if len(self.shapes[0]) == 4 or self.shapes[0][2] == 1 else 1

    def _judge(self, latents: Tensor, name_of: Callable[[int], str], predictions: Mapping[float, Tensor]) -> Scored:
        started = time.perf_counter()
        images = decode(self.vae, latents, self.shapes, name_of)
        frames = spread(images.shape[1], self.frames)
        shown = images[:, frames].flatten(0, 1)
        predicted = {
            level: decode(self.vae, x0, self.shapes, name_of)[:, frames].flatten(0, 1)
            for level, x0 in predictions.items()
        }
        decoded = time.perf_counter()
        by_name = score_images(
            self.verifier, shown, [self.prompt] * len(shown), lambda row: name_of(row // len(frames)), predicted
        )
        means = {
            name: torch.tensor(values, dtype=torch.float64).reshape(-1, len(frames)).mean(1)
            for name, values in by_name.items()
        }
        scores = [{name: float(values[row]) for name, values in means.items()} for row in range(len(images))]
        scored = time.perf_counter()
        pictures = [thumbnail.of_image(image) for image in images[:, images.shape[1] // 2]]
        return Scored(scores, pictures, decoded - started, scored - decoded)


def spread(frames: int, wanted: int) -> list[int]:
    """Which of a video's frames are judged: `wanted` of them, evenly spaced from the first to the last. One is the
    middle one; all of them when wanted is 0 or there are no more."""
    if not 0 < wanted < frames:
        return list(range(frames))
    if wanted == 1:
        return [frames // 2]
    return [round(at * (frames - 1) / (wanted - 1)) for at in range(wanted)]
