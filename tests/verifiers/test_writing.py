"""From heat maps to places, and from places to lines; by geometry alone."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy
import pytest
import torch

pytestmark = pytest.mark.usefixtures("comfy")


def writing() -> Any:
    return importlib.import_module("noise_search.verifiers.writing")


def heat(*bars: tuple[float, float, float, float, float], side: int = 120) -> numpy.ndarray:
    """Bars of x, y, width, height, angle, on a map of 0."""
    rows, columns = numpy.mgrid[0:side, 0:side] + 0.5
    shown = numpy.zeros((side, side), dtype=numpy.float32)
    for x, y, width, height, angle in bars:
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        along, across = (columns - x) * cos + (rows - y) * sin, (rows - y) * cos - (columns - x) * sin
        shown[(abs(along) < width / 2) & (abs(across) < height / 2)] = 0.9
    return shown


def found(*bars: tuple[float, float, float, float, float]) -> list[Any]:
    return writing().places(heat(*bars), numpy.zeros((120, 120), dtype=numpy.float32))


@pytest.mark.parametrize("angle", [-30, -12, 0, 7, 22, 30])
def test_a_word_has_its_angle_and_its_middle(angle: float) -> None:
    (place,) = found((60, 50, 60, 10, angle))
    assert place.angle == pytest.approx(angle, abs=1.5)
    assert (place.x, place.y) == pytest.approx((60, 50), abs=1)
    assert place.width > 60 and place.height > 10


def test_a_short_word_has_the_angle_of_the_long_ones() -> None:
    places = found((50, 40, 60, 10, 20), (60, 90, 10, 10, 20))
    short = min(places, key=lambda place: place.width)
    assert short.angle == pytest.approx(20, abs=2)


def test_a_weak_or_tiny_spot_is_no_place() -> None:
    assert found((60, 50, 3, 2, 0)) == []
    weak = heat((60, 50, 60, 10, 0)) * 0.6
    assert writing().places(weak, weak * 0) == []
    assert writing().places(numpy.zeros((40, 40)), numpy.zeros((40, 40))) == []


def test_what_joins_two_letters_makes_one_word_of_them() -> None:
    letters, between = heat((40, 50, 16, 10, 0), (70, 50, 16, 10, 0)), heat((55, 50, 20, 6, 0))
    assert len(writing().places(letters, between * 0)) == 2
    (place,) = writing().places(letters, between)
    assert place.width > 46


def test_a_part_of_a_turned_place_lies_along_it() -> None:
    place = writing().Place(100, 60, 80, 20, 30)
    left, right = place.part(0, 0.5), place.part(0.5, 1)
    assert left.width == right.width == 40
    assert right.x - left.x == pytest.approx(40 * math.cos(math.radians(30)))
    assert right.y - left.y == pytest.approx(40 * math.sin(math.radians(30)))


def test_neighbours_follow_each_other_on_a_line() -> None:
    Place = writing().Place
    places = [Place(20, 20, 30, 10), Place(55, 21, 30, 10), Place(20, 60, 30, 10), Place(110, 20, 30, 10)]
    assert writing().neighbours(places, 0.6) == [(0, 1)]
    whole = writing().joined(places[0], places[1])
    assert (whole.width, whole.height) == pytest.approx((65, 11), abs=1)


@pytest.mark.parametrize("angle", [0, 25])
def test_a_line_is_level_whatever_the_place(angle: float) -> None:
    """A bar of the place's own angle, dark in its left half."""
    dark = heat((45, 60, 30, 20, 0), side=120)
    grey = torch.from_numpy(1 - dark)
    place = writing().Place(60, 60, 60, 20)
    line = writing().line(grey, place)
    assert line.shape == (1, 64, 192)
    assert line[..., :90].mean() < 0.2 < 0.9 < line[..., 100:].mean()
    turned = torch.from_numpy(1 - heat((60, 60, 60, 20, angle)))
    assert writing().line(turned, writing().Place(60, 60, 60, 20, angle)).mean() < 0.2


def test_a_line_is_as_wide_as_a_multiple_and_never_endless() -> None:
    grey = torch.rand(64, 64)
    assert writing().line(grey, writing().Place(32, 32, 1, 60)).shape[-1] == 64
    assert writing().line(grey, writing().Place(32, 32, 6000, 1)).shape[-1] == 2048
