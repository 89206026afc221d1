"""What the plots are drawn with."""

from __future__ import annotations

import math

from PIL import ImageDraw, ImageFont

SHARP = 2  # drawn this much larger, then shrunk
INK, FAINT, GRID, LINE, BEST = "#1f2933", "#9aa5b1", "#e4e7eb", "#2563eb", "#d9480f"
BELOW = "#7c3aed"


def dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: str) -> None:
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)


def star(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: str) -> None:
    """With five points and a white edge, which shows on any picture."""
    points = [
        (x + size * math.sin(math.pi * at / 5), y - size * math.cos(math.pi * at / 5))
        for at, size in enumerate([radius, 0.42 * radius] * 5)
    ]
    draw.polygon(points, fill=color, outline="white")


def font(size: int, scale: int = SHARP) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * scale)
