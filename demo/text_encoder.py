"""Text tower: a small transformer over word tokens. `operations` is torch.nn, or the host's comfy.ops."""

import torch
from torch import Tensor, nn

from .attention import attend
from .tokens import LENGTH
from .words import VOCABULARY


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, operations, **factory) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = operations.Linear(width, 3 * width, **factory)
        self.out = operations.Linear(width, width, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, tokens, width] -> the same."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = attend(q, k, v)
        return self.out(attended.transpose(1, 2).reshape(batch, tokens, width))


class TransformerBlock(nn.Module):
    def __init__(self, width: int, heads: int, operations, **factory) -> None:
        super().__init__()
        self.attention_norm = operations.LayerNorm(width, **factory)
        self.attention = SelfAttention(width, heads, operations, **factory)
        self.mlp_norm = operations.LayerNorm(width, **factory)
        self.mlp = nn.Sequential(
            operations.Linear(width, 2 * width, **factory),
            nn.GELU(),
            operations.Linear(2 * width, width, **factory),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class TextEncoder(nn.Module):
    """Token ids [B, LENGTH] -> [B, LENGTH, width]. Padding is a word like any other, so no mask is needed."""

    def __init__(self, width: int = 128, depth: int = 2, heads: int = 4, operations=nn, dtype=None, device=None):
        super().__init__()
        factory = {"dtype": dtype, "device": device}
        self.embedding = operations.Embedding(len(VOCABULARY), width, **factory)
        self.position = nn.Parameter(0.3 * torch.randn(1, LENGTH, width, **factory))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, operations, **factory) for _ in range(depth))
        self.norm = operations.LayerNorm(width, **factory)

    def forward(self, ids: Tensor) -> Tensor:
        words = self.embedding(ids)
        x = words + self.position.to(words)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
