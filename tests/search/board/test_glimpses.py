"""Pictures of candidates that have only begun."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("comfy")


def glimpses(latent_format: str, *shapes: list[int], clock: Any = lambda: 0.0) -> Any:
    module = importlib.import_module("noise_search.search.board.glimpses")
    formats = importlib.import_module("comfy.latent_formats")
    return module.Glimpses(getattr(formats, latent_format)(), shapes, clock)


@pytest.mark.parametrize(
    ("latent_format", "shape"),
    [("SD15", [1, 4, 8, 6]), ("Flux", [1, 16, 8, 6]), ("Wan21", [1, 16, 3, 8, 6]), ("ChromaRadiance", [1, 3, 8, 6])],
)
def test_rows_that_are_wanted_have_a_picture(latent_format: str, shape: list[int]) -> None:
    x0 = torch.randn(3, *shape[1:], generator=torch.Generator().manual_seed(1))
    seen = glimpses(latent_format, shape).take(x0, {0: (0, 4), 2: (0, 6)})
    assert [picture.size for picture in seen.values()] == [(6, 8)] * 2
    assert list(seen) == [(0, 4), (0, 6)]
    assert seen[0, 4].tobytes() != seen[0, 6].tobytes()


def test_latents_that_are_no_picture_have_none() -> None:
    assert glimpses("StableAudio1", [1, 64, 9]).take(torch.zeros(2, 64, 9), {1: (0, 1)}) == {(0, 1): None}


def test_of_video_with_sound_the_video_is_seen() -> None:
    video, sound = [1, 16, 3, 8, 6], [1, 5]
    packed = torch.randn(2, 1, 16 * 3 * 8 * 6 + 5)
    assert glimpses("Wan21", video, sound).take(packed, {1: (0, 1)})[0, 1].size == (6, 8)


def test_they_take_a_small_part_of_the_time() -> None:
    now = iter([0.0, 0.0, 10.0, 10.6, 29.9, 30.7])
    some = glimpses("SD15", [1, 4, 8, 6], clock=lambda: next(now))
    assert some.are_due
    some.take(torch.zeros(1, 4, 8, 6), {0: (0, 0)})  # of 0.6 seconds
    assert not some.are_due
    assert some.are_due, "20 seconds later"
