"""What is wrong with images, from their numbers alone."""

from __future__ import annotations

import pytest
import torch

from noise_search.search.judging.flaws import not_finite, one_color


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_number_is_enough(value: float) -> None:
    images = torch.rand(4, 2, 8, 8, 3)
    images[2, 1, 7, 7, 0] = value
    assert not_finite(images) == [2]
    assert not_finite(torch.rand(2, 3)) == []


def test_one_color_is_one_color_to_the_last_bit() -> None:
    images = torch.rand(4, 1, 8, 8, 3)
    images[0] = 0
    images[1] = torch.tensor([0.1, 0.5, 0.9])
    images[2] = 0
    images[2, 0, 3, 3, 1] = 1e-6
    assert one_color(images) == [True, True, False, False]


@pytest.mark.parametrize("color", [(1, 1, 1), (1, 0, 0), (0, 1, 1)])
def test_full_saturation_may_be_a_picture(color: tuple[int, int, int]) -> None:
    assert one_color(torch.ones(1, 1, 8, 8, 3) * torch.tensor(color)) == [False]


def test_a_video_that_changes_its_color_is_not_one_color() -> None:
    video = torch.zeros(1, 2, 8, 8, 3)
    assert one_color(video) == [True]
    video[0, 1] = 1
    assert one_color(video) == [False]


def test_a_single_pixel_is_no_single_color() -> None:
    assert one_color(torch.rand(3, 1, 1, 1, 3)) == [False] * 3
