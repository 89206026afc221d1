"""LAION's aesthetic predictors: a linear head or a small MLP on the unit image vectors of OpenAI's CLIP ViT-L/14.

https://github.com/LAION-AI/aesthetic-predictor (linear), https://github.com/christophschuhmann/improved-aesthetic-predictor
(MLP without activations). Scores are about 3 to 8. The prompt plays no part.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from . import files
from .files import Known, Weights
from .networks import clip
from .networks.managed import Managed
from .networks.towers import fill, linear

HEADS = (
    Known(
        "sac+logos+ava1-l14-linearMSE.pth",
        "https://github.com/christophschuhmann/improved-aesthetic-predictor",
    ),
    Known("sa_0_4_vit_l_14_linear.pth", "https://github.com/LAION-AI/aesthetic-predictor"),
)
TOWERS = (
    Known(
        "clip-vit-large-patch14/model.safetensors",
        "https://huggingface.co/openai/clip-vit-large-patch14",
        "config.json",
    ),
)
HEAD = re.compile(r"(?:predictor\.|layers\.)?(?:(\d+)\.)?(weight|bias)")


RELU_HEAD = "3"  # with ReLU and dropout between them, the second linear layer is number 3, else 2


class Head(nn.Module):
    """Linear layers in a row, of one published head with ReLU between them. Their numbers count the dropouts too."""

    def __init__(self, weights: Weights):
        super().__init__()
        names = layer_names(weights)
        self.layers = nn.ModuleDict({name: linear(weights, name) for name in names})
        self.relu = RELU_HEAD in names
        fill(self.layers, weights)

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers.values()
        for layer in hidden:
            x = layer(x).relu() if self.relu else layer(x)
        return last(x)


class Aesthetic:
    name = "aesthetic"
    needs_prompt = False

    def __init__(self, model: clip.Clip, head: Head):
        self.model = model
        self.head = Managed(head)

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B]."""
        vectors = self.model.images(images)
        return self.head.ready()(vectors.to(self.head.device))[:, 0].cpu()


def load(head: Path, tower: Path) -> Aesthetic:
    state = files.read(head)
    weights = head_weights(state)
    if not weights:
        raise files.wrong(head, "an aesthetic predictor's head", state)
    model = clip.load(tower, "Aesthetic", text=False)
    width, wanted = model.width, weights[f"{layer_names(weights)[0]}.weight"].shape[1]
    if width != wanted:
        raise files.WeightsError(
            f"{head} judges image vectors of {wanted} numbers, and {tower} makes some of {width}. "
            "LAION's heads need OpenAI's CLIP ViT-L/14."
        )
    return Aesthetic(model, Head(weights))


def head_weights(state: Weights) -> Weights:
    """The head's layers, named 0.weight, 0.bias, 2.weight ...; empty when they are not a head."""
    found = {key: value for key, value in state.items() if HEAD.fullmatch(key)}
    weights = {HEAD.sub(lambda match: f"{match[1] or 0}.{match[2]}", key): value for key, value in found.items()}
    names = layer_names(weights)
    fits = names and all(f"{name}.bias" in weights for name in names)
    return weights if fits and weights[f"{names[-1]}.weight"].shape[0] == 1 else {}


def layer_names(weights: Weights) -> list[str]:
    return sorted({key.partition(".")[0] for key in weights}, key=int)
