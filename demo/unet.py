"""The denoiser: a UNet over 4x4 patches that predicts the flow's velocity (noise - image).

64x64 pixels become 16x16 patches, then 8x8; attention sees the picture's patches and the words together.
`operations` is torch.nn for training, or the host's comfy.ops, so that one module serves both.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import attend

PATCH = 4
HEAD_WIDTH = 32
NORM_GROUPS = 8
TIME_FREQUENCIES = 32


def time_features(t: Tensor) -> Tensor:
    """Sines and cosines of the flow time t in 0..1: [B] -> [B, 2 * TIME_FREQUENCIES]."""
    steps = torch.arange(TIME_FREQUENCIES, device=t.device, dtype=torch.float32) / TIME_FREQUENCIES
    angles = t.float()[:, None] * 1000.0 * torch.exp(-math.log(1000.0) * steps)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ResBlock(nn.Module):
    """Two convolutions; the condition scales and shifts between them."""

    def __init__(self, width_in: int, width: int, condition: int, operations, **factory) -> None:
        super().__init__()
        self.norm_in = operations.GroupNorm(NORM_GROUPS, width_in, **factory)
        self.conv_in = operations.Conv2d(width_in, width, 3, padding=1, **factory)
        self.modulation = operations.Linear(condition, 2 * width, **factory)
        self.norm_out = operations.GroupNorm(NORM_GROUPS, width, **factory)
        self.conv_out = operations.Conv2d(width, width, 3, padding=1, **factory)
        self.skip = operations.Conv2d(width_in, width, 1, **factory) if width_in != width else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_out(F.silu(self.norm_out(h) * (1 + scale) + shift))
        return self.skip(x) + h


class TextImageAttention(nn.Module):
    """Every patch looks at all patches and at all words."""

    def __init__(self, width: int, text_width: int, side: int, operations, **factory) -> None:
        super().__init__()
        self.norm = operations.GroupNorm(NORM_GROUPS, width, **factory)
        self.query = operations.Linear(width, width, **factory)
        self.image_key_value = operations.Linear(width, 2 * width, **factory)
        self.text_key_value = operations.Linear(text_width, 2 * width, **factory)
        self.out = operations.Linear(width, width, **factory)
        self.position = nn.Parameter(0.02 * torch.randn(1, width, side, side, **factory))

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """x: [B, width, H, W]; text: [B, tokens, text_width]."""
        h = (self.norm(x) + self._positions(x)).flatten(2).transpose(1, 2)
        key_value = torch.cat([self.image_key_value(h), self.text_key_value(text)], dim=1)
        key, value = key_value.chunk(2, dim=-1)
        attended = attend(*map(self._split_heads, (self.query(h), key, value)))
        out = self.out(attended.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).reshape(x.shape)

    def _positions(self, x: Tensor) -> Tensor:
        """Learned positions, interpolated when the picture is not 64x64."""
        position = self.position.to(device=x.device)
        if position.shape[2:] != x.shape[2:]:
            position = F.interpolate(position.float(), size=x.shape[2:], mode="bilinear")
        return position.to(x.dtype)

    @staticmethod
    def _split_heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)


class UNet(nn.Module):
    """Velocity of pictures in -1..1 at flow time t (0 clean, 1 noise)."""

    def __init__(
        self, width: int = 96, text_width: int = 128, condition: int = 256, operations=nn, dtype=None, device=None
    ) -> None:
        super().__init__()
        factory = {"dtype": dtype, "device": device}
        self.dtype = dtype
        deep = 2 * width

        def block(width_in: int, width_out: int) -> ResBlock:
            return ResBlock(width_in, width_out, condition, operations, **factory)

        def attention(width_in: int, side: int) -> TextImageAttention:
            return TextImageAttention(width_in, text_width, side, operations, **factory)

        self.time_embedding = nn.Sequential(
            operations.Linear(2 * TIME_FREQUENCIES, condition, **factory),
            nn.SiLU(),
            operations.Linear(condition, condition, **factory),
        )
        self.text_embedding = operations.Linear(text_width, condition, **factory)
        self.patch_in = operations.Conv2d(3 * PATCH**2, width, 3, padding=1, **factory)
        self.encoder = nn.ModuleList([block(width, width), block(width, width)])
        self.down = operations.Conv2d(width, deep, 3, stride=2, padding=1, **factory)
        self.middle = nn.ModuleList([block(deep, deep) for _ in range(3)])
        self.middle_attention = nn.ModuleList([attention(deep, 8), attention(deep, 8)])
        self.up = operations.Conv2d(deep, width, 3, padding=1, **factory)
        self.decoder = nn.ModuleList([block(deep, width), block(width, width)])
        self.decoder_attention = attention(width, 16)
        self.norm_out = operations.GroupNorm(NORM_GROUPS, width, **factory)
        self.patch_out = operations.Conv2d(width, 3 * PATCH**2, 3, padding=1, **factory)

    def forward(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """x: [B, 3, H, W]; t: [B]; text: [B, tokens, text_width] -> [B, 3, H, W]."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % (2 * PATCH), 0, -height % (2 * PATCH)), mode="replicate")
        condition = self._condition(t, text)
        h = self.patch_in(F.pixel_unshuffle(x, PATCH))
        for block in self.encoder:
            h = block(h, condition)
        skip, h = h, self.down(h)
        for block, attention in zip(self.middle, self.middle_attention):
            h = attention(block(h, condition), text)
        h = self.middle[-1](h, condition)
        h = self.up(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.decoder[0](torch.cat([h, skip], dim=1), condition)
        h = self.decoder[1](self.decoder_attention(h, text), condition)
        velocity = F.pixel_shuffle(self.patch_out(F.silu(self.norm_out(h))), PATCH)
        return velocity[:, :, :height, :width]

    def _condition(self, t: Tensor, text: Tensor) -> Tensor:
        """One vector for time and text: [B, condition]."""
        time = self.time_embedding(time_features(t).to(text.dtype))
        return F.silu(time + self.text_embedding(text.mean(dim=1)))


def init_for_training(unet: UNet) -> None:
    """Every residual branch starts at zero, so that the fresh network is nearly linear."""
    for module in unet.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv_out.weight)
            nn.init.zeros_(module.conv_out.bias)
        if isinstance(module, TextImageAttention):
            nn.init.zeros_(module.out.weight)
