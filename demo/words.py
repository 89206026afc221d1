"""The world's vocabulary: the words a caption may hold, their synonyms, and text turned into them."""

import re
from typing import NamedTuple

COUNTS = ("one", "two", "three", "four")
SIZES = ("small", "large")
COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "black")
SHAPES = ("circle", "square", "triangle", "star", "cross")
RELATIONS = ("left", "right", "above", "below")
JOIN = "and"

PAD = "<pad>"
VOCABULARY = (PAD, *COUNTS, *SIZES, *COLORS, *SHAPES, *RELATIONS, JOIN)

PLURALS = {shape: f"{shape}es" if shape.endswith("s") else f"{shape}s" for shape in SHAPES}

SYNONYMS = {
    "a": "one",
    "an": "one",
    "1": "one",
    "single": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "little": "small",
    "tiny": "small",
    "big": "large",
    "huge": "large",
    "violet": "purple",
    "disc": "circle",
    "discs": "circle",
    "dot": "circle",
    "dots": "circle",
    "box": "square",
    "boxes": "square",
    "plus": "cross",
    "over": "above",
    "top": "above",
    "under": "below",
    "underneath": "below",
    "beneath": "below",
    **{plural: shape for shape, plural in PLURALS.items()},
}

FILLERS = frozenset({"the", "of", "to", "on", "is", "are", "some"})


class Words(NamedTuple):
    """`known`: words of the vocabulary in the order of the text; `unknown`: the words that were dropped."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]


def read_words(text: str) -> Words:
    """Lower-case words of `text`, synonyms and plurals resolved; fillers ("the") and weights (red:1.2) dropped."""
    spelled = re.findall(r"[a-z]+|[0-9]+", re.sub(r":\s*-?[0-9.]+", "", text.lower()))
    words = [SYNONYMS.get(word, word) for word in spelled if word not in FILLERS]
    known = tuple(word for word in words if word in VOCABULARY)
    return Words(known, tuple(word for word in words if word not in VOCABULARY))
