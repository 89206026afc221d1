"""Aesthetic predictors: a small head on the unit image vectors of a CLIP, most of OpenAI's ViT-L/14.

https://github.com/LAION-AI/aesthetic-predictor (linear), https://github.com/christophschuhmann/improved-aesthetic-predictor
(MLP). LAION's scores are about 3 to 8. Waifu Scorer's authors cut them at 0 and 10; here they are not, so that
candidates beyond differ. The prompt plays no part.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from . import files
from .files import Known
from .networks import clip, heads
from .networks.managed import Managed

HEADS = (
    Known(
        "sac+logos+ava1-l14-linearMSE.pth",
        "https://github.com/christophschuhmann/improved-aesthetic-predictor",
    ),
    Known("sa_0_4_vit_l_14_linear.pth", "https://github.com/LAION-AI/aesthetic-predictor"),
)
TOWERS = (
    Known(
        "clip-vit-large-patch14/model.safetensors",
        "https://huggingface.co/openai/clip-vit-large-patch14",
        "config.json",
    ),
)
WANTED = "an aesthetic predictor's head"


class Aesthetic:
    name = "aesthetic"
    needs_prompt = False

    def __init__(self, model: clip.Clip, head: heads.Head):
        self.model = model
        self.head = Managed(head)

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B]."""
        vectors = self.model.images(images)
        return self.head.ready()(vectors.to(self.head.device))[:, 0].cpu()


def load(head: Path, tower: Path, activation: str = "auto", head_activation: str = "auto") -> Aesthetic:
    """activation: of the CLIP; where neither its file nor a config tells it, OpenAI's, which most heads were trained
    with. head_activation: see `heads.read`."""
    network = load_head(head, head_activation)
    model = clip.load(tower, "Aesthetic", activation, text=False, openai=True)
    if model.width != network.inside:
        raise files.WeightsError(
            f"{head} judges image vectors of {network.inside} numbers, and {tower} makes some of {model.width}. A head "
            "needs the CLIP that it was trained with: LAION's and Waifu Scorer's OpenAI's CLIP ViT-L/14, Aesthetic "
            "Predictor V2.5 SigLIP so400m patch14-384."
        )
    logging.info("Aesthetic: %s is %s: %s; on unit vectors.", head.name, network.plan.about, network.plan)
    return Aesthetic(model, network)


def load_head(path: Path, activation: str = "auto") -> heads.Head:
    state = files.read(path)
    try:
        return heads.read(state, activation)
    except heads.Untold as error:
        raise files.WeightsError(f"{path} can not be scored yet: {error}") from error
    except heads.HeadError as error:
        raise files.WeightsError(f"{files.wrong(path, WANTED, state)} As a head, {error}") from error
