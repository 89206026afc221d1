"""Likeness to one or more reference images: the cosine of CLIP, DINOv2 or SigLIP features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .files import Known
from .networks import clip

DINO = Known(
    "dinov2-base/model.safetensors",
    "https://huggingface.co/facebook/dinov2-base",
    "config.json and preprocessor_config.json",
)
CHUNK = 16


class Reference:
    """references: images [B, H, W, 3] of any sizes. nearest: compare with the most alike one, else with their mean."""

    name = "reference"
    needs_prompt = False

    def __init__(self, model: clip.Clip, references: Sequence[Tensor], nearest: bool = False):
        self.model = model
        self.references = list(references)
        self.nearest = nearest
        self._features: Tensor | None = None

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B], the best or the mean of the cosines with all references."""
        cosines = self.model.images(images) @ self._of_references().T
        return cosines.amax(1) if self.nearest else cosines.mean(1)

    def _of_references(self) -> Tensor:
        """[references, D], made when first needed."""
        if self._features is None:
            parts = [part for batch in self.references for part in batch.split(CHUNK)]
            self._features = torch.cat([self.model.images(part) for part in parts])
        return self._features
