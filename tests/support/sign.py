"""A sign to read: type of matplotlib's own font on a plain panel, in front of colours that run into each other."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def sign(*lines: str, size: int = 24, angle: float = 0.0, width: int = 256, height: int = 192) -> Tensor:
    """[height, width, 3] in 0..1. size: of the type, in pixels. angle: in degrees, clockwise. No lines: no sign."""
    rows, columns = numpy.mgrid[0:height, 0:width]
    waves = [120 + 60 * numpy.sin(columns / 17), 140 + 50 * numpy.cos(rows / 11), 100 + columns / 3]
    picture = Image.fromarray(numpy.stack(waves, -1).clip(0, 255).astype("uint8"))
    if lines:
        panel = _panel(lines, size).rotate(-angle, Image.Resampling.BICUBIC, expand=True)
        picture.paste(panel, ((width - panel.width) // 2, (height - panel.height) // 2), panel)
    return torch.from_numpy(numpy.asarray(picture).copy()).float() / 255


def _panel(lines: tuple[str, ...], size: int) -> Image.Image:
    font = ImageFont.truetype(str(FONT), size)
    wide = round(max(map(font.getlength, lines))) + size
    panel = Image.new("RGBA", (wide, round(size * 1.4 * len(lines)) + size // 2), (238, 230, 210, 255))
    pen = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        place = (wide / 2, size / 4 + (number + 0.5) * size * 1.4)
        pen.text(place, line, (60, 30, 20, 255), font=font, anchor="mm")
    return panel
