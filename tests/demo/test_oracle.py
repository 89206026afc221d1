"""The oracle: right on pictures that were drawn for a caption, and on captions that are wrong by one word."""

import numpy as np
import pytest

from noise_search.demo.captions import parse
from noise_search.demo.near_miss import near_misses, random_near_miss
from noise_search.demo.oracle import check
from noise_search.demo.scene import Placed, Scene, draw
from noise_search.demo.world import random_example

PICTURES = 200
WHITE = (245, 245, 245)


def picture(*shapes: Placed) -> np.ndarray:
    return draw(Scene(WHITE, shapes)) / 255.0


def failed(image: np.ndarray, caption: str) -> list[str]:
    return [part for part, holds in check(image, parse(caption)).checks if not holds]


def test_drawn_pictures_hold_and_near_misses_do_not() -> None:
    rng = np.random.default_rng(11)
    right = wrong = 0
    for _ in range(PICTURES):
        image, _, caption = random_example(rng)
        right += check(image / 255.0, caption).holds
        wrong += check(image / 255.0, random_near_miss(caption, rng)).holds
    assert right >= 0.99 * PICTURES
    assert wrong <= 0.01 * PICTURES


def test_noise_does_not_matter() -> None:
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(50):
        image, _, caption = random_example(rng)
        held += check(image / 255.0 + rng.normal(0.0, 0.05, image.shape), caption).holds
    assert held >= 49


RED_LEFT_OF_BLUE = (Placed("circle", "red", 16, 30, 7), Placed("square", "blue", 46, 34, 10))


@pytest.mark.parametrize(
    ("caption", "wrong_parts"),
    [
        ("a red circle left of a blue square", []),
        ("a circle left of a square", []),
        ("a small circle left of a large square", []),
        ("a blue square right of a red circle", []),
        ("a red circle and a blue square", []),
        ("a red circle above a blue square", []),
        ("a red circle right of a blue square", ["a red circle right of a blue square"]),
        ("a green circle left of a blue square", ["a green circle: color"]),
        ("a red star left of a blue square", ["a red star: shape"]),
        ("a large red circle left of a blue square", ["a large red circle: size"]),
        ("a red circle", ["nothing else"]),
    ],
)
def test_verdict_names_the_wrong_parts(caption: str, wrong_parts: list[str]) -> None:
    assert failed(picture(*RED_LEFT_OF_BLUE), caption) == wrong_parts


def test_missing_shape() -> None:
    assert "two red circles: count" in failed(picture(RED_LEFT_OF_BLUE[0]), "two red circles")


def test_every_shape_of_a_group_counts_for_a_relation() -> None:
    image = picture(
        Placed("star", "green", 12, 20, 6), Placed("star", "green", 52, 20, 6), Placed("cross", "black", 32, 45, 6)
    )
    assert failed(image, "two green stars above a black cross") == []
    assert failed(image, "two green stars left of a black cross") == ["two green stars left of a black cross"]


def test_two_colors_in_one_area_are_no_color() -> None:
    image = picture(Placed("square", "red", 30, 30, 8))
    image[:, 30:] = picture(Placed("square", "blue", 30, 30, 8))[:, 30:]
    assert "a red square: color" in failed(image, "a red square")


def test_blank_and_full_pictures_hold_nothing() -> None:
    for value in (0.0, 1.0):
        assert not check(np.full((64, 64, 3), value), parse("a red circle")).holds


def test_a_picture_full_of_shapes() -> None:
    dots = [Placed("circle", "red", x, y, 4) for x in range(8, 64, 12) for y in range(8, 64, 12)]
    assert "nothing else" in failed(picture(*dots), "a red circle")


def test_caption_without_shapes_is_an_error() -> None:
    with pytest.raises(ValueError, match="no shape"):
        check(np.ones((64, 64, 3)), parse("masterpiece"))


def test_near_misses_differ_and_are_wrong() -> None:
    rng = np.random.default_rng(13)
    for _ in range(10):
        image, _, caption = random_example(rng)
        others = near_misses(caption)
        assert caption not in others
        assert not any(check(image / 255.0, other).holds for other in others)
