"""How much pictures differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..records.candidate import Candidate
from . import thumbnail

SIDE = 32  # pixels: composition and color count, texture does not
MOST = 16  # pictures that are compared
FEWEST = 4
ALIKE = 0.05  # below, people call two pictures the same; seeds of the demo model are 0.09 to 0.34 apart


def difference(pictures: Sequence[bytes]) -> float:
    """The mean distance of two of these JPEG files, 0..1: root mean square over small copies of them."""
    return float(np.mean([apart(one, other) for one, other in combinations(map(small, pictures[:MOST]), 2)]))


def small(picture: bytes) -> np.ndarray:
    """[SIDE, SIDE, 3] in 0..1, of a JPEG file."""
    return np.asarray(thumbnail.decode(picture).convert("RGB").resize((SIDE, SIDE)), np.float32) / 255


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The root mean square of the difference, 0..1."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def hardly_differ(candidates: Sequence[Candidate]) -> str:
    """A sentence when seeds make nearly the same picture, and what to do; else nothing."""
    seeds = [one.thumbnail for one in candidates if one.is_finished and one.thumbnail and not _is_refined(one)]
    if len(seeds) < FEWEST or (apart := difference(seeds)) >= ALIKE:
        return ""
    return (
        f"The pictures of different seeds hardly differ here (by {100 * apart:.1f} % of the brightness range, root "
        "mean square), so there was little to choose from. Use a model or LoRA that is not distilled to few steps. "
        "`variety` on the search node sets the images further apart, at some cost to the prompt."
    )


def _is_refined(one: Candidate) -> bool:
    return one.recipe is not None and one.recipe.is_refined
