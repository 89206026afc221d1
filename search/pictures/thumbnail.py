"""Small pictures of candidates: kilobytes, so that thousands can be kept."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SHOWN_SIDE = 768  # nobody is shown more of a candidate
LONGEST_SIDE = 256
ON_DISK_SIDE, ON_DISK_QUALITY = 96, 75


def of_image(image: Tensor) -> Image.Image:
    """The image, shrunk to at most SHOWN_SIDE pixels on its longer side. image: [H, W, 3], float in 0..1."""
    picture = to_pil(image)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    return picture


def to_pil(image: Tensor) -> Image.Image:
    """image: [H, W, 3], float in 0..1."""
    pixels = image.detach().float().cpu().clamp(0, 1).mul_(255).round_().to(torch.uint8)
    return Image.fromarray(pixels.contiguous().numpy())


def from_pil(picture: Image.Image) -> Tensor:
    """Returns [H, W, 3], float in 0..1."""
    return torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32) / 255)


def encode(picture: Image.Image, longest_side: int = LONGEST_SIDE, quality: int = 90) -> bytes:
    """A JPEG file of the picture, shrunk to at most so many pixels on its longer side."""
    small = picture.copy()
    small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def shrink(jpeg: bytes) -> bytes:
    """The picture as it is kept on disk; nothing of nothing."""
    return encode(decode(jpeg), ON_DISK_SIDE, ON_DISK_QUALITY) if jpeg else b""


def decode(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"]).convert("RGB")
