"""HPS v2 and v2.1 (Wu et al., "Human Preference Score v2", 2023): an OpenCLIP ViT-H/14 trained on people's rankings.

The score is the cosine, as in the authors' package: about 0.2 to 0.35. That package sees the whole image, its long side
resized to 224 on floats and the rest black; so do we.
"""

from __future__ import annotations

from pathlib import Path

from .clip_score import ClipScore
from .files import Known
from .networks import clip
from .networks.pixels import Pipeline

KNOWN = (
    Known("HPS_v2.1_compressed.pt", "https://huggingface.co/xswu/HPSv2"),
    Known("HPS_v2_compressed.pt", "https://huggingface.co/xswu/HPSv2"),
)


def load(path: Path) -> ClipScore:
    name = "HPS v2.1" if "2.1" in path.name else "HPS v2"  # nothing in the weights tells
    return ClipScore(clip.load(path, name, "gelu", Pipeline(224, "pad", levels=False)), name)
