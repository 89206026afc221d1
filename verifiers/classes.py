"""Probability that an image shows a class: CLIP zero-shot with prompt templates, or the linear head of DINOv2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import files
from .networks import clip
from .networks.managed import Managed
from .networks.towers import ImageTower, below, fill, linear

CHUNK = 64  # texts encoded at a time
NO_CLASS = "The class verifier needs at least one wanted class."
TEMPLATES = (  # the seven that Radford et al. 2021 found best on ImageNet
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


class ZeroShot:
    """wanted: class words of which an image should show one. others: what it could show instead."""

    name = "class"
    needs_prompt = False

    def __init__(self, model: clip.Clip, wanted: Sequence[str], others: Sequence[str], templates: Sequence[str]):
        self.model = model
        self.wanted = list(dict.fromkeys(wanted))
        self.classes = list(dict.fromkeys([*wanted, *others]))
        self.templates = list(templates) or list(TEMPLATES)
        self._vectors: Tensor | None = None
        if not self.wanted or len(self.classes) == len(self.wanted):
            raise ValueError(f"{NO_CLASS} CLIP and SigLIP need one other as well, to tell it from.")
        if bad := [template for template in self.templates if "{}" not in template]:
            raise ValueError(f"A prompt template needs {{}} where the class word goes: {bad[0]!r}.")

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B], the probability of the wanted classes together."""
        logits = self.model.scale * self.model.images(images) @ self._class_vectors().T
        return logits.softmax(-1)[:, : len(self.wanted)].sum(-1)

    def _class_vectors(self) -> Tensor:
        """[classes, D]: of each the mean over all templates, as a unit vector. Made when first needed."""
        if self._vectors is None:
            texts = [template.replace("{}", word) for word in self.classes for template in self.templates]
            vectors = torch.cat([self.model.texts(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])
            self._vectors = F.normalize(vectors.unflatten(0, (len(self.classes), -1)).mean(1), dim=-1)
        return self._vectors


class LinearHead(nn.Module):
    """Dinov2ForImageClassification of transformers: a linear layer on the class token and the mean of the patches."""

    def __init__(self, weights: dict[str, Tensor], style: clip.Style):
        super().__init__()
        self.image = ImageTower(below(weights, "image"), style)
        self.classifier = linear(weights, "classifier")
        fill(self, weights)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.image.tokens(pixels)
        patches = tokens[:, self.image.before_patches :]
        return self.classifier(torch.cat([tokens[:, 0], patches.mean(1)], dim=-1))


class LinearProbe:
    """wanted: numbers of the classes of which an image should show one."""

    name = "class"
    needs_prompt = False

    def __init__(self, network: LinearHead, pipeline: clip.Pipeline, wanted: Sequence[int]):
        self.managed = Managed(network)
        self.pipeline = pipeline
        self.wanted = list(wanted)

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B], the probability of the wanted classes together."""
        network = self.managed.ready(clip.memory(self.managed.network.image, self.pipeline, images))
        return network(self.pipeline(images, self.managed.device)).softmax(-1)[:, self.wanted].sum(-1).cpu()


def load(
    path: Path, wanted: Sequence[str], others: Sequence[str], templates: Sequence[str], activation: str = "auto"
) -> ZeroShot | LinearProbe:
    """CLIP-like models compare words; a DINOv2 model with a linear head has its own classes, by name or number."""
    config = files.config(path)
    if not str(config.get("model_type")).startswith("dinov2"):
        return ZeroShot(clip.load(path, "Class verifier", activation), wanted, others, templates)
    weights, style, pipeline = clip.dino_with_head(path, config)
    if not wanted:
        raise ValueError(NO_CLASS)
    labels = {label: int(number) for number, label in config.get("id2label", {}).items()}
    classes = [_number(word, labels, len(weights["classifier.weight"])) for word in wanted]
    with files.whole(path):
        return LinearProbe(LinearHead(weights, style), pipeline, classes)


def _number(word: str, labels: dict[str, int], classes: int) -> int:
    """The class of that name or number; a label of several names ("tench, Tinca tinca") goes by any of them."""
    names = {name.strip().lower(): number for label, number in labels.items() for name in [label, *label.split(",")]}
    number = names.get(word.strip().lower(), int(word) if word.strip().isdigit() else None)
    if number is None or number >= classes:
        raise ValueError(f"The model has no class {word!r}. It has {classes}, such as {', '.join(list(labels)[:5])}.")
    return number
