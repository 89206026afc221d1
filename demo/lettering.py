"""What a sign may say, and where its letters stand: one word a line, in the middle of the picture.

The places are a typesetter's guess, from one table of widths for all fonts; drawn signs differ from it.
"""

import re
from typing import NamedTuple

WIDTH, HEIGHT = 96, 64
"""Of a picture of a sign, in pixels."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_WORDS, MOST_LETTERS = 3, 6
LENGTH = MOST_WORDS * MOST_LETTERS
"""Letters a text is padded to."""

LETTER_HEIGHTS = (24.0, 18.0, 13.0)
"""Of signs with one, two and three words, in pixels."""
LINE = 1.5
"""From one line to the next, in letter heights."""
WIDEST = 84.0
"""Of a word, in pixels: a longer one is made narrower."""
WIDTHS = dict.fromkeys(ALPHABET, 1.0) | dict.fromkeys("MW", 1.35) | dict.fromkeys("EFJLST", 0.9) | {"I": 0.55}
"""Of letters with the space around them, in letter heights."""
QUOTED = re.compile(r'"([^"]*)"|“([^”]*)”')


class Glyph(NamedTuple):
    """A letter, its middle and its size, in pixels from the upper left."""

    letter: str
    x: float
    y: float
    width: float
    height: float


def read_sign(text: str) -> tuple[str, ...]:
    """The words of a sign, in capitals: what is in quotes; without quotes, the whole text.

    Raises ValueError for what the model can not draw.
    """
    quoted = [first or second for first, second in QUOTED.findall(text)]
    words = " ".join(quoted if quoted else [text]).upper().split()
    for word in words:
        strange = "".join(dict.fromkeys(character for character in word if character not in ALPHABET))
        if strange:
            raise ValueError(f"The words model draws the letters A to Z only; {word!r} has {strange!r}.{_how(quoted)}")
        if len(word) > MOST_LETTERS:
            raise ValueError(f"The words model draws words of up to {MOST_LETTERS} letters; {word!r} has {len(word)}.")
    if len(words) > MOST_WORDS:
        raise ValueError(
            f"The words model draws up to {MOST_WORDS} words, and this has {len(words)}: {' '.join(words)!r}."
            f"{_how(quoted)}"
        )
    return tuple(words)


def _how(quoted: list[str]) -> str:
    return "" if quoted else ' Put what the sign says in quotes: a sign that says "OPEN LATE".'


def layout(words: tuple[str, ...]) -> list[Glyph]:
    """Every letter's place, line by line."""
    glyphs = []
    for row, word in enumerate(words):
        height = LETTER_HEIGHTS[len(words) - 1]
        widths = [WIDTHS[letter] * height for letter in word]
        narrower = min(1.0, WIDEST / sum(widths))
        x = (WIDTH - narrower * sum(widths)) / 2
        y = HEIGHT / 2 + (row - (len(words) - 1) / 2) * LINE * height
        for letter, width in zip(word, widths):
            glyphs.append(Glyph(letter, x + narrower * width / 2, y, narrower * width, height))
            x += narrower * width
    return glyphs
