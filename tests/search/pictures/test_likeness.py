"""Whether seeds make different pictures, told from small copies."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from noise_search.search.pictures.likeness import difference, hardly_differ
from noise_search.search.pictures.thumbnail import encode
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe


def picture(value: int, noise: int = 0) -> bytes:
    draw = np.random.default_rng(noise)
    pixels = np.full((64, 64, 3), value) + draw.integers(-noise, noise + 1, (64, 64, 3))
    return encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def candidates(*pictures: bytes, refined: bool = False) -> list[Candidate]:
    recipes = [Recipe(seed).refined(1, 0.7) if refined else Recipe(seed) for seed in range(len(pictures))]
    return [Candidate({"red": 0.0}, recipe, 1, one) for recipe, one in zip(recipes, pictures, strict=True)]


def test_the_distance_of_two_even_pictures_is_that_of_their_values() -> None:
    assert difference([picture(51), picture(102)]) == pytest.approx(0.2, abs=0.01)
    assert difference([picture(80), picture(80)]) == 0


def test_texture_alone_is_no_difference() -> None:
    assert difference([picture(80, 20), picture(80, 21)]) < 0.05


def test_seeds_that_make_the_same_picture_are_told_of() -> None:
    same = [picture(80), picture(82), picture(81), picture(80)]
    assert "variety" in hardly_differ(candidates(*same))
    assert hardly_differ(candidates(*same[:3])) == "", "too few to tell"
    assert hardly_differ(candidates(*same, refined=True)) == "", "children are meant to be alike"
    assert hardly_differ(candidates(picture(0), picture(80), picture(160), picture(240))) == ""
