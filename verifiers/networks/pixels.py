"""From images to what a network sees: resize, crop or pad, normalise, as the published pipelines do, on tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
PIL_MODES: dict[int | None, str] = {2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True)
class Pipeline:
    """How a network wants its images.

    size: side of the square it sees. fit: crop (short side to `short`, then the centre), squash, or pad (long side to
    size, black borders). center: how half a pixel in the crop's offset goes; torchvision rounds it, transformers cuts
    it. levels: resize in 256 levels, as Pillow does; else in floats without clamping.
    """

    size: int
    fit: Literal["crop", "squash", "pad"] = "crop"
    short: int | None = None
    mode: str = "bicubic"
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD
    center: Literal["round", "floor"] = "round"
    levels: bool = True

    def __call__(self, images: Tensor, device: torch.device) -> Tensor:
        """Images [B, H, W, 3] in 0..1 -> [B, 3, size, size], normalised, float32 on the device."""
        pixels = images[..., :3].to(device, torch.float32).movedim(-1, 1).clamp(0, 1).mul(255).round()
        pixels = self._resize(pixels, *self._target(*pixels.shape[2:])) / 255
        pixels = self._pad(pixels) if self.fit == "pad" else self._crop(pixels)
        mean, std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.fit == "squash":
            return self.size, self.size
        if self.fit == "pad":
            scale = self.size / max(height, width)
            return round(height * scale), round(width * scale)
        short = self.short or self.size
        if height <= width:
            return short, int(short * width / height)
        return int(short * height / width), short

    def _resize(self, pixels: Tensor, height: int, width: int) -> Tensor:
        """Width, then height; with `levels` each pass ends in whole levels, halves upwards, as in Pillow."""
        for size in ((pixels.shape[2], width), (height, width)):
            if pixels.shape[2:] != size:
                pixels = F.interpolate(pixels, size=size, mode=self.mode, antialias=True)
                pixels = (pixels + 0.5).floor().clamp(0, 255) if self.levels else pixels
        return pixels

    def _crop(self, pixels: Tensor) -> Tensor:
        top, left = (self._offset(side - self.size) for side in pixels.shape[2:])
        return pixels[:, :, top : top + self.size, left : left + self.size]

    def _offset(self, extra: int) -> int:
        return round(extra / 2) if self.center == "round" else extra // 2

    def _pad(self, pixels: Tensor) -> Tensor:
        down, right = (self.size - side for side in pixels.shape[2:])
        return F.pad(pixels, (right // 2, right - right // 2, down // 2, down - down // 2))


def from_preprocessor(config: dict[str, Any], default: Pipeline) -> Pipeline:
    """The pipeline of a transformers folder, from its preprocessor_config.json."""
    crop = config.get("do_center_crop", default.fit == "crop")
    size, crop_size = _side(config.get("size")), _side(config.get("crop_size"))
    return Pipeline(
        size=(crop_size if crop else size) or default.size,
        fit="crop" if crop else "squash",
        short=size if crop else None,
        mode=PIL_MODES.get(config.get("resample"), default.mode),
        mean=tuple(config.get("image_mean", default.mean)),
        std=tuple(config.get("image_std", default.std)),
        center="floor",
    )


def _side(size: Any) -> int | None:
    """224 of 224, {"shortest_edge": 224} or {"height": 224, "width": 224}."""
    return next(iter(size.values()), None) if isinstance(size, dict) else size
