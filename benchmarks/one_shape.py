"""The class-conditional task on the demo model: captions of one shape, and the verifier as their classifier."""

from __future__ import annotations

import importlib
import random
from typing import Any

import torch
from torch import Tensor


def one_shape_captions(count: int) -> list[Any]:
    """`count` of the 105 captions of one shape with its color, and its size or not; the first n always the same."""
    chosen = [caption for size in (None, *_words().SIZES) for caption in _of_size(size)]
    random.Random(2026).shuffle(chosen)
    return chosen[:count]


class Classifier:
    """Log probability of the caption among the 35 or 70 captions of one shape that tell as much, with the demo's
    verifier as a zero-shot classifier: 0 when it is sure.
    """

    name, needs_prompt = "class", True

    def __init__(self, verifier: Any):
        importlib.import_module("comfy.model_management").load_models_gpu([verifier.patcher])
        self.verifier = verifier  # whose patcher keeps the network loaded
        self.network = verifier.patcher.model
        sizes = _words().SIZES
        groups = [_of_size(None), [caption for size in sizes for caption in _of_size(size)]]
        self.classes = [[str(caption) for caption in group] for group in groups]
        token_ids = importlib.import_module("noise_search.demo.tokens").token_ids
        self.texts = [
            self.network.embed_texts(torch.tensor([token_ids(text) for text in group])) for group in self.classes
        ]

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B captions of one shape -> [B], to 0."""
        embedded = self.network.embed_images(images.movedim(-1, 1).clamp(0, 1) * 2 - 1)
        return torch.stack([self._score(*pair) for pair in zip(embedded, prompts, strict=True)])

    def _score(self, image: Tensor, prompt: str) -> Tensor:
        kind = next(kind for kind, names in enumerate(self.classes) if prompt in names)
        logits = self.network.scale * self.texts[kind] @ image
        return logits.log_softmax(-1)[self.classes[kind].index(prompt)]


def _of_size(size: str | None) -> list[Any]:
    captions, words = importlib.import_module("noise_search.demo.captions"), _words()
    return [
        captions.Caption((captions.Group(1, color, shape, size),)) for color in words.COLORS for shape in words.SHAPES
    ]


def _words() -> Any:
    return importlib.import_module("noise_search.demo.words")
