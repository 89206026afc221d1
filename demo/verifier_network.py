"""A small CLIP: one tower for pictures, one for captions; the score is the scaled cosine of their embeddings."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .text_encoder import TextEncoder, TransformerBlock

WIDTH = 128
GRID = 8
NORM_GROUPS = 8
SIDE = 64
"""Pictures of other sizes are resized to this."""


class ResidualConv(nn.Module):
    def __init__(self, width: int, operations, **factory) -> None:
        super().__init__()
        self.norm = operations.GroupNorm(NORM_GROUPS, width, **factory)
        self.conv_in = operations.Conv2d(width, width, 3, padding=1, **factory)
        self.conv_out = operations.Conv2d(width, width, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_out(F.silu(self.conv_in(F.silu(self.norm(x)))))


class ImageTower(nn.Module):
    """Pictures [B, 3, 64, 64] in -1..1 -> embeddings [B, WIDTH]: convolutions to an 8x8 grid, then attention."""

    def __init__(self, depth: int, operations, **factory) -> None:
        super().__init__()
        self.stem = operations.Conv2d(3, 32, 5, stride=2, padding=2, **factory)
        self.down = operations.Conv2d(32, 64, 3, stride=2, padding=1, **factory)
        self.fine = ResidualConv(64, operations, **factory)
        self.down_again = operations.Conv2d(64, WIDTH, 3, stride=2, padding=1, **factory)
        self.coarse = ResidualConv(WIDTH, operations, **factory)
        self.position = nn.Parameter(0.1 * torch.randn(1, GRID * GRID, WIDTH, **factory))
        self.blocks = nn.ModuleList(TransformerBlock(WIDTH, 4, operations, **factory) for _ in range(depth))
        self.norm = operations.LayerNorm(WIDTH, **factory)
        self.project = operations.Linear(WIDTH, WIDTH, **factory)

    def forward(self, images: Tensor) -> Tensor:
        h = self.fine(self.down(F.silu(self.stem(images))))
        h = self.coarse(self.down_again(F.silu(h)))
        h = h.flatten(2).transpose(1, 2)
        h = h + self.position.to(h)
        for block in self.blocks:
            h = block(h)
        return self.project(self.norm(h).mean(dim=1))


class ShapesVerifierNetwork(nn.Module):
    """`operations` is torch.nn for training, or the host's comfy.ops."""

    def __init__(self, depth: int = 2, operations=nn, dtype=None, device=None) -> None:
        super().__init__()
        factory = {"dtype": dtype, "device": device}
        self.image_tower = ImageTower(depth, operations, **factory)
        self.text_tower = TextEncoder(WIDTH, depth, operations=operations, **factory)
        self.text_project = operations.Linear(WIDTH, WIDTH, **factory)
        self.log_scale = nn.Parameter(torch.full((), 2.0, **factory))

    def embed_images(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in -1..1 -> unit vectors [B, WIDTH]."""
        if images.shape[2:] != (SIDE, SIDE):
            images = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return F.normalize(self.image_tower(images).float(), dim=-1)

    def embed_texts(self, ids: Tensor) -> Tensor:
        """Token ids [..., LENGTH] -> unit vectors [..., WIDTH]."""
        words = self.text_tower(ids.flatten(end_dim=-2))
        return F.normalize(self.text_project(words.mean(dim=1)).float(), dim=-1).unflatten(0, ids.shape[:-1])

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with."""
        return self.log_scale.float().exp().clamp(max=100.0)

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        """Scores [B] of pictures [B, 3, H, W] in -1..1 for texts [B, LENGTH]."""
        return self.scale * (self.embed_images(images) * self.embed_texts(ids)).sum(dim=-1)
