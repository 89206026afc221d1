"""What is wrong with images or latents, seen from their numbers alone."""

from __future__ import annotations

import torch
from torch import Tensor


def not_finite(values: Tensor) -> list[int]:
    """The items of a batch in which not every number is finite."""
    return torch.nonzero(~values.flatten(1).sum(1, dtype=torch.float32).isfinite()).flatten().tolist()


def one_color(images: Tensor) -> list[bool]:
    """Of which images [N, ..., channels] every pixel is the same, to the last bit; not in full saturation, as it may be
    when a solver goes too far. One of a single pixel is none."""
    pixels = images.flatten(1, -2)
    if pixels.shape[1] < 2:
        return [False] * len(images)
    least, most = pixels.amin(1), pixels.amax(1)
    is_saturated = ((most == 0) | (most == 1)).all(-1) & (most == 1).any(-1)
    return ((least == most).all(-1) & ~is_saturated).tolist()
