"""Pictures of candidates that have only begun: their x0 predictions, by ComfyUI's fastest preview, not by the VAE."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import comfy.utils
import latent_preview
from PIL.Image import Image
from torch import Tensor

SECONDS_BETWEEN = 0.5
SHARE = 0.03  # of the time, at most

Place = tuple[int, int]  # image of the batch, and number of the candidate


class Glimpses:
    """Of one search. latent_format: of its model. shapes: of its latents, as SamplerCall has them."""

    def __init__(self, latent_format: Any, shapes: Sequence[Any], clock: Callable[[], float] = time.perf_counter):
        self.preview = _preview(latent_format)
        self.shapes = shapes
        self.clock = clock
        self.next = clock()

    @property
    def are_due(self) -> bool:
        """Whether the last ones are some time ago: the dearer they were, the longer."""
        return self.clock() >= self.next

    def take(self, x0: Tensor, places: Mapping[int, Place]) -> dict[Place, Image | None]:
        """x0: predictions of all rows, [rows, ...] in model space. places: of those wanted, by row. None is the picture
        where ComfyUI can not show the latents without the VAE."""
        started = self.clock()
        if len(self.shapes) > 1:  # video with sound
            x0 = comfy.utils.unpack_latents(x0, [[len(x0), *shape[1:]] for shape in self.shapes])[0]
        shows = self.preview if x0.ndim in (4, 5) else None
        seen = {place: shows and shows(x0[row : row + 1].float()) for row, place in places.items()}
        ended = self.clock()
        self.next = ended + max(SECONDS_BETWEEN, (ended - started) / SHARE)
        return seen


def _preview(latent_format: Any) -> Callable[[Tensor], Image] | None:
    """[1, channels, ...] in model space -> a picture at the latent's size."""
    factors = latent_format.latent_rgb_factors
    if factors is not None:
        more = latent_format.latent_rgb_factors_bias, latent_format.latent_rgb_factors_reshape
        return latent_preview.Latent2RGBPreviewer(factors, *more).decode_latent_to_preview
    if latent_format.latent_channels == 3:
        return lambda x0: latent_preview.preview_to_image(x0.flatten(2, -3)[0].movedim(0, -1))
    return None
