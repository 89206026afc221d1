"""Custom nodes for tests: signs that say something else for each seed, and a VAE that makes signs of latents."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))
from sign import sign


class Sign:
    """The text of the seed."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"seed": ("INT", {"max": 2**64 - 1}), "texts": ("STRING",)}}

    def make(self, seed: int, texts: str) -> tuple[torch.Tensor]:
        choices = texts.split("|")
        return (sign(choices[seed % len(choices)])[None],)


class SignVAE:
    """Each latent has its text: the next one, in the order in which it was first seen."""

    def __init__(self, texts: list[str]):
        self.texts = texts
        self.seen: dict[int, int] = {}

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        numbers = [self.seen.setdefault(hash(latent.numpy().tobytes()), len(self.seen)) for latent in samples]
        return torch.stack([sign(self.texts[number % len(self.texts)]) for number in numbers])


class MakeSignVAE:
    RETURN_TYPES = ("VAE",)
    FUNCTION = "make"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"texts": ("STRING",)}}

    def make(self, texts: str) -> tuple[SignVAE]:
        return (SignVAE(texts.split("|")),)


NODE_CLASS_MAPPINGS = {"Sign": Sign, "MakeSignVAE": MakeSignVAE}
