"""The paper's self-supervised verifier (Ma et al. 2025, figure 5): how alike, in features of CLIP, DINOv2 or SigLIP,
the model's x0 prediction at a low noise level and the final image are. No label and no prompt is needed.

It works on class-conditional models; on text-to-image models the authors found it nearly useless (table 8).
"""

from __future__ import annotations

from torch import Tensor

from .networks import clip

PAPER_LEVEL = 0.4


class FeatureConsistency:
    """See `base.NeedsPrediction`. level: noise level of the prediction, as flow time in 0..1."""

    name = "feature consistency"
    needs_prompt = False

    def __init__(self, model: clip.Clip, level: float = PAPER_LEVEL):
        self.model = model
        self.level = level

    def score_with_prediction(self, images: Tensor, predictions: Tensor, prompts: list[str]) -> Tensor:
        """images, predictions: [B, H, W, 3] in 0..1 -> [B], cosines."""
        return (self.model.images(images) * self.model.images(predictions)).sum(-1)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        raise RuntimeError(
            "it compares an image with what the model predicted on the way to it, and was given images alone. "
            "Use it on a search node that runs the sampler."
        )
