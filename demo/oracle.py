"""Says exactly whether a picture shows what its caption says. Knows the drawing program, no network."""

from itertools import permutations
from typing import NamedTuple

import numpy as np

from .captions import RELATION_TEXT, Caption, Group
from .segment import Found, find_shapes
from .words import JOIN
from .world import RADII, relation_gap

SIZE_LIMIT = (RADII["small"][1] + RADII["large"][0]) / 2
"""Radius in pixels between small and large."""

RELATION_MARGIN = 2.0
"""Least distance of two centres along the axis of their relation, in pixels."""

MOST_SHAPES = 6
"""Pictures with more shapes are not matched shape by shape; no caption of the world has more than four."""


class Check(NamedTuple):
    """One part of a caption, such as "a red circle: color", and whether the picture shows it."""

    part: str
    holds: bool


class Verdict(NamedTuple):
    """Every part of the caption, under the assignment of shapes to groups that makes the most of them true."""

    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether the picture shows the whole caption and nothing else."""
        return all(check.holds for check in self.checks)

    @property
    def share(self) -> float:
        """Share of the parts that hold, 0..1."""
        return sum(check.holds for check in self.checks) / len(self.checks)


def check(image: np.ndarray, caption: Caption) -> Verdict:
    """Compare a picture, float [H, W, 3] in 0..1, with its caption."""
    if not caption.groups:
        raise ValueError("The caption names no shape.")
    found = find_shapes(image)
    if len(found) > MOST_SHAPES:
        found = sorted(found, key=lambda shape: shape.radius, reverse=True)[: MOST_SHAPES + 1]
    slots: list[Found | None] = [*found, *[None] * max(0, caption.total - len(found))]
    members = [_judge(caption, chosen, len(found)) for chosen in permutations(slots[:MOST_SHAPES], caption.total)]
    return max(members, key=lambda verdict: verdict.share)


def _judge(caption: Caption, chosen: tuple[Found | None, ...], found: int) -> Verdict:
    """The verdict when `chosen` are the shapes of the caption's groups, in order."""
    checks: list[Check] = []
    members: list[list[Found | None]] = []
    start = 0
    for group in caption.groups:
        members.append(list(chosen[start : start + group.count]))
        checks += _group_checks(group, members[-1])
        start += group.count
    for relation, a, b, first, second in zip(
        caption.relations, members, members[1:], caption.groups, caption.groups[1:]
    ):
        if relation != JOIN:
            checks.append(Check(f"{first} {RELATION_TEXT[relation]} {second}", _related(relation, a, b)))
    checks.append(Check("nothing else", found <= caption.total))
    return Verdict(tuple(checks))


def _group_checks(group: Group, members: list[Found | None]) -> list[Check]:
    """Count, color, shape and size of one group; what the caption leaves open is not checked."""
    present = [member for member in members if member is not None]
    checks = [Check(f"{group}: count", len(present) == group.count)]
    for attribute in ("color", "shape"):
        wanted = getattr(group, attribute)
        right = all(getattr(member, attribute) == (wanted or getattr(member, attribute)) for member in present)
        if wanted is not None:
            checks.append(Check(f"{group}: {attribute}", bool(present) and right))
    if group.size is not None:
        right = all((member.radius > SIZE_LIMIT) == (group.size == "large") for member in present)
        checks.append(Check(f"{group}: size", bool(present) and right))
    return checks


def _related(relation: str, a: list[Found | None], b: list[Found | None]) -> bool:
    """Whether all of `a` stand on the `relation` side of all of `b`. A missing shape stands nowhere."""
    if None in a or None in b:
        return False
    ax, ay, bx, by = (np.array([getattr(m, axis) for m in group]) for group in (a, b) for axis in ("x", "y"))
    return bool(relation_gap(relation, ax, ay, bx, by) >= RELATION_MARGIN)
