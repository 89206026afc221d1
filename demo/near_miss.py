"""Captions that are wrong in one respect: the hardest negatives for the oracle and the verifier."""

from dataclasses import replace

import numpy as np

from .captions import Caption, Group
from .words import COLORS, JOIN, SHAPES, SIZES

MOST_SHAPES = 4
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def near_misses(caption: Caption) -> list[Caption]:
    """Every caption with one attribute changed, one relation reversed, or an attribute swapped between two groups.

    No picture drawn for `caption` satisfies any of them.
    """
    changed = [
        _with_group(caption, index, other)
        for index, group in enumerate(caption.groups)
        for other in _other_groups(group, caption)
    ]
    return [*changed, *_reversed(caption), *_swapped(caption)]


def random_near_miss(caption: Caption, rng: np.random.Generator) -> Caption:
    """A near miss, of a random kind (count, color, shape, size, relation, swap), then random among its kind."""
    group_index = int(rng.integers(len(caption.groups)))
    group = caption.groups[group_index]
    kinds = [[_with_group(caption, group_index, other) for other in kind] for kind in _kinds(group, caption)]
    options = [kind for kind in (*kinds, _reversed(caption), _swapped(caption)) if kind]
    kind = options[rng.integers(len(options))]
    return kind[rng.integers(len(kind))]


def _kinds(group: Group, caption: Caption) -> list[list[Group]]:
    """The changes of one group, kind by kind: count, color, shape, size."""
    counts = [group.count + step for step in (-1, 1)]
    fitting = [count for count in counts if 1 <= count <= 3 and caption.total - group.count + count <= MOST_SHAPES]
    return [
        [replace(group, count=count) for count in fitting],
        [replace(group, color=color) for color in COLORS if color != group.color],
        [replace(group, shape=shape) for shape in SHAPES if shape != group.shape],
        [replace(group, size=size) for size in SIZES if group.size is not None and size != group.size],
    ]


def _other_groups(group: Group, caption: Caption) -> list[Group]:
    return [other for kind in _kinds(group, caption) for other in kind]


def _with_group(caption: Caption, index: int, group: Group) -> Caption:
    return replace(caption, groups=(*caption.groups[:index], group, *caption.groups[index + 1 :]))


def _reversed(caption: Caption) -> list[Caption]:
    relations = caption.relations
    return [
        replace(caption, relations=(*relations[:index], OPPOSITE[relation], *relations[index + 1 :]))
        for index, relation in enumerate(relations)
        if relation != JOIN
    ]


def _swapped(caption: Caption) -> list[Caption]:
    """Captions in which two neighbouring groups have exchanged their colors, or their shapes."""
    swapped = []
    for index, (a, b) in enumerate(zip(caption.groups, caption.groups[1:])):
        for attribute in ("color", "shape"):
            first, second = getattr(a, attribute), getattr(b, attribute)
            exchanged = replace(a, **{attribute: second}), replace(b, **{attribute: first})
            if {_kind(group) for group in exchanged} != {_kind(a), _kind(b)}:
                groups = (*caption.groups[:index], *exchanged, *caption.groups[index + 2 :])
                swapped.append(replace(caption, groups=groups))
    return swapped


def _kind(group: Group) -> tuple:
    """What a picture must show of a group, whatever its size word allows."""
    return group.count, group.color, group.shape
