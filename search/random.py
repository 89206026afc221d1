"""Random search (Ma et al. 2025, arXiv 2501.09732, section 3.1): independent noises, keep the best."""

from __future__ import annotations

from collections.abc import Generator

from .noise import candidate_seed
from .recipe import Recipe

# Yields the noises it wants judged, receives their scores in the same order.
Algorithm = Generator[list[Recipe], list[float], None]


def random_search(seed: int, candidates: int) -> Algorithm:
    """Judge the noises of `candidates` consecutive seeds; the first is the one the sampler would have used anyway."""
    yield [Recipe(candidate_seed(seed, index)) for index in range(candidates)]
