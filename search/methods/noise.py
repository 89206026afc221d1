"""Noises: which seed a candidate has, and what lies near a noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BROWSER_SEEDS = 2**50  # the front end draws seeds below this and rounds above 2**53
HOST_SEEDS = 2**64


def candidate_seed(seed: int, index: int) -> int:
    """Seed of candidate `index` of a search that starts at `seed`; 0 gives `seed` itself.

    Stays below 2**50 where the start does, so that it can be typed into a stock KSampler. Passes over the largest seed,
    with which ComfyUI's solvers on the CPU fail.
    """
    largest = HOST_SEEDS - 1
    skipped = int(seed < largest <= seed + index)
    return (seed + index + skipped) % (BROWSER_SEEDS if seed < BROWSER_SEEDS else HOST_SEEDS)


def neighbor(pivot: Tensor, cosine: float, generator: torch.Generator) -> Tensor:
    """A noise near `pivot` in a random direction, see toward."""
    draw = torch.randn((pivot.numel(),), generator=generator, dtype=torch.float32, device=generator.device)
    return toward(pivot, cosine, draw)


def toward(pivot: Tensor, cosine: float, noise: Tensor) -> Tensor:
    """A noise on the sphere through `pivot`, at the given cosine to it, on the way to another noise of its size.

    y = |n| (c u + sqrt(1 - c^2) w), u = n / |n|, w the unit direction orthogonal to u in which the other noise lies
    (zero-order search, Ma et al. 2025, arXiv 2501.09732, section 3.2, on the sphere).

    pivot: one noise, any shape. cosine: -1..1; 1 is the pivot itself, 0 unrelated.
    Returns the pivot's shape, dtype and norm; the pivot itself where that is 0.
    """
    flat = pivot.double().flatten()
    norm = flat.norm()
    if not norm:
        return pivot
    unit = flat / norm
    direction = noise.flatten().to(flat)
    direction = direction - (direction @ unit) * unit
    direction = direction / direction.norm()
    moved = norm * (cosine * unit + math.sqrt(1 - cosine**2) * direction)
    return moved.reshape(pivot.shape).to(pivot.dtype)
