"""Decoding candidates with the user's VAE and scoring them with a verifier."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from PIL.Image import Image
from torch import Tensor

from ...verifiers.base import Details, NeedsPrediction, Said, Verifier, VerifierError, parts
from ..host.memory import CHUNK
from ..pictures import thumbnail
from ..records.failures import ONE_COLOR
from .decoding import Decoded, NameOf, decode
from .flaws import one_color
from .scoring import score_videos

CHANNELS = "latent_channels"


class Scored(NamedTuple):
    """Scores of some latents, of each verifier by name; the picture of each, as large as it is ever shown (the middle
    frame of a video); why some have failed, empty for the others: those have no scores, and mostly no picture; whether
    all is one color; the parts that verifiers told of, by name; the seconds it took."""

    scores: list[dict[str, float]]
    pictures: list[Image | None]
    failed: list[str]
    one_color: list[bool]
    details: list[dict[str, Details]]
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
        self.has_picture = False  # whether there was an image of more than one color
        self.one_by_one = False  # whether the VAE takes one latent at a time

    def with_vae(self, vae: Any) -> Judge:
        """The same judge, looking at what this VAE makes."""
        return Judge(vae, self.verifier, self.prompt, self.shapes, self.frames)

    @property
    def prediction_levels(self) -> list[float]:
        """Noise levels at which a verifier wants to see the x0 prediction as well."""
        return sorted({part.level for part in parts(self.verifier).values() if isinstance(part, NeedsPrediction)})

    def misfit(self) -> str | None:
        """Why the VAE can not decode this latent into images; None when it can, or does not tell."""
        if not callable(getattr(self.vae, "decode", None)):
            return f"The vae input holds a {type(self.vae).__name__}, without decode(). Connect the VAE of the model."
        shape, dimensions, channels = list(self.shapes[0]), _said(self.vae, "latent_dim"), _said(self.vae, CHANNELS)
        if dimensions not in (2, 3, None) or len(shape) not in (4, 5):
            return "A verifier judges images, but this latent or VAE is not one of images or video."
        if channels not in (shape[1], None) or (dimensions == 3 and len(shape) == 4):
            return (
                f"The VAE does not fit the latent: it decodes {channels} channels in {dimensions} dimensions, the "
                f"latent has shape {shape}. Connect the VAE that belongs to the model."
            )
        return None

    def judge(
        self, latents: Tensor, name_of: Callable[[int], str], predictions: Mapping[float, Tensor] | None = None
    ) -> Scored:
        """Judge each of `latents` [N, ...], as a sampler gives them out; a video as `score_videos` says.

        Only a few at a time are there as images: CHUNK, or one video. name_of: what to call latent i in an error.
        predictions: x0 predictions of the same, by prediction level.
        """
        judged = []
        for first in range(0, len(latents), self._together):
            part = slice(first, first + self._together)
            x0 = {level: prediction[part] for level, prediction in (predictions or {}).items()}
            judged.append(self._judge(latents[part], lambda row, first=first: name_of(first + row), x0))
        return Scored(
            [*chain.from_iterable(part.scores for part in judged)],
            [*chain.from_iterable(part.pictures for part in judged)],
            [*chain.from_iterable(part.failed for part in judged)],
            [*chain.from_iterable(part.one_color for part in judged)],
            [*chain.from_iterable(part.details for part in judged)],
            sum(part.decoding for part in judged),
            sum(part.scoring for part in judged),
        )

    @property
    def _together(self) -> int:
        """Latents that are judged at once."""
        is_video = len(self.shapes[0]) == 5 and self.shapes[0][2] > 1
        return 1 if self.one_by_one or is_video else CHUNK

    def _judge(self, latents: Tensor, name_of: NameOf, predictions: Mapping[float, Tensor]) -> Scored:
        started = time.perf_counter()
        decoded = self._decode(latents, name_of)
        predicted = {level: self._decode(x0, name_of) for level, x0 in predictions.items()}
        plain = self._plain(decoded, latents)
        failed = {row: ONE_COLOR for row in plain} if self.has_picture else {}
        for each in (*predicted.values(), decoded):
            failed |= each.failed
        sound = [row for row in decoded.rows if row not in failed]
        images = {row: image for row, image in zip(decoded.rows, decoded.images, strict=True)}
        middle = decoded.images.shape[1] // 2
        shown = {row: thumbnail.of_image(image[middle]) for row, image in images.items()}
        took = time.perf_counter() - started
        try:
            said = self._score(sound, decoded, predicted, name_of) if sound else {}
        except VerifierError as error:
            if not plain or self.has_picture:
                raise
            logging.warning("Noise search: %s; there is nothing but one color in it.", error)
            said, failed = {}, failed | dict.fromkeys(sound, ONE_COLOR)
        rows = range(len(latents))
        return Scored(
            [{name: one.score for name, one in said.get(row, {}).items()} for row in rows],
            [shown.get(row) for row in rows],
            [failed.get(row, "") for row in rows],
            [row in plain for row in rows],
            [{name: one.details for name, one in said.get(row, {}).items() if one.details} for row in rows],
            took,
            time.perf_counter() - started - took,
        )

    def _decode(self, latents: Tensor, name_of: NameOf) -> Decoded:
        decoded = decode(self.vae, latents, self.shapes, name_of)
        if decoded.takes_one and not self.one_by_one:
            self.one_by_one = True
            logging.info("Noise search: this VAE takes one latent at a time, so candidates are decoded one by one.")
        return decoded

    def _plain(self, decoded: Decoded, latents: Tensor) -> set[int]:
        """The rows of one color, or from a latent of one number. Notes whether there has been another: only beside a
        picture it is a failure."""
        if not decoded.rows:
            return set()
        flat = map(max, one_color(decoded.images), one_color(latents[decoded.rows].flatten(1).unsqueeze(-1)))
        plain = {row for row, is_flat in zip(decoded.rows, flat, strict=True) if is_flat}
        self.has_picture |= len(plain) < len(decoded.rows)
        return plain

    def _score(
        self, rows: list[int], decoded: Decoded, predicted: Mapping[float, Decoded], name_of: NameOf
    ) -> dict[int, dict[str, Said]]:
        """What each verifier says of the images or videos of these rows."""
        by_name = score_videos(
            self.verifier,
            decoded.of(rows),
            [self.prompt] * len(rows),
            lambda at: name_of(rows[at]),
            spread(decoded.images.shape[1], self.frames),
            {level: each.of(rows) for level, each in predicted.items()},
        )
        return {row: {name: said[at] for name, said in by_name.items()} for at, row in enumerate(rows)}


def _said(vae: Any, name: str) -> int | None:
    """What a VAE says of itself; None for one of another pack that says nothing."""
    value = getattr(vae, name, None)
    return value if isinstance(value, int) else None


def spread(frames: int, wanted: int) -> list[int]:
    """Which of a video's frames are judged: `wanted` of them, evenly spaced from the first to the last. One is the
    middle one; all of them when wanted is 0 or there are no more."""
    if not 0 < wanted < frames:
        return list(range(frames))
    if wanted == 1:
        return [frames // 2]
    return [round(at * (frames - 1) / (wanted - 1)) for at in range(wanted)]
