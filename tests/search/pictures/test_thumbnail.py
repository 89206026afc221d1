"""Small pictures of candidates."""

from __future__ import annotations

import pytest
import torch

from noise_search.search.pictures.thumbnail import LONGEST_SIDE, decode, encode, from_pil, of_image, to_pil


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(64, 64, (64, 64)), (512, 1024, (256, 128)), (1024, 512, (128, 256)), (2, 2000, (256, 1)), (256, 256, (256, 256))],
)
def test_only_larger_pictures_are_shrunk(height: int, width: int, size: tuple[int, int]) -> None:
    assert decode(encode(to_pil(torch.rand(height, width, 3)))).size == size
    assert max(size) <= LONGEST_SIDE


def test_a_picture_of_a_large_image_is_no_larger_than_it_is_shown() -> None:
    image = torch.zeros(1000, 2000, 3)
    image[:, 1000:] = 1.0
    picture = of_image(image)
    assert picture.size == (768, 384)
    assert (picture.getpixel((380, 200)), picture.getpixel((388, 200))) == ((0, 0, 0), (255, 255, 255))
    assert of_image(torch.rand(5, 768, 3)).size == (768, 5)


def test_a_picture_survives_as_it_was() -> None:
    ramp = torch.linspace(0, 1, 64)
    image = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64), torch.full((64, 64), 0.5)], dim=-1)
    assert (from_pil(decode(encode(to_pil(image)))) - image).abs().mean() < 0.02


def test_a_megapixel_takes_kilobytes() -> None:
    flat = torch.nn.functional.interpolate(torch.rand(1, 3, 16, 16), size=(1024, 1024), mode="bilinear")[0]
    assert len(encode(to_pil(flat.movedim(0, -1)))) < 30_000


def test_what_lies_outside_of_0_to_1_is_clipped_and_not_wrapped() -> None:
    image = torch.tensor([[[-0.5, 1.5, 0.5]]])
    assert to_pil(image).getpixel((0, 0)) == (0, 255, 128)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_float_dtype(dtype: torch.dtype) -> None:
    assert to_pil(torch.full((4, 4, 3), 0.25, dtype=dtype)).getpixel((0, 0)) == (64, 64, 64)


def test_to_pil_and_back_is_exact_for_bytes() -> None:
    image = torch.arange(192).reshape(8, 8, 3) / 255
    assert torch.allclose(from_pil(to_pil(image)), image)
