"""What is in a picture, and the drawing of it."""

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

SIZE = 64
"""Width and height of a picture, in pixels."""

PALETTE = {
    "red": (220, 35, 35),
    "green": (35, 160, 65),
    "blue": (45, 75, 220),
    "yellow": (240, 210, 30),
    "purple": (145, 45, 185),
    "orange": (245, 130, 20),
    "black": (30, 30, 35),
}
"""RGB, 0 to 255."""

SUPERSAMPLING = 4
SQUARE_HALF_SIDE = 0.88
CROSS_HALF_WIDTH = 0.34
STAR_INNER_RADIUS = 0.46
STAR_OUTER_RADIUS = 1.1


class Placed(NamedTuple):
    """One shape in the picture: centre and radius in pixels, y downwards."""

    shape: str
    color: str
    x: float
    y: float
    radius: float


class Scene(NamedTuple):
    """A light background (RGB, 0 to 255) and shapes that do not overlap."""

    background: tuple[int, int, int]
    shapes: tuple[Placed, ...]


def _star() -> list[tuple[float, float]]:
    radii = (STAR_OUTER_RADIUS, STAR_INNER_RADIUS)
    return [(radii[i % 2] * sin(i * pi / 5), -radii[i % 2] * cos(i * pi / 5)) for i in range(10)]


def _cross() -> list[tuple[float, float]]:
    w = CROSS_HALF_WIDTH
    quarter = [(w, -1.0), (w, -w), (1.0, -w)]
    turned = [quarter, [(-y, x) for x, y in quarter], [(-x, -y) for x, y in quarter], [(y, -x) for x, y in quarter]]
    return [point for points in turned for point in points]


POLYGONS = {
    "circle": [(cos(i * pi / 24), sin(i * pi / 24)) for i in range(48)],
    "square": [(x * SQUARE_HALF_SIDE, y * SQUARE_HALF_SIDE) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))],
    "triangle": [(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)],
    "star": _star(),
    "cross": _cross(),
}
"""Outlines around (0, 0) for a radius of 1, y downwards."""


def outline(shape: str, x: float, y: float, radius: float, scale: int) -> list[tuple[float, float]]:
    """The polygon of a shape, in pixels of a canvas `scale` times as fine (pixel centres at whole numbers)."""
    return [((x + radius * u) * scale - 0.5, (y + radius * v) * scale - 0.5) for u, v in POLYGONS[shape]]


def draw(scene: Scene) -> np.ndarray:
    """The picture, uint8 [64, 64, 3], anti-aliased by drawing it four times as large."""
    side = SIZE * SUPERSAMPLING
    canvas = Image.new("RGB", (side, side), scene.background)
    pen = ImageDraw.Draw(canvas)
    for shape, color, x, y, radius in scene.shapes:
        pen.polygon(outline(shape, x, y, radius, SUPERSAMPLING), fill=PALETTE[color])
    return np.asarray(canvas.reduce(SUPERSAMPLING))
