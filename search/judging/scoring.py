"""Asking a verifier, or those that it is made of, about images."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ...verifiers.base import (
    WORST,
    Details,
    NeedsPrediction,
    OfVideos,
    Said,
    Verifier,
    ask_for_details,
    over_frames,
    parts,
)
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
    return _ask_all(parts(verifier), images, prompts, name_of, predictions)


def score_videos(
    verifier: Verifier,
    videos: Tensor,
    prompts: list[str],
    name_of: Callable[[int], str],
    frames: Sequence[int],
    predictions: Mapping[float, Tensor] | None = None,
) -> dict[str, list[Said]]:
    """As `score_images`, of `videos` [N, all frames, H, W, 3]: a verifier of images sees the `frames`, one by one, and
    the video has the mean of its scores or the worst, with the details of the worst; one of videos sees all."""
    judges, count = parts(verifier), len(frames)
    one_by_one = {name: part for name, part in judges.items() if not isinstance(part, OfVideos)}
    told = {
        name: [
            _ask_about_video(part, video, prompt, name_of(row))
            for row, (video, prompt) in enumerate(zip(videos, prompts))
        ]
        for name, part in judges.items()
        if isinstance(part, OfVideos)
    }
    if one_by_one:
        shown, before = _frames(videos, frames), {at: _frames(x0, frames) for at, x0 in (predictions or {}).items()}
        each = [prompt for prompt in prompts for _ in frames]
        for name, said in _ask_all(one_by_one, shown, each, lambda at: name_of(at // count), before).items():
            by_video = (said[row * count : (row + 1) * count] for row in range(len(videos)))
            told[name] = [_of_video(own, over_frames(judges[name])) for own in by_video]
    return {name: told[name] for name in judges}


def _frames(videos: Tensor, frames: Sequence[int]) -> Tensor:
    """[videos x frames, H, W, 3]."""
    return videos[:, list(frames)].flatten(0, 1)


def _of_video(frames: Sequence[Said], counts: str) -> Said:
    worst = min(frames, key=lambda said: said.score)
    mean = torch.tensor([said.score for said in frames], dtype=torch.float64).mean().item()
    return Said(worst.score if counts == WORST else mean, worst.details)


def _ask_about_video(verifier: OfVideos, video: Tensor, prompt: str, name: str) -> Said:
    """video: [frames, H, W, 3]."""
    if not_finite(video):
        logging.warning("Noise search: %s can not be judged, because of NaN or infinite values.", name)
        return Said(-math.inf)
    return ask_for_details(_Watching(verifier), video[None], [prompt], lambda _: name)[0]


class _Watching:
    """A verifier of videos, asked as one of images with details is."""

    def __init__(self, verifier: OfVideos):
        self.name, self.needs_prompt = verifier.name, verifier.needs_prompt
        self.score, self.score_with_details = verifier.score, verifier.score_videos


def _ask_all(
    judges: Mapping[str, Verifier],
    images: Tensor,
    prompts: list[str],
    name_of: Callable[[int], str],
    predictions: Mapping[float, Tensor] | None = None,
) -> dict[str, list[Said]]:
    broken = not_finite(images)
    if broken:
        return _ask_about_others(judges, images, prompts, name_of, broken)
    scores: dict[str, list[Said]] = {}
    for name, part in judges.items():
        asked, seen = part, images
        if isinstance(part, NeedsPrediction) and predictions:
            asked, seen = _Paired(part), torch.cat([images, predictions[part.level]], dim=-1)
        scores[name] = _score_in_chunks(asked, seen, prompts, name_of)
    return scores


def _ask_about_others(
    judges: Mapping[str, Verifier],
    images: Tensor,
    prompts: list[str],
    name_of: Callable[[int], str],
    broken: list[int],
) -> dict[str, list[Said]]:
    names = ", ".join(dict.fromkeys(map(name_of, broken)))
    logging.warning("Noise search: %s can not be judged, because of NaN or infinite values.", names)
    rows = [row for row in range(len(images)) if row not in broken]
    scores = {name: [Said(-math.inf)] * len(images) for name in judges}
    if rows:
        found = _ask_all(judges, images[rows], [prompts[row] for row in rows], lambda at: name_of(rows[at]))
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
