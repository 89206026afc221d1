"""CLIPScore: how near an image is to a text in the space of a CLIP-like model.

Hessel et al., "CLIPScore", 2021, without its factor of 2.5 and its cut at 0: the plain cosine.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .files import Known
from .networks import clip

KNOWN = (
    Known(
        "clip-vit-large-patch14/model.safetensors",
        "https://huggingface.co/openai/clip-vit-large-patch14",
        "config.json",
    ),
    Known(
        "CLIP-ViT-H-14-laion2B-s32B-b79K/model.safetensors",
        "https://huggingface.co/laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        "config.json",
    ),
    Known(
        "siglip-so400m-patch14-384/model.safetensors",
        "https://huggingface.co/google/siglip-so400m-patch14-384",
        "config.json, preprocessor_config.json, tokenizer.json and tokenizer_config.json",
    ),
)


class ClipScore:
    """Cosine of image and text, times `factor`."""

    needs_prompt = True

    def __init__(self, model: clip.Clip, name: str = "CLIP score", factor: float = 1.0):
        self.model = model
        self.name = name
        self.factor = factor

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B]."""
        return self.factor * (self.model.images(images) * self.model.texts(prompts)).sum(-1)


def load(path: Path, activation: str = "auto") -> ClipScore:
    return ClipScore(clip.load(path, "CLIP score", activation))
