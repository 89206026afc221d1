"""The Inception network behind FID and the Inception Score: TensorFlow's of 2015, in the weights of torch-fidelity
(weights-inception-2015-12-05-6726825d.pth) and pytorch-fid (pt_inception-2015-12-05-6726825d.pth), which have the same
names. Its pooling and resizing are TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import Weights
from .towers import META, below, fill, linear, ops

SIZE = 299
BATCH_NORM_EPS = 0.001
HALVING = (  # convolutions of stride 2; these and the two of NARROWING have no padding
    "Conv2d_1a_3x3",
    "Mixed_6a.branch3x3",
    "Mixed_6a.branch3x3dbl_3",
    "Mixed_7a.branch3x3_2",
    "Mixed_7a.branch7x7x3_4",
)
NARROWING = ("Conv2d_2a_3x3", "Conv2d_4a_3x3")
MEAN, MAX, HALF = "mean", "max", "half"  # poolings: of stride 1, and of stride 2

Branch = tuple[str | tuple[str, str], ...]


def steps(name: str, numbers: int) -> Branch:
    return tuple(f"{name}_{number}" for number in range(1, numbers + 1))


A = (("branch1x1",), steps("branch5x5", 2), steps("branch3x3dbl", 3), (MEAN, "branch_pool"))
B = (("branch3x3",), steps("branch3x3dbl", 3), (HALF,))
C = (("branch1x1",), steps("branch7x7", 3), steps("branch7x7dbl", 5), (MEAN, "branch_pool"))
D = (steps("branch3x3", 2), steps("branch7x7x3", 4), (HALF,))
FORKS = (
    ("branch1x1",),
    ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
    ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
)
E1, E2 = (*FORKS, (MEAN, "branch_pool")), (*FORKS, (MAX, "branch_pool"))
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", HALF, "Conv2d_3b_1x1", "Conv2d_4a_3x3", HALF)
BLOCKS = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), A),
    "Mixed_6a": B,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), C),
    "Mixed_7a": D,
    "Mixed_7b": E1,
    "Mixed_7c": E2,
}


class Conv(nn.Module):
    """Convolution, batch norm, ReLU. The kernel's size is that of its weight."""

    def __init__(self, weights: Weights, name: str):
        super().__init__()
        out, inside, height, width = weights[f"{name}.conv.weight"].shape
        halving = name in HALVING
        padding = (0, 0) if halving or name in NARROWING else (height // 2, width // 2)
        self.conv = ops.Conv2d(inside, out, (height, width), 2 if halving else 1, padding, bias=False, device=META)
        self.bn = ops.BatchNorm2d(out, eps=BATCH_NORM_EPS, device=META)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Mixed(nn.Module):
    """Paths side by side, joined along the channels."""

    def __init__(self, weights: Weights, name: str, paths: Sequence[Branch]):
        super().__init__()
        self.paths = paths
        names = {key.partition(".")[0] for key in below(weights, name)}
        for part in sorted(names):
            self.add_module(part, Conv(weights, f"{name}.{part}"))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._along(path, x) for path in self.paths], dim=1)

    def _along(self, path: Branch, x: Tensor) -> Tensor:
        for step in path:
            if isinstance(step, tuple):
                x = torch.cat([getattr(self, part)(x) for part in step], dim=1)
            else:
                x = pooled(x, step) if step in (MEAN, MAX, HALF) else getattr(self, step)(x)
        return x


class Inception(nn.Module):
    """weights: with their published names; `num_batches_tracked` may be missing."""

    def __init__(self, weights: Weights):
        super().__init__()
        for name in STEM:
            if name != HALF:
                self.add_module(name, Conv(weights, name))
        for name, paths in BLOCKS.items():
            self.add_module(name, Mixed(weights, name, paths))
        self.fc = linear(weights, "fc")
        tracked = {key: torch.tensor(0) for key in self.state_dict() if key.endswith("num_batches_tracked")}
        fill(self, tracked | weights)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W], levels 0..255 in float -> features [B, 2048], and logits without bias [B, 1008]."""
        x = (tensorflow_resize(images) - 128) / 128
        for name in STEM:
            x = pooled(x, name) if name == HALF else getattr(self, name)(x)
        for name in BLOCKS:
            x = getattr(self, name)(x)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.to(features).T


def pooled(x: Tensor, kind: str) -> Tensor:
    if kind == MEAN:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return F.max_pool2d(x, 3, stride=1, padding=1) if kind == MAX else F.max_pool2d(x, 3, stride=2)


def tensorflow_resize(images: Tensor) -> Tensor:
    """Bilinear as TensorFlow 1 does it: output pixel i lies at i * scale, without half a pixel and antialias."""
    for dimension in (3, 2):
        size = images.shape[dimension]
        place = torch.arange(SIZE, device=images.device, dtype=torch.float32) * (size / SIZE)
        low = place.long()
        part = (place - low).view(-1, *[1] * (3 - dimension))
        left, right = (images.index_select(dimension, at.clamp(max=size - 1)) for at in (low, low + 1))
        images = left + (right - left) * part
    return images
