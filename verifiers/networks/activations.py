"""Which activation a CLIP was trained with, where no config tells: quick_gelu or gelu.

OpenAI's models and their fine-tunes have quick_gelu, most others gelu. Names and shapes are the same, and weights run
with either: with the wrong one their scores are poor. What is taken is said in the log, and why.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from ..files import Weights

CHOICES = ("auto", "quick_gelu", "gelu")
OPENAI, OTHERS = "quick_gelu", "gelu"
WIDEST_OPENAI = 1024
OPENAI_ENTRIES = ("input_resolution", "context_length", "vocab_size")


def choose(
    path: Path, title: str, weights: Weights, family: str | None, open_clip: dict[str, Any], openai: bool = False
) -> str:
    """For a CLIP without a transformers config.

    weights: in this pack's names, beside whatever else the file has. open_clip: its config, maybe empty. openai:
    whether one of OpenAI's is wanted, which is then taken when nothing tells.
    """
    if model := open_clip.get("model_cfg"):
        return OPENAI if model.get("quick_gelu") else OTHERS
    if sign := _of_openai(weights, family):
        logging.info("%s: activation %s for %s, because %s.", title, OPENAI, path.name, sign)
        return OPENAI
    taken, why = _guess(weights, family, openai)
    logging.warning(
        "%s: nothing in %s or beside it tells which activation the model was trained with. Taking %s: %s. With the "
        "wrong one scores are poor: OpenAI's models and their fine-tunes have quick_gelu, most others gelu. Choose it "
        "as activation on the node, or put the model's config.json beside the file.",
        title,
        path.name,
        taken,
        why,
    )
    return taken


def _of_openai(weights: Weights, family: str | None) -> str | None:
    """The sign that OpenAI's own code has saved these weights."""
    if found := [name for name in OPENAI_ENTRIES if name in weights]:
        return f"it has {found[0]}, as OpenAI's own files have"
    matrix, scale = weights.get("image.blocks.0.mlp.fc1.weight"), weights.get("image.blocks.0.norm1.weight")
    if family != "open_clip" or matrix is None or scale is None:
        return None
    if matrix.dtype == torch.float16 and scale.dtype == torch.float32:
        return "its matrices are in half precision and its norms in full, as OpenAI's own code leaves them"
    return None


def _guess(weights: Weights, family: str | None, openai: bool) -> tuple[str, str]:
    """An activation, and why."""
    if len(weights["image.norm_post.weight"]) > WIDEST_OPENAI:
        return OTHERS, "it is larger than any of OpenAI's"
    if openai:
        return OPENAI, "what it is for was trained with OpenAI's"
    if family == "open_clip":
        return OTHERS, "most models in OpenCLIP's names have it, which OpenAI's share"
    return OPENAI, "most models of its size in these names are OpenAI's"
