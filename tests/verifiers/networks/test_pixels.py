"""Preparing images on tensors gives what Pillow and torchvision give."""

from __future__ import annotations

import importlib
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from reference_inputs import images

pytestmark = pytest.mark.usefixtures("comfy")
MODES = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def prepared(image: torch.Tensor, size: int, *fit: Any, **settings: Any) -> torch.Tensor:
    """Levels [size, size, 3]."""
    pixels = importlib.import_module("noise_search.verifiers.networks.pixels")
    pipeline = pixels.Pipeline(size, *fit, mean=(0.0,), std=(1 / 255,), **settings)
    return pipeline(image[None].float() / 255, torch.device("cpu"))[0].movedim(0, -1)


@pytest.mark.parametrize("size", [56, 224, 300])
@pytest.mark.parametrize("mode", list(MODES))
def test_resizing_is_pillow_s_to_one_level_in_few_pixels(mode: str, size: int) -> None:
    for image in images():
        expected = numpy.asarray(Image.fromarray(image.numpy()).resize((size, size), MODES[mode])).astype("float32")
        off = (prepared(image, size, "squash", mode=mode) - torch.from_numpy(expected)).abs()
        tall = image.shape[0] > image.shape[1]  # Pillow 13 may take a tall image's height first, older ones never do
        assert off.mean() < (0.3 if tall else 0.02)
        assert off.max() < (3.01 if tall else 1.01)


@pytest.mark.parametrize("size", [55, 56, 224])
def test_crop_is_torchvision_s(size: int) -> None:
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, PILToTensor, Resize

    published = Compose([Resize(size, InterpolationMode.BICUBIC), CenterCrop(size), PILToTensor()])
    for image in images():
        expected = published(Image.fromarray(image.numpy())).movedim(0, -1)
        assert (prepared(image, size) - expected).abs().max() < 1.01


def test_long_side_fits_and_the_rest_is_black() -> None:
    wide = torch.full((50, 100, 3), 255, dtype=torch.uint8)
    out = prepared(wide, 20, "pad", levels=False)
    assert out[5:15].min() > 254.9
    assert out[:5].abs().max() == out[15:].abs().max() == 0


def test_an_alpha_channel_is_ignored() -> None:
    image = images()[0]
    with_alpha = torch.cat([image, image[..., :1]], dim=-1)
    assert torch.equal(prepared(with_alpha, 56), prepared(image, 56))
