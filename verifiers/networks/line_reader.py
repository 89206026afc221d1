"""The network that reads a line of writing (Shi et al., "An End-to-End Trainable Neural Network for Image-based
Sequence Recognition", 2017), as EasyOCR publishes its weights of the second generation (english_g2.pth and others)."""

from __future__ import annotations

from torch import Tensor, nn

from ..files import Weights
from .towers import META, fill, linear, ops

HEIGHT = 64  # pixels of a line
STRIDE = 4  # pixels along a line for each of its steps
PREFIX = "module."  # as DataParallel names them


class Recurrent(nn.Module):
    """A bidirectional LSTM and a linear layer. ComfyUI's operations have no LSTM: it is on the device whole."""

    def __init__(self, weights: Weights, name: str):
        super().__init__()
        gates, inside = weights[f"{name}.rnn.weight_ih_l0"].shape
        self.rnn = nn.LSTM(inside, gates // 4, bidirectional=True, batch_first=True, device=META)
        self.linear = linear(weights, f"{name}.linear")

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.rnn(x)[0])


class Features(nn.Module):
    """first: the first weight, which tells the width."""

    def __init__(self, first: Tensor):
        super().__init__()
        self.ConvNet = _convolutions(len(first))


class Reader(nn.Module):
    """weights: with their published names, also without PREFIX."""

    def __init__(self, weights: Weights):
        super().__init__()
        weights = {key.removeprefix(PREFIX): value for key, value in weights.items()}
        self.FeatureExtraction = Features(weights["FeatureExtraction.ConvNet.0.weight"])
        self.SequenceModeling = nn.Sequential(*(Recurrent(weights, f"SequenceModeling.{at}") for at in range(2)))
        self.Prediction = linear(weights, "Prediction")
        fill(self, weights)

    @property
    def classes(self) -> int:
        """Characters that it knows, and one for none."""
        return self.Prediction.out_features

    def forward(self, lines: Tensor) -> Tensor:
        """Grey lines [B, 1, HEIGHT, W] in 0..1 -> log-probabilities [B, steps, classes]; class 0 is none (CTC)."""
        x = self.FeatureExtraction.ConvNet(lines * 2 - 1)
        return self.Prediction(self.SequenceModeling(x.mean(2).transpose(1, 2))).log_softmax(-1)


def _convolutions(width: int) -> nn.Sequential:
    flat = nn.MaxPool2d((2, 1), (2, 1))
    return nn.Sequential(
        *(_conv(1, width), nn.ReLU(), nn.MaxPool2d(2)),
        *(_conv(width, 2 * width), nn.ReLU(), nn.MaxPool2d(2)),
        *(_conv(2 * width, 4 * width), nn.ReLU(), _conv(4 * width, 4 * width), nn.ReLU(), flat),
        *(_conv(4 * width, 8 * width, bias=False), _norm(8 * width), nn.ReLU()),
        *(_conv(8 * width, 8 * width, bias=False), _norm(8 * width), nn.ReLU(), flat),
        *(ops.Conv2d(8 * width, 8 * width, 2, device=META), nn.ReLU()),
    )


def _conv(inside: int, out: int, bias: bool = True) -> nn.Conv2d:
    return ops.Conv2d(inside, out, 3, padding=1, bias=bias, device=META)


def _norm(width: int) -> nn.BatchNorm2d:
    return ops.BatchNorm2d(width, device=META)
