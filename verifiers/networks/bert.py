"""BERT with cross-attention to an image in every layer, as BLIP has it."""

from __future__ import annotations

import torch
from comfy.ops import cast_to_input
from torch import Tensor, nn

from ..files import Weights
from .towers import MLP, Attention, count, embedding, norm, parameter

HEAD = 64
EPS = 1e-12
RULES = (
    (r"^embeddings\.word_embeddings\.", "token."),
    (r"^embeddings\.position_embeddings\.weight$", "position"),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.self\.", ".attn."),
    (r"\.crossattention\.self\.", ".cross."),
    (r"\.(attn|cross)\.query\.", r".\1.q."),
    (r"\.(attn|cross)\.key\.", r".\1.k."),
    (r"\.(attn|cross)\.value\.", r".\1.v."),
    (r"\.attention\.output\.dense\.", ".attn.out."),
    (r"\.attention\.output\.LayerNorm\.", ".norm_attn."),
    (r"\.crossattention\.output\.dense\.", ".cross.out."),
    (r"\.crossattention\.output\.LayerNorm\.", ".norm_cross."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.output\.LayerNorm\.", ".norm_mlp."),
)


class BertBlock(nn.Module):
    """Attention to the text, to the image, then an MLP; a norm after each."""

    def __init__(self, weights: Weights, name: str, heads: int):
        super().__init__()
        self.attn, self.cross = (Attention(weights, f"{name}.{part}", heads) for part in ("attn", "cross"))
        self.mlp = MLP(weights, f"{name}.mlp", "gelu")
        self.norm_attn, self.norm_cross, self.norm_mlp = (
            norm(weights, f"{name}.{part}", EPS) for part in ("norm_attn", "norm_cross", "norm_mlp")
        )

    def forward(self, x: Tensor, mask: Tensor, image: Tensor) -> Tensor:
        x = self.norm_attn(x + self.attn(x, mask=mask))
        x = self.norm_cross(x + self.cross(x, context=image))
        return self.norm_mlp(x + self.mlp(x))


class Bert(nn.Module):
    def __init__(self, weights: Weights):
        super().__init__()
        self.token = embedding(weights, "token")
        self.position = parameter(weights, "position")
        self.norm = norm(weights, "norm", EPS)
        heads = max(len(weights["norm.weight"]) // HEAD, 1)
        self.blocks = nn.ModuleList(BertBlock(weights, f"blocks.{i}", heads) for i in range(count(weights, "blocks")))

    def forward(self, ids: Tensor, mask: Tensor, image: Tensor) -> Tensor:
        """Token ids [B, L], mask [B, L] of bool, image tokens [B, N, W] -> the first token's vector [B, D]."""
        x = self.token(ids, out_dtype=torch.float32)
        x = self.norm(x + cast_to_input(self.position, x)[: x.shape[1]])
        for block in self.blocks:
            x = block(x, mask[:, None, None, :], image)
        return x[:, 0]
