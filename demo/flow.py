"""Flow matching: x_t = (1 - t) image + t noise, velocity = noise - image; and a plain Euler sampler for it."""

from itertools import pairwise

import torch
from torch import Tensor

from .text_encoder import TextEncoder
from .unet import UNet

TIME_MEAN = 0.4
TIME_STD = 1.2
"""Training times are the sigmoid of a normal variable: more of them at the noisy end, where layouts are decided."""


def random_times(count: int, generator: torch.Generator) -> Tensor:
    """[count] in 0..1."""
    return torch.sigmoid(torch.randn(count, generator=generator) * TIME_STD + TIME_MEAN)


def interpolate(image: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t for images [B, 3, H, W] and times [B]."""
    return torch.lerp(image, noise, t[:, None, None, None])


@torch.inference_mode()
def euler(unet: UNet, text: TextEncoder, noise: Tensor, ids: Tensor, steps: int = 20, cfg: float = 3.0) -> Tensor:
    """Pictures in -1..1, [B, 3, H, W], for noise of that shape and token ids [B, LENGTH]; even time steps."""
    x = noise
    context = text(torch.cat([ids, torch.zeros_like(ids)]))
    times = torch.linspace(1.0, 0.0, steps + 1)
    for t, t_next in pairwise(times):
        guided, plain = unet(torch.cat([x, x]), t.expand(2 * len(x)), context).chunk(2)
        x = x + (t_next - t) * (plain + cfg * (guided - plain))
    return x
