"""Two more judges for experiments with several verifiers: one that can be fooled, and one that can not."""

import torch
from torch import Tensor

from .captions import parse
from .oracle import check


class Colorfulness:
    """Spread and mean of the opponent colors red-green and yellow-blue (Hasler and Süsstrunk 2003)."""

    name = "colorfulness"
    needs_prompt = False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B], from 0."""
        red, green, blue = images[..., :3].flatten(1, 2).unbind(-1)
        opponents = torch.stack([red - green, (red + green) / 2 - blue])
        return opponents.std(-1).norm(dim=0) + 0.3 * opponents.mean(-1).norm(dim=0)


class Oracle:
    """Share of a caption's parts that the picture shows, by the program that knows how pictures are drawn."""

    name = "oracle"
    needs_prompt = True

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, 64, 64, 3] in 0..1; prompts: B captions -> [B], 0..1."""
        pictures = images[..., :3].cpu().numpy()
        return torch.tensor([check(picture, parse(prompt)).share for picture, prompt in zip(pictures, prompts)])
