"""A noise near another noise, as an object for the host's NOISE sockets."""

from __future__ import annotations

from typing import Any

import comfy.nested_tensor
import torch
from torch import Tensor

from ..methods.noise import neighbor


class NoiseNear:
    """A neighbour of `pivot` (any NOISE) at a cosine of 0..1, in a direction drawn from `seed`.

    Every item of a batch moves by itself. The sampler's own randomness stays that of the pivot: only the start differs.
    """

    def __init__(self, pivot: Any, seed: int, cosine: float):
        self.pivot = pivot
        self.direction_seed = seed
        self.cosine = cosine
        self.seed = pivot.seed

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        pivot = self.pivot.generate_noise(latent)
        if not all(torch.count_nonzero(part) for part in (pivot.unbind() if pivot.is_nested else [pivot])):
            raise ValueError(
                "Noise Candidates: the pivot is empty, so nothing lies near it. Connect a noise such as Random Noise, "
                "not Disable Noise."
            )
        generator = torch.Generator().manual_seed(self.direction_seed)
        if pivot.is_nested:
            return comfy.nested_tensor.NestedTensor([self._move(part, generator) for part in pivot.unbind()])
        return self._move(pivot, generator)

    def _move(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        return torch.stack([neighbor(item, self.cosine, generator) for item in noise])
