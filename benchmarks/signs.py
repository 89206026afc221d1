"""Signs with writing over photos, drawn from a seed, as plain as type or distorted as generated letters are.

It needs Pillow and numpy alone; fonts and photos are given.
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WORDS = (
    "OPEN LATE Coffee SUMMER Welcome Bakery HAPPY Library Garden MUSIC Tokyo Harvest Midnight Express Thunder PIZZA "
    "Museum Rocket Velvet Journey Fresh Daily Hours SALE Fish Market Street CLOSED Books Free Parking Hotel Ocean "
    "Bread Station Cinema Room Exit Love Night Birthday the and of for 24 2027 Ice Cream Dogs Please Keep Quiet"
).split()
TWICE = 2  # drawn so many times larger, then made smaller, as a camera does
LINE = 1.35  # of a line, in letter sizes


@dataclass(frozen=True)
class Look:
    """size: of the type, in pixels. angle: in degrees, clockwise. blur: standard deviation, in letter sizes. noise:
    standard deviation, in levels of 255. warp: how far the corners move, in shares of the sign's shorter side."""

    size: int
    angle: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    warp: float = 0.0


def misspelt(word: str, draw: random.Random) -> str:
    """One edit away: a letter another one, left out, put in, doubled, or changed with its neighbour."""
    while True:
        at = draw.randrange(len(word))
        letters = string.digits if word[at].isdigit() else string.ascii_lowercase
        letter = draw.choice(letters)
        letter = letter.upper() if word[at].isupper() else letter
        made = {
            "another": word[:at] + letter + word[at + 1 :],
            "out": word[:at] + word[at + 1 :],
            "in": word[:at] + letter + word[at:],
            "twice": word[:at] + word[at] + word[at:],
            "changed": word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        }[draw.choice(("another", "out", "in", "twice", "changed"))]
        if made and made.lower() != word.lower():
            return made


def lines(words: Sequence[str], font: ImageFont.FreeTypeFont, widest: float, draw: random.Random) -> list[str]:
    """The words in lines no wider than that, some of them broken earlier."""
    found = [words[0]]
    for word in words[1:]:
        longer = f"{found[-1]} {word}"
        if font.getlength(longer) > widest or draw.random() < 0.25:
            found.append(word)
        else:
            found[-1] = longer
    return found


def panel(words: Sequence[str], font: Path, size: int, widest: int, draw: random.Random) -> Image.Image:
    """The sign alone, level, on a transparent ground."""
    type_ = ImageFont.truetype(str(font), size)
    texts = lines(words, type_, widest, draw)
    width = math.ceil(max(map(type_.getlength, texts)) + size)
    height = math.ceil(LINE * size * len(texts) + size / 2)
    is_dark = draw.random() < 0.5
    ground, ink = ((0, 70), (190, 255)) if is_dark else ((170, 255), (0, 80))
    colour, letters = (tuple(draw.randint(*span) for _ in range(3)) for span in (ground, ink))
    sign = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(sign)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), size / 4, fill=(*colour, 255))
    for number, text in enumerate(texts):
        pen.text((width / 2, size / 4 + (number + 0.5) * LINE * size), text, (*letters, 255), font=type_, anchor="mm")
    return sign


def picture(
    words: Sequence[str], look: Look, font: Path, photo: Image.Image, side: int, draw: random.Random
) -> np.ndarray | None:
    """[side, side, 3] in 0..1; None when the sign does not fit into the picture at this size."""
    whole = side * TWICE
    sign = panel(words, font, look.size * TWICE, round(whole * 0.75), draw)
    turn = math.radians(look.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    wide = sign.width * abs(cos) + sign.height * abs(sin)
    high = sign.width * abs(sin) + sign.height * abs(cos)
    if max(wide, high) > whole * 0.96:
        return None
    x, y = draw.uniform(wide / 2, whole - wide / 2), draw.uniform(high / 2, whole - high / 2)
    far = look.warp * min(sign.size)
    corners = []
    for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        a = u * sign.width / 2 + draw.uniform(-1, 1) * far
        b = v * sign.height / 2 + draw.uniform(-1, 1) * far
        corners.append((x + cos * a - sin * b, y + sin * a + cos * b))
    ground = _cut(photo, whole, draw)
    layer = sign.transform(ground.size, Image.Transform.PERSPECTIVE, _coefficients(corners, sign.size), Image.BICUBIC)
    ground.paste(layer, (0, 0), layer)
    return _as_seen(ground.resize((side, side), Image.LANCZOS), look, draw)


def _cut(photo: Image.Image, side: int, draw: random.Random) -> Image.Image:
    """A square of the photo."""
    size = draw.uniform(0.6, 1) * min(photo.size)
    x, y = draw.uniform(0, photo.width - size), draw.uniform(0, photo.height - size)
    return photo.resize((side, side), Image.LANCZOS, box=(x, y, x + size, y + size)).convert("RGB")


def _coefficients(corners: Sequence[tuple[float, float]], size: tuple[int, int]) -> tuple[float, ...]:
    """Of Pillow's perspective: from the picture to the sign whose corners lie there."""
    width, height = size
    rows: list[list[float]] = []
    values: list[float] = []
    for (x, y), (u, v) in zip(corners, ((0, 0), (width, 0), (width, height), (0, height)), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(values)).tolist())


def _as_seen(image: Image.Image, look: Look, draw: random.Random) -> np.ndarray:
    if look.blur:
        image = image.filter(ImageFilter.GaussianBlur(look.blur * look.size))
    levels = np.asarray(image).astype(np.float32)
    if look.noise:
        levels = levels + np.random.default_rng(draw.randrange(2**31)).normal(size=levels.shape) * look.noise
    return (np.clip(levels, 0, 255) / 255).astype(np.float32)
