"""NOISE objects as other packs have them, and sampler nodes that draw noise in their own way."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


def host_draw(samples: Tensor, seed: int, places: list[int] | None = None) -> Any:
    return importlib.import_module("comfy.sample").prepare_noise(samples, seed, places)


class Pyramid:
    """Coarse noise over fine noise."""

    def __init__(self, seed: int, levels: int = 3):
        self.seed = seed
        self.levels = levels

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        draw, (*front, height, width) = torch.Generator().manual_seed(self.seed), latent["samples"].shape
        total = torch.randn(*front, height, width, generator=draw)
        for level in range(1, self.levels):
            coarse = torch.randn(*front, max(height >> level, 1), max(width >> level, 1), generator=draw)
            total = total + torch.nn.functional.interpolate(coarse, size=(height, width)) * 0.8**level
        return total / total.std()


@dataclass(frozen=True)
class Frozen:
    """An object that can not be changed."""

    seed: int

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return host_draw(latent["samples"], self.seed).sign()


class Named(NamedTuple):
    """As Frozen, of another make."""

    seed: int

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return host_draw(latent["samples"], self.seed).tanh()


class Uniform:
    """Not gaussian, from torch's own random state; takes a random state of its own where it is given one."""

    def __init__(self, seed: int):
        self.seed = seed

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        torch.manual_seed(self.seed)
        samples = latent["samples"]
        if samples.is_nested:
            return type(samples)([torch.rand(part.shape) * 3.4 - 1.7 for part in samples.unbind()])
        return torch.rand(samples.shape) * 3.4 - 1.7


class Variation:
    """A seed's noise moved some way towards that of another."""

    def __init__(self, seed: int, other: int = 99, share: float = 0.3):
        self.seed, self.other, self.share = seed, other, share

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        one, two = (host_draw(latent["samples"], seed) for seed in (self.seed, self.other))
        return (1 - self.share) ** 0.5 * one + self.share**0.5 * two


class ImageSeeds:
    """Image b of a batch has the noise of seed + b x step."""

    def __init__(self, seed: int, step: int = 1):
        self.seed, self.step = seed, step

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        samples = latent["samples"]
        return torch.cat([host_draw(samples[:1], self.seed + item * self.step) for item in range(len(samples))])


class Stateful:
    """Draws on: another noise each time."""

    def __init__(self, seed: int):
        self.seed = seed
        self.draw = torch.Generator().manual_seed(seed)

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return torch.rand(latent["samples"].shape, generator=self.draw) - 0.5


class DrawnBefore(Stateful):
    """Draws when it is made: its seed says nothing any more."""

    def __init__(self, seed: int, shape: tuple[int, ...]):
        super().__init__(seed)
        self.noise = torch.rand(shape, generator=self.draw) - 0.5

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return self.noise.clone()


class Mixed:
    """Of two others; its seed is the first one's and can not be set."""

    def __init__(self, one: Any, two: Any):
        self.one, self.two = one, two

    @property
    def seed(self) -> int:
        return self.one.seed

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return 0.6 * self.one.generate_noise(latent) + 0.8 * self.two.generate_noise(latent)


class Seedless:
    """Has no seed at all; a sampler node of its own pack takes it."""

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return torch.linspace(-1, 1, latent["samples"].numel()).reshape(latent["samples"].shape).sin()
