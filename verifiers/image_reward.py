"""ImageReward v1.0 (Xu et al., "ImageReward", 2023): BLIP's image tower and text encoder, and a head of linear layers.

Needs nothing of the package image-reward. A prompt is cut at 35 tokens, as there.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from . import files
from .files import Known, Weights
from .networks import bert, heads, keys
from .networks.managed import Managed
from .networks.pixels import Pipeline
from .networks.tokens import Tokenizer, bert_tokenizer
from .networks.towers import ImageTower, Style, below, fill

KNOWN = (
    Known(
        "ImageReward/ImageReward.pt",
        "https://huggingface.co/zai-org/ImageReward",
        "vocab.txt of https://huggingface.co/google-bert/bert-base-uncased",
    ),
)
MEAN, STD = 0.16717362830052426, 1.0333394966054072
TOKENS = 35
BLIP_WORDS = 2  # of the token embedding that BERT's vocabulary does not have
EPS = 1e-6
HEAD_WIDTH = 64
MEMORY_PER_IMAGE = 48 * 1024 * 1024


class Network(nn.Module):
    def __init__(self, weights: Weights):
        super().__init__()
        image = below(weights, "image")
        in_heads = max(len(image["norm_post.weight"]) // HEAD_WIDTH, 1)
        self.image = ImageTower(image, Style(in_heads, "gelu", EPS))
        self.text = bert.Bert(below(weights, "text"))
        fill(self, weights)
        self.head = heads.read(below(weights, "head"))

    def forward(self, pixels: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Pixels [B, 3, S, S], token ids and mask [B, L] -> rewards [B]."""
        return (self.head(self.text(ids, mask, self.image.tokens(pixels)))[:, 0] - MEAN) / STD


class ImageReward:
    name = "ImageReward"
    needs_prompt = True
    pace = "fast"

    def __init__(self, network: Network, tokenizer: Tokenizer):
        self.managed = Managed(network)
        self.tokenizer = tokenizer
        self.pipeline = Pipeline(network.image.size)

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B]."""
        tokens = self.tokenizer(prompts)
        network, device = self.managed.ready(len(images) * MEMORY_PER_IMAGE), self.managed.device
        return network(self.pipeline(images, device), tokens.ids.to(device), tokens.mask.to(device)).cpu()


def load(path: Path) -> ImageReward:
    state = files.read(path)
    weights = named(state)
    if not all(f"{part}.weight" in weights for part in ("image.patch", "text.token", "text.blocks.0.cross.q")):
        raise files.wrong(path, "ImageReward v1.0", state)
    bert_tokens = bert_tokenizer(path.parent, "ImageReward", len(weights["text.token.weight"]) - BLIP_WORDS)
    with files.whole(path):
        try:
            return ImageReward(Network(weights), Tokenizer(bert_tokens, TOKENS, "ImageReward"))
        except heads.HeadError as error:
            raise files.WeightsError(f"{path} has another head than ImageReward v1.0, and is not supported.") from error


def named(state: Weights) -> Weights:
    """Weights named image.*, text.* and head.*, from the names of ImageReward's file."""
    image = keys.from_timm(below(state, "blip.visual_encoder"))
    text = keys.renamed(below(state, "blip.text_encoder"), bert.RULES)
    parts = {"image": image, "text": text, "head": below(state, "mlp")}
    return {f"{part}.{key}": value for part, weights in parts.items() for key, value in weights.items()}
