"""CRAFT, which finds writing in a picture (Baek et al., "Character Region Awareness for Text Detection", 2019), as
EasyOCR publishes its weights (craft_mlt_25k.pth)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import Weights
from .towers import META, fill, ops

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STRIDE = 32  # sides of a picture are padded to a multiple of it
POOL = "pool"
SLICES = (  # of VGG16 with batch norm, numbered in a row as there; a slice's end is looked at
    (64, 64, POOL, 128, 128),
    (POOL, 256, 256),
    (256, POOL, 512, 512),
    (512, POOL, 512, 512),
)
JOINS = ((1536, 512, 256), (768, 256, 128), (384, 128, 64), (192, 64, 32))


class Join(nn.Module):
    """Two feature maps, one on top of the other, as one. inside: channels of both."""

    def __init__(self, inside: int, middle: int, out: int):
        super().__init__()
        layers = (_conv(inside, middle, 1), _norm(middle), nn.ReLU(), _conv(middle, out), _norm(out), nn.ReLU())
        self.conv = nn.Sequential(*layers)


class Detector(nn.Module):
    """weights: with their published names."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.basenet = _base()
        self.upconv1, self.upconv2, self.upconv3, self.upconv4 = (Join(*widths) for widths in JOINS)
        self.conv_cls = nn.Sequential(
            *(_conv(32, 32), nn.ReLU(), _conv(32, 32), nn.ReLU(), _conv(32, 16), nn.ReLU()),
            *(_conv(16, 16, 1), nn.ReLU(), _conv(16, 2, 1)),
        )
        fill(self, weights)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in 0..1, sides of a multiple of STRIDE -> [B, 2, H/2, W/2]: how much each place is the middle of
        a letter, and the middle between two letters of a word. About 0..1."""
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        x = (images - mean) / std
        seen = []
        for number in range(1, 6):
            x = self.basenet[f"slice{number}"](x)
            seen.append(x)
        x = self.upconv1.conv(torch.cat([seen[4], seen[3]], 1))
        for join, beside in ((self.upconv2, seen[2]), (self.upconv3, seen[1]), (self.upconv4, seen[0])):
            x = F.interpolate(x, beside.shape[2:], mode="bilinear", align_corners=False)
            x = join.conv(torch.cat([x, beside], 1))
        return self.conv_cls(x)


def _base() -> nn.ModuleDict:
    base, number, inside = nn.ModuleDict(), 0, 3
    for at, slice_ in enumerate(SLICES, 1):
        layers = nn.Sequential()
        for width in slice_:
            made = [nn.MaxPool2d(2)] if isinstance(width, str) else [_conv(inside, width), _norm(width), nn.ReLU()]
            inside = inside if isinstance(width, str) else width
            for layer in made:
                layers.add_module(str(number), layer)
                number += 1
        base[f"slice{at}"] = layers if at < len(SLICES) else layers[:-1]  # the last one is taken before its ReLU
    base["slice5"] = nn.Sequential(
        nn.MaxPool2d(3, 1, 1),
        ops.Conv2d(512, 1024, 3, padding=6, dilation=6, device=META),
        _conv(1024, 1024, 1),
    )
    return base


def _conv(inside: int, out: int, size: int = 3) -> nn.Conv2d:
    return ops.Conv2d(inside, out, size, padding=size // 2, device=META)


def _norm(width: int) -> nn.BatchNorm2d:
    return ops.BatchNorm2d(width, device=META)
