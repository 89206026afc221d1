"""Signs to learn from: random words in two cuts of DejaVu, each letter a little out of its place.

The fonts are those that come with matplotlib, which only training needs.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .lettering import ALPHABET, HEIGHT, MOST_LETTERS, MOST_WORDS, WIDTH, layout

FONTS = ("DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf")
FINER = 4
"""A sign is drawn so many times larger, then made smaller."""
CAPITALS = 96
"""Height of the capitals that the letters of a sign are made from, in pixels."""
TAIL = 24
"""What they have below the baseline: Q and J."""
FREQUENT = "EEEEEEEETTTTTTAAAAAAOOOOOOIIIIINNNNNSSSSSRRRRRHHHDDDLLLCCUUMMWFGYPB"
"""Letters about as often as in English."""


class Sign(NamedTuple):
    """`ink`: uint8 [HEIGHT, WIDTH], 255 where there is letter; `words`: what it says."""

    ink: np.ndarray
    words: tuple[str, ...]


def random_words(rng: np.random.Generator) -> tuple[str, ...]:
    """One to three strings of letters, no words of any language: half of them as English spreads its letters."""
    letters = FREQUENT if rng.random() < 0.5 else ALPHABET
    return tuple(
        "".join(letters[rng.integers(len(letters))] for _ in range(rng.integers(2, MOST_LETTERS + 1)))
        for _ in range(rng.integers(1, MOST_WORDS + 1))
    )


@cache
def capital(font: str, letter: str) -> Image.Image:
    """Its ink alone: as wide as it is, CAPITALS high above the baseline and TAIL below it."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font
    type_ = ImageFont.truetype(str(path), round(CAPITALS / 0.729))  # DejaVu's capitals are 0.729 em high
    left, _, right, _ = type_.getbbox(letter, anchor="ls")
    picture = Image.new("L", (right - left, CAPITALS + TAIL))
    ImageDraw.Draw(picture).text((-left, CAPITALS), letter, 255, font=type_, anchor="ls")
    return picture


def draw_sign(words: tuple[str, ...], rng: np.random.Generator) -> Sign:
    """With one font for all letters, moved and stretched as a whole, and each letter moved a little."""
    font = FONTS[rng.integers(len(FONTS))]
    dx, dy = rng.uniform(-3.0, 3.0), rng.uniform(-2.0, 2.0)
    stretch_x, stretch_y = rng.uniform(0.94, 1.05), rng.uniform(0.92, 1.08)
    canvas = Image.new("L", (WIDTH * FINER, HEIGHT * FINER))
    for glyph in layout(words):
        letter = capital(font, glyph.letter)
        width = FINER * stretch_x * min(0.86 * glyph.width, glyph.height * letter.width / CAPITALS)
        height = FINER * stretch_y * glyph.height
        x = FINER * (WIDTH / 2 + (glyph.x - WIDTH / 2) * stretch_x + dx + rng.normal(0.0, 0.25))
        y = FINER * (HEIGHT / 2 + (glyph.y - HEIGHT / 2) * stretch_y + dy + rng.normal(0.0, 0.25))
        size = max(round(width), 1), round(height * (CAPITALS + TAIL) / CAPITALS)
        resized = letter.resize(size, Image.Resampling.BILINEAR)
        canvas.paste(255, (round(x - width / 2), round(y - height / 2)), resized)
    return Sign(np.asarray(canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX)), words)


def paint(ink: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures in -1..1, [B, 3, HEIGHT, WIDTH], of uint8 ink [B, HEIGHT, WIDTH]: light on dark or dark on light."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(len(ink), *shape, generator=generator)

    dark, light = uniform(-1.0, -0.35, 3, 1, 1), uniform(0.35, 1.0, 3, 1, 1)
    is_dark = torch.rand(len(ink), 1, 1, 1, generator=generator) < 0.5
    ground, letters = torch.where(is_dark, dark, light), torch.where(is_dark, light, dark)
    share = ink[:, None].float() / 255
    x, y = torch.linspace(-1, 1, WIDTH), torch.linspace(-1, 1, HEIGHT)[:, None]
    shading = uniform(-0.1, 0.1, 1, 1, 1) * x + uniform(-0.1, 0.1, 1, 1, 1) * y
    grain = 0.02 * torch.randn(len(ink), 3, HEIGHT, WIDTH, generator=generator)
    return (torch.lerp(ground, letters, share) + shading + grain).clamp(-1.0, 1.0)
