"""EfficientNet-lite0 with its published ImageNet weights: a network whose features and classes are real.

The pack does not load it; it stands where a CLIP's or DINOv2's tower does. Tan and Le, "EfficientNet", 2019; the lite
variant has no squeeze and excitation, and ReLU6.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import real_weights

WEIGHTS = "efficientnet-lite0-57934424.pth"
# ImageNet's academic gown, bow tie, military uniform, mortarboard, suit and Windsor tie
FORMAL = (400, 457, 652, 667, 834, 906)
EPS = 1e-3


class Stage(NamedTuple):
    kernel: int
    stride: int  # of its first block
    widening: int
    out: int
    blocks: int


STAGES = (
    *(Stage(3, 1, 1, 16, 1), Stage(3, 2, 6, 24, 2), Stage(5, 2, 6, 40, 2), Stage(3, 2, 6, 80, 3)),
    *(Stage(5, 1, 6, 112, 3), Stage(5, 2, 6, 192, 4), Stage(3, 1, 6, 320, 1)),
)


class SameConv(nn.Conv2d):
    """Padded as TensorFlow does: with a stride, more to the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        return super().forward(F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2)))


def conv(inside: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = SameConv(inside, out, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out, eps=EPS))


class Block(nn.Module):
    """Widen, look around within each channel, narrow; what came in is added where shapes allow."""

    def __init__(self, inside: int, stage: Stage, stride: int):
        super().__init__()
        wide = inside * stage.widening
        self.widen = conv(inside, wide) if stage.widening > 1 else None
        self.look = conv(wide, wide, stage.kernel, stride, groups=wide)
        self.narrow = conv(wide, stage.out)
        self.adds = stride == 1 and inside == stage.out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.widen is None else F.relu6(self.widen(x))
        out = self.narrow(F.relu6(self.look(wide)))
        return x + out if self.adds else out


class Features(nn.Module):
    """Pixels [B, 3, 224, 224] -> [B, 1280]. `patch` is its first layer, as in the pack's towers."""

    width = 1280

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 32, 3, 2)
        self.blocks = nn.Sequential(*_blocks(32))
        self.head = conv(320, self.width)

    @property
    def patch(self) -> Any:
        return self.stem[0]

    def forward(self, pixels: Tensor) -> Tensor:
        return F.relu6(self.head(self.blocks(F.relu6(self.stem(pixels))))).mean((2, 3))


class Lite0(nn.Module):
    """Pixels -> [B, 1000], logits of ImageNet's classes."""

    text = None

    def __init__(self) -> None:
        super().__init__()
        self.image = Features()
        self.classifier = nn.Linear(Features.width, 1000)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.image(pixels))


def _blocks(inside: int) -> Iterator[Block]:
    for stage in STAGES:
        for at in range(stage.blocks):
            yield Block(inside, stage, stage.stride if at == 0 else 1)
            inside = stage.out


def network() -> Lite0:
    """With the published weights, all of them: both list their layers in the order in which they compute."""
    published = torch.load(real_weights.path(WEIGHTS), weights_only=True)
    network = Lite0()
    own = network.state_dict()
    assert [value.shape for value in own.values()] == [value.shape for value in published.values()]
    network.load_state_dict(dict(zip(own, published.values(), strict=True)))
    return network


def pipeline() -> Any:
    """The published one: 256 levels around 127, divided by 128."""
    pixels = importlib.import_module("noise_search.verifiers.networks.pixels")
    return pixels.Pipeline(224, short=256, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
