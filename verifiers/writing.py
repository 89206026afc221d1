"""Where a picture has writing, from the heat maps of CRAFT, and the pieces of it that a line reader reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .networks.line_reader import HEIGHT

STRONG, LOW, LINK = 0.6, 0.35, 0.4  # of a place the surest point, and what belongs to it: letters, and between letters
SMALLEST = 10  # points of a heat map that make a place
STEEPEST = 45  # degrees of turned writing
LEVEL = 0.95  # a place is level unless turning makes its rectangle smaller than this share
LONG = 2.0  # times as wide as high: a place whose own angle is trusted
GROWTH = 1.0  # around what the heat map shows, in square roots of its height: letters are larger than their middles
WIDTHS = 32  # lines are as wide as a multiple of it, so that several go together and none depends on its neighbours
NARROWEST, WIDEST = 64, 2048


class Place(NamedTuple):
    """A rectangle around writing, in pixels. angle: in degrees, clockwise as seen, of its reading direction."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    @property
    def along(self) -> tuple[float, float]:
        """Its reading direction, of length 1."""
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    @property
    def corners(self) -> list[tuple[float, float]]:
        """From where reading begins, clockwise."""
        (ax, ay), wide, high = self.along, self.width / 2, self.height / 2
        return [
            (self.x + ax * u - ay * v, self.y + ay * u + ax * v)
            for u, v in ((-wide, -high), (wide, -high), (wide, high), (-wide, high))
        ]

    def part(self, first: float, last: float) -> Place:
        """The part between two shares of its width."""
        shift = ((first + last) / 2 - 0.5) * self.width
        ax, ay = self.along
        return Place(self.x + ax * shift, self.y + ay * shift, (last - first) * self.width, self.height, self.angle)

    def scaled(self, factor: float) -> Place:
        return Place(self.x * factor, self.y * factor, self.width * factor, self.height * factor, self.angle)


def places(letters: NDArray, between: NDArray) -> list[Place]:
    """The words on heat maps [H, W], in their pixels."""
    from scipy import ndimage

    labels = numpy.zeros(letters.shape, dtype=numpy.int32)
    ndimage.label((letters > LOW) | (between > LINK), output=labels)
    found = []
    for number, where in enumerate(ndimage.find_objects(labels), 1):
        own = (labels[where] == number) & (letters[where] > LOW)
        if own.sum() < SMALLEST or letters[where][own].max() < STRONG:
            continue
        rows, columns = numpy.nonzero(own)
        points = numpy.stack([columns + where[1].start, rows + where[0].start], 1) + 0.5
        found.append(points)
    rectangles = [_rectangle(points, range(-STEEPEST, STEEPEST + 1)) for points in found]
    shared = _shared_angle(rectangles)
    return [
        _grown(one if one.width >= LONG * one.height or shared is None else _rectangle(points, (shared,)))
        for points, one in zip(found, rectangles, strict=True)
    ]


def _rectangle(points: NDArray, angles: Sequence[float]) -> Place:
    """The smallest one around points [N, 2] at one of the angles; a level one where it is nearly as small."""
    turned = numpy.radians(numpy.asarray(angles, dtype=float))
    axes = numpy.stack([numpy.cos(turned), numpy.sin(turned)])
    across = numpy.stack([-axes[1], axes[0]])
    spans = [(values.min(0), values.max(0)) for values in (points @ axes, points @ across)]
    (left, right), (top, bottom) = spans
    areas = (right - left + 1) * (bottom - top + 1)
    best = int(areas.argmin())
    level = int(numpy.abs(turned).argmin())
    if areas[best] > LEVEL * areas[level]:
        best = level
    middle = axes[:, best] * (left + right)[best] / 2 + across[:, best] * (top + bottom)[best] / 2
    width, height = (right - left)[best] + 1, (bottom - top)[best] + 1
    return Place(*map(float, (*middle, width, height)), angle=float(angles[best]))


def _shared_angle(rectangles: Sequence[Place]) -> float | None:
    """That of the writing whose angle is plain, for short words beside it: of one or two letters any will do."""
    long = sorted((one.angle, one.width) for one in rectangles if one.width >= LONG * one.height)
    half = sum(width for _, width in long) / 2
    for angle, width in long:
        half -= width
        if half <= 0:
            return angle
    return None


def _grown(place: Place) -> Place:
    more = 2 * GROWTH * math.sqrt(min(place.width, place.height))
    return place._replace(width=place.width + more, height=place.height + more)


def neighbours(found: Sequence[Place], gap: float) -> list[tuple[int, int]]:
    """Pairs that follow each other on a line, nearer than `gap` heights."""
    pairs = []
    for one, first in enumerate(found):
        for other, second in enumerate(found):
            ax, ay = first.along
            dx, dy = second.x - first.x, second.y - first.y
            along, across = dx * ax + dy * ay, abs(dy * ax - dx * ay)
            height = min(first.height, second.height)
            near = along - (first.width + second.width) / 2 < gap * height
            if one != other and along > 0 and near and across < height / 2:
                pairs.append((one, other))
    return pairs


def joined(first: Place, second: Place) -> Place:
    """One place around two of the same line, at the angle of the wider one."""
    angle = max(first, second, key=lambda place: place.width).angle
    points = numpy.asarray([*first.corners, *second.corners])
    whole = _rectangle(points, (angle,))
    return whole._replace(width=whole.width - 1, height=whole.height - 1)


def line(grey: Tensor, place: Place) -> Tensor:
    """The place [1, HEIGHT, W], level, of a grey picture [H, W]; W is a multiple of WIDTHS."""
    wide = HEIGHT * place.width / place.height
    wide = min(max(WIDTHS * round(wide / WIDTHS), NARROWEST), WIDEST)
    rows, columns = max(round(place.height), HEIGHT), max(round(place.width), wide)
    (ax, ay), device = place.along, grey.device
    v = ((torch.arange(rows, device=device) + 0.5) / rows - 0.5) * place.height
    u = ((torch.arange(columns, device=device) + 0.5) / columns - 0.5) * place.width
    v, u = torch.meshgrid(v, u, indexing="ij")
    x, y = place.x + ax * u - ay * v, place.y + ay * u + ax * v
    grid = torch.stack([2 * x / grey.shape[1] - 1, 2 * y / grey.shape[0] - 1], -1)
    cut = F.grid_sample(grey[None, None], grid[None], "bicubic", "border", align_corners=False)
    if (rows, columns) != (HEIGHT, wide):
        cut = F.interpolate(cut, (HEIGHT, wide), mode="bilinear", antialias=True, align_corners=False)
    return cut[0].clamp(0, 1)
