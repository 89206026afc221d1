"""Finds the shapes of a picture: connected areas that differ from the background, each with its color and outline."""

from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .scene import PALETTE, SUPERSAMPLING, outline
from .words import COLORS, SHAPES

SPECK_AREA = 8.0
"""Areas smaller than this, in pixels, are noise. The smallest shape, a small star, has about 45."""

MARGIN = 2
"""Pixels around an area that still belong to its soft edge."""

LEAST_IOU = 0.72
"""How well a silhouette must fit a template to count as a shape."""

LEAST_PURITY = 0.75
"""Least share of an area's inside that has the area's color."""

LARGEST_COLOR_ERROR = 75.0
"""Largest RGB distance (0 to 255 a channel) of an area's color from its color in the palette."""

TEMPLATE_RADIUS = 8.0

_NAMES = np.array(COLORS)
_PALETTE = np.array([PALETTE[color] for color in COLORS], dtype=np.float64)


class Found(NamedTuple):
    """One shape seen in a picture. `color` or `shape` is None when it is not clearly any of the world's."""

    color: str | None
    shape: str | None
    x: float
    y: float
    radius: float
    iou: float
    purity: float


def find_shapes(image: np.ndarray) -> list[Found]:
    """The shapes in a picture, float [H, W, 3] in 0..1."""
    pixels = np.clip(image, 0.0, 1.0).astype(np.float64) * 255.0
    background = _background(pixels)
    to_palette = np.linalg.norm(pixels[:, :, None] - _PALETTE, axis=-1)
    labels = to_palette.argmin(axis=-1)
    foreground = to_palette.min(axis=-1) < np.linalg.norm(pixels - background, axis=-1)
    areas, count = ndimage.label(foreground, structure=np.ones((3, 3)))
    found = (_describe(pixels, background, labels, areas, area) for area in range(1, count + 1))
    return [shape for shape in found if shape is not None]


def _background(pixels: np.ndarray) -> np.ndarray:
    """RGB: the median of the pixels that are light in every channel, or white where there are none."""
    light = pixels[pixels.min(axis=-1) > 190]
    return np.median(light, axis=0) if len(light) else np.full(3, 255.0)


def _describe(
    pixels: np.ndarray, background: np.ndarray, labels: np.ndarray, areas: np.ndarray, area: int
) -> Found | None:
    """What area number `area` shows, or None for a speck."""
    inside = areas == area
    if inside.sum() < SPECK_AREA:
        return None
    core = ndimage.binary_erosion(inside)
    core = core if core.any() else inside
    votes = np.bincount(labels[core], minlength=len(COLORS))
    color = int(votes.argmax())
    purity = float(votes[color] / votes.sum())
    seen = np.median(pixels[core & (labels == color)], axis=0)
    silhouette = _silhouette(pixels, background, seen, areas, area)
    shape, iou, x, y, radius = _fit(silhouette)
    clear = purity >= LEAST_PURITY and np.linalg.norm(seen - _PALETTE[color]) <= LARGEST_COLOR_ERROR
    return Found(str(_NAMES[color]) if clear else None, shape if iou >= LEAST_IOU else None, x, y, radius, iou, purity)


def _silhouette(
    pixels: np.ndarray, background: np.ndarray, color: np.ndarray, areas: np.ndarray, area: int
) -> np.ndarray:
    """How much of each pixel the area covers, [H, W] in 0..1, soft at the edge."""
    axis = color - background
    cover = np.clip((pixels - background) @ axis / (axis @ axis), 0.0, 1.0)
    near = ndimage.binary_dilation(areas == area, iterations=MARGIN) & ((areas == area) | (areas == 0))
    return np.where(near & (cover > 0.15), cover, 0.0)


def _fit(silhouette: np.ndarray) -> tuple[str, float, float, float, float]:
    """The template that fits best: shape, intersection over union, centre x and y, radius in pixels."""
    area = silhouette.sum()
    rows, columns = np.indices(silhouette.shape) + 0.5
    x, y = (silhouette * columns).sum() / area, (silhouette * rows).sum() / area
    fits = []
    for shape in SHAPES:
        unit_area, offset = _measures(shape)
        radius = float(np.sqrt(area / unit_area))
        centre_y = y - offset * radius
        template = _template(shape, x, centre_y, radius, silhouette.shape)
        overlap = np.minimum(template, silhouette).sum() / np.maximum(template, silhouette).sum()
        fits.append((shape, float(overlap), float(x), float(centre_y), radius))
    return max(fits, key=lambda fit: fit[1])


def _template(shape: str, x: float, y: float, radius: float, size: tuple[int, int]) -> np.ndarray:
    """A shape's cover of each pixel, [H, W] in 0..1."""
    canvas = Image.new("L", (size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING), 0)
    ImageDraw.Draw(canvas).polygon(outline(shape, x, y, radius, SUPERSAMPLING), fill=255)
    return np.asarray(canvas.reduce(SUPERSAMPLING)) / 255.0


@cache
def _measures(shape: str) -> tuple[float, float]:
    """Area of a shape of radius 1, and how far its centre of mass is below its centre; as it is drawn."""
    middle = 2 * TEMPLATE_RADIUS
    cover = _template(shape, middle, middle, TEMPLATE_RADIUS, (int(2 * middle), int(2 * middle)))
    mass_y = (cover * (np.arange(len(cover)) + 0.5)[:, None]).sum() / cover.sum()
    return float(cover.sum() / TEMPLATE_RADIUS**2), float((mass_y - middle) / TEMPLATE_RADIUS)
