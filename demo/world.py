"""Random captions and random pictures that show them. All randomness comes from the generator passed in."""

from typing import NamedTuple

import numpy as np

from .captions import Caption, Group
from .scene import SIZE, Placed, Scene, draw
from .words import COLORS, JOIN, RELATIONS, SHAPES, SIZES

RADII = {"small": (5.5, 7.0), "large": (9.5, 12.0), None: (5.5, 12.0)}
"""Radius in pixels, by the size word of the caption."""

EXTENT = 1.1
"""The widest shape reaches this many radii from its centre."""

GAP = 3.0
"""Least space between two shapes, and between a shape and the border, in pixels."""

RELATION_GAP = 8.0
"""Least distance of two centres along the axis of their relation, in pixels."""

BACKGROUND = (222, 251)
"""Range of each background channel; the end is excluded."""

PARTITIONS = {
    1: [(1,)],
    2: [(2,), (1, 1), (1, 1)],
    3: [(3,), (2, 1), (1, 2), (1, 1, 1), (1, 1, 1)],
    4: [(3, 1), (1, 3), (2, 2), (2, 1, 1), (1, 2, 1), (1, 1, 2)],
}
"""How many shapes each group of a caption has, by the number of shapes in all."""

TRAINING_MIX = {1: 0.15, 2: 0.30, 3: 0.30, 4: 0.25}
"""Share of the training pictures by their number of shapes."""

SIZE_WORD_SHARE = 0.35
JOIN_SHARE = 0.1

LAYOUTS_PER_TRY = 512
TRIES = 12


class Example(NamedTuple):
    """A picture, uint8 [64, 64, 3], what it was drawn from and a caption that it satisfies."""

    image: np.ndarray
    scene: Scene
    caption: Caption


def random_caption(rng: np.random.Generator, total: int) -> Caption:
    """A caption of `total` shapes. No two of its groups share both color and shape."""
    counts = PARTITIONS[total][rng.integers(len(PARTITIONS[total]))]
    kinds = rng.choice(len(COLORS) * len(SHAPES), size=len(counts), replace=False)
    groups = tuple(
        Group(
            count=count,
            color=COLORS[kind // len(SHAPES)],
            shape=SHAPES[kind % len(SHAPES)],
            size=SIZES[rng.integers(len(SIZES))] if rng.random() < SIZE_WORD_SHARE else None,
        )
        for count, kind in zip(counts, kinds)
    )
    relations = tuple(
        JOIN if rng.random() < JOIN_SHARE else RELATIONS[rng.integers(len(RELATIONS))] for _ in counts[1:]
    )
    return Caption(groups, relations)


def random_scene(caption: Caption, rng: np.random.Generator) -> Scene | None:
    """Shapes placed at random so that the caption holds, or None when no layout was found."""
    background = tuple(int(channel) for channel in rng.integers(*BACKGROUND, size=3))
    for _ in range(TRIES):
        radius, x, y = _random_layouts(caption, rng)
        valid = np.flatnonzero(_apart(radius, x, y) & _related(caption, x, y))
        if len(valid):
            row = valid[0]
            kinds = [(group.shape, group.color) for group in caption.groups for _ in range(group.count)]
            placed = zip(kinds, x[row].tolist(), y[row].tolist(), radius[row].tolist())
            return Scene(background, tuple(Placed(shape, color, *place) for (shape, color), *place in placed))
    return None


def random_example(rng: np.random.Generator, mix: dict[int, float] = TRAINING_MIX) -> Example:
    """A drawn picture; captions that do not fit into a picture are drawn again."""
    while True:
        caption = random_caption(rng, int(rng.choice(list(mix), p=list(mix.values()))))
        scene = random_scene(caption, rng)
        if scene is not None:
            return Example(draw(scene), scene, caption)


def _random_layouts(caption: Caption, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radii and centres [LAYOUTS_PER_TRY, shapes], inside the picture; overlaps and relations not looked at."""
    low, high = np.array([RADII[group.size] for group in caption.groups for _ in range(group.count)]).T
    radius, x, y = rng.random((3, LAYOUTS_PER_TRY, caption.total))
    radius = low + radius * (high - low)
    border = EXTENT * radius + GAP
    return radius, border + x * (SIZE - 2 * border), border + y * (SIZE - 2 * border)


def _apart(radius: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether the bounding boxes of all shapes are separate: [layouts] of bool."""
    first, second = np.triu_indices(radius.shape[1], k=1)
    reach = EXTENT * (radius[:, first] + radius[:, second]) + GAP
    distance = np.maximum(np.abs(x[:, first] - x[:, second]), np.abs(y[:, first] - y[:, second]))
    return (distance >= reach).all(axis=1)


def _related(caption: Caption, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether every relation of the caption holds, with room to spare: [layouts] of bool."""
    ends = np.cumsum([group.count for group in caption.groups])
    members = [slice(end - group.count, end) for end, group in zip(ends, caption.groups)]
    holds = np.ones(len(x), dtype=bool)
    for relation, a, b in zip(caption.relations, members, members[1:]):
        holds &= relation_gap(relation, x[:, a], y[:, a], x[:, b], y[:, b]) >= RELATION_GAP
    return holds


def relation_gap(relation: str, ax: np.ndarray, ay: np.ndarray, bx: np.ndarray, by: np.ndarray) -> np.ndarray:
    """By how many pixels group a stands to the `relation` side of group b (centres [..., shapes], worst pair)."""
    if relation == "left":
        return bx.min(axis=-1) - ax.max(axis=-1)
    if relation == "right":
        return ax.min(axis=-1) - bx.max(axis=-1)
    if relation == "above":
        return by.min(axis=-1) - ay.max(axis=-1)
    if relation == "below":
        return ay.min(axis=-1) - by.max(axis=-1)
    return np.full(ax.shape[:-1], np.inf)
