"""Noise levels: where a latent is between noise and image, for any of the host's model types.

The host scales noise n and image x0 to a latent x = a(sigma) n + b(sigma) x0. The level is t = a / (a + b): flow time
for flow models (a = sigma, b = 1 - sigma), sigma / (1 + sigma) for those parametrised by sigma (a = sigma, b = 1).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

HALVINGS = 60


class Levels:
    """Levels of one model. sampling: the MODEL's model_sampling."""

    def __init__(self, sampling: Any):
        self.sampling = sampling

    def noise_part(self, sigma: float) -> float:
        """a(sigma)"""
        return self._scaled(sigma, 1.0, 0.0)

    def image_part(self, sigma: float) -> float:
        """b(sigma)"""
        return self._scaled(sigma, 0.0, 1.0)

    def level(self, sigma: float) -> float:
        a, b = self.noise_part(sigma), self.image_part(sigma)
        return a / (a + b)

    def sigma(self, level: float) -> float:
        """The sigma of a level, at most the model's largest; by bisection, as levels grow with sigma."""
        low, high = 0.0, float(self.sampling.sigma_max)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.level(middle) < level else (low, middle)
        return high

    def schedule(self, sigmas: Tensor, top: float, bottom: float) -> Tensor:
        """The part of a schedule [steps + 1] between two of its sigmas' levels, ends included."""
        inner = [float(s) for s in sigmas if bottom * (1 + 1e-4) + 1e-6 < float(s) < top * (1 - 1e-4)]
        return torch.tensor([top, *inner, bottom], dtype=sigmas.dtype, device=sigmas.device)

    def noised(self, x: Tensor, low: float, high: float, noise: Tensor) -> Tensor:
        """x at sigma `low`, noised up to sigma `high`, with the variance that the model expects there:
        x' = (b'/b) x + sqrt(a'^2 - (a b'/b)^2) noise."""
        shrink = self.image_part(high) / self.image_part(low)
        added = self.noise_part(high) ** 2 - (self.noise_part(low) * shrink) ** 2
        return shrink * x + math.sqrt(max(added, 0.0)) * noise

    def as_noise(self, x: Tensor, sigma: Tensor, latent_image: Tensor, full: bool) -> Tensor:
        """The noise from which a sampler that starts at sigma with this latent image starts at x.

        full: whether the host takes sigma for the model's largest.
        """
        image = self.sampling.noise_scaling(sigma, torch.zeros_like(x), latent_image, full)
        one = self.sampling.noise_scaling(sigma, torch.ones_like(x[:1]), torch.zeros_like(x[:1]), full)
        return (x - image) / one

    def unscaled(self, samples: Tensor, sigma: Tensor) -> Tensor:
        """What the solver held at its last sigma, from what the host made of it."""
        return samples / self.sampling.inverse_noise_scaling(sigma, torch.ones_like(samples[:1]))

    def _scaled(self, sigma: float, noise: float, image: float) -> float:
        parts = [torch.tensor(value, dtype=torch.float64) for value in (sigma, noise, image)]
        return float(self.sampling.noise_scaling(*parts))


def thin(sigmas: Tensor, steps: int) -> Tensor:
    """So many steps of a schedule [its steps + 1], evenly among its own, its ends included; all when it has no more."""
    if len(sigmas) <= steps + 1:
        return sigmas
    return sigmas[torch.linspace(0, len(sigmas) - 1, steps + 1).round().long()]
