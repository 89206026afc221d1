"""PickScore v1 (Kirstain et al., "Pick-a-Pic", 2023): a ViT-H/14 CLIP trained on which of two images people picked.

The score is the scaled cosine, as in the authors' example: about 17 to 24.
"""

from __future__ import annotations

from pathlib import Path

from .clip_score import ClipScore
from .files import Known
from .networks import clip

KNOWN = (Known("PickScore_v1/model.safetensors", "https://huggingface.co/yuvalkirstain/PickScore_v1", "config.json"),)


def load(path: Path, activation: str = "auto") -> ClipScore:
    model = clip.load(path, "PickScore", activation)
    return ClipScore(model, "PickScore", model.scale)
