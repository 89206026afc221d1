"""Judges of videos: the worst frame by another verifier, and how the frames follow each other.

Motion is measured on brightness alone, without weights, averaged over CELLS x CELLS cells or fewer, so that grain and
fine texture count for nothing. `back and forth` is what makes flicker differ from motion: an edge that passes brightens
or darkens a cell once, flicker does the one and then the other.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .base import WORST, Details, Ensemble, Verifier

CELLS = 32  # along the longer side
LEVELS = 255.0
FLICKER = 1.0  # levels a frame, at which steadiness is 0.5
MOTION = 0.25  # levels, by which frames that lie APART differ more than neighbors do, at which motion is 0.5
APART = 8  # frames; an even number, so that flicker is no motion
HOLDS = 0.5
LEAST = 0.01  # of a part in the mean, so that among stills the others still count
FEWEST = 3  # frames


def by_worst_frame(verifier: Verifier) -> Verifier:
    """The same verifier, for which a video is worth what its worst frame is. Of an ensemble, each of its parts."""
    judge = copy.copy(verifier)
    if isinstance(judge, Ensemble):
        judge.parts = {name: by_worst_frame(part) for name, part in judge.parts.items()}
    else:
        object.__setattr__(judge, "over_frames", WORST)  # also of one that is frozen
    return judge


class Motion(NamedTuple):
    """Each in 0..1, higher is better. steady: without flicker. smooth: as much motion in one moment as in the next,
    without jumps, cuts and frames that come twice. moving: not a still."""

    steady: float
    smooth: float
    moving: float


def motion(video: Tensor) -> Motion:
    """video: [frames, H, W, 3], float in 0..1, at least FEWEST frames, in their order."""
    brightness = _brightness(video) * LEVELS
    change = brightness.diff(dim=0)
    before, after = change[:-1], change[1:]
    back_and_forth = torch.where(before * after < 0, torch.minimum(before.abs(), after.abs()), 0.0).mean().item()
    amounts = change.abs().mean((1, 2))
    apart = min(APART, (len(video) - 1) // 2 * 2)
    farther = (brightness[apart:] - brightness[:-apart]).abs().mean() - amounts.mean()  # grain is as far apart as near
    moved = max(0.0, farther.item())
    uneven = (amounts.std(correction=0) / (amounts.mean() - amounts.min() + MOTION)).item()
    return Motion(FLICKER / (FLICKER + back_and_forth), 1 / (1 + uneven**2), moved / (moved + MOTION))


class VideoMotionVerifier:
    """The geometric mean of the three, so that the still, the flickering and the jumping all lose."""

    name = "video motion"
    needs_prompt = False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Images have no motion: raises ValueError."""
        raise ValueError(f"it judges how the frames of a video follow each other, and needs at least {FEWEST} of them")

    def score_videos(self, videos: Tensor, prompts: list[str]) -> tuple[Tensor, list[Details]]:
        """videos: [B, frames, H, W, 3] -> [B], 0..1; the parts are those of Motion."""
        if videos.shape[1] < FEWEST:
            self.score(videos[:, 0], prompts)
        found = [motion(video) for video in videos]
        scores = torch.tensor(found, dtype=torch.float64).clamp(min=LEAST).log().mean(1).exp()
        return scores, [[_part(*pair) for pair in each._asdict().items()] for each in found]


def _part(text: str, share: float) -> dict[str, str | float | bool]:
    return {"text": text, "score": share, "holds": share >= HOLDS}


def _brightness(video: Tensor) -> Tensor:
    """[frames, cells, cells], 0..1."""
    height, width = video.shape[1:3]
    longer = max(height, width)
    rows, columns = (max(1, round(side * min(CELLS, longer) / longer)) for side in (height, width))
    gray = video.clamp(0, 1).mean(-1).unsqueeze(1)
    return functional.adaptive_avg_pool2d(gray, (rows, columns)).squeeze(1)
