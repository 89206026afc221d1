"""The benchmark of the Text Verifier: signs are the same for a seed, misspellings one edit away, shares right."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from noise_search.benchmarks import signs, text_verifier
from sign import FONT

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8))


def picture(look: signs.Look, *words: str, seed: int = 3) -> np.ndarray | None:
    return signs.picture(words, look, FONT, PHOTO, 128, random.Random(seed))


@pytest.mark.parametrize("word", ["OPEN", "a", "24", "Harvest"])
def test_a_misspelling_is_one_edit_away(word: str) -> None:
    draw = random.Random(1)
    for made in (signs.misspelt(word, draw) for _ in range(50)):
        assert made != word
        changed = sorted(made) == sorted(word)  # neighbours changed count as two
        assert text_verifier.edits(word, made) == (2 if changed else 1)


def test_a_sign_is_the_same_for_a_seed_and_fits_or_is_none() -> None:
    look = signs.Look(14, angle=20, blur=0.03, noise=8, warp=0.05)
    one, same, other = (picture(look, "Tea", "House", seed=seed) for seed in (3, 3, 4))
    assert one is not None and one.shape == (128, 128, 3) and 0 <= one.min() < one.max() <= 1
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert picture(signs.Look(60), "Midnight") is None


def test_a_set_has_the_right_spelling_once() -> None:
    made = text_verifier.one_set(text_verifier.DISTORTED, 5, [FONT], [PHOTO])
    assert len(made["pictures"]) == len(made["texts"]) == 16
    assert [at for at, text in enumerate(made["texts"]) if text == made["words"]] == [made["right"]]
    assert len({tuple(text) for text in made["texts"]}) == 16


def test_the_distance_is_that_of_each_word_to_what_is_nearest() -> None:
    assert text_verifier.edits("kitten", "sitting") == 3
    assert text_verifier.distance(["Open", "late"], ["LATE", "OPEN", "Bar"]) == 0
    assert text_verifier.distance(["Open", "late"], ["opn"]) == 2 + 4


def test_shares_have_exact_intervals() -> None:
    rows = [{"won": True}] * 30
    assert text_verifier.share(rows, "won") == "100 [90, 100]"
    assert text_verifier.share([{"won": False}, {"won": True}], "won") == "50 [3, 97]"


def test_of_each_cut_of_a_font_one_file_is_taken() -> None:
    cuts = text_verifier.cuts([FONT.parent, FONT.parent])
    assert FONT in cuts
    assert len({path.stem for path in cuts}) == len(cuts) > 5
