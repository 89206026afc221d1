"""Weights, images and prompts for parity tests: the same here and in the reference libraries' own environment.

Only torch: `tests/fixtures/make_references.py` runs with old libraries.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

SIZES = ((231, 317), (480, 301), (224, 224), (97, 640))
PROMPTS = (
    "two red circles left of a blue square",
    "A photograph of an astronaut riding a horse, 35mm, f/1.8!",
    "cat",
    "a very long prompt " + "with many words about a castle on a hill at dawn, " * 12,
)


def draw(name: str, shape: list[int]) -> Tensor:
    """A weight, always the same for its name and shape. Norms are near one, everything else is small."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    values = torch.randn(shape, generator=generator)
    if len(shape) == 0:
        return torch.tensor(4.0)
    if name.endswith("running_var"):
        return 1 + values.abs()
    if len(shape) == 1:
        return 0.1 * values + ("weight" in name)
    return values * (0.2 if "emb" in name or "token" in name else 1.5 / max(values[0].numel(), 1) ** 0.5)


def draw_all(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    return {name: draw(name, shape) for name, shape in shapes.items()}


def images() -> list[Tensor]:
    """Pictures [H, W, 3], uint8, of SIZES: coloured waves with noise."""
    return [_image(number, *size) for number, size in enumerate(SIZES)]


def _image(number: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    rows, columns = torch.linspace(0, 6, height)[:, None, None], torch.linspace(0, 9, width)[None, :, None]
    phase = 6 * torch.rand(4, 3, generator=generator)
    waves = torch.sin(rows * (1 + number) + phase[0]) + torch.sin(columns + phase[1] + rows * phase[2] / 3)
    noise = torch.rand(height, width, 3, generator=generator)
    return ((waves / 4 + 0.5) * 200 + noise * 55).clamp(0, 255).to(torch.uint8)


def features(number: int, count: int, width: int = 48) -> Tensor:
    """Features of a set of images, as made up as the weights: correlated, not centred."""
    generator = torch.Generator().manual_seed(number)
    mix = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mix / 4 + torch.rand(width, generator=generator)
