"""Searches of every method on small models, whose network, VAE and verifier go wrong when they are told to."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from node_calls import NODE_ID, call, node_class
from small_models import Brightness, SmallVAE, sample, small_model

STEPS = 8
METHODS = {
    "random": ("RandomSearch", {"candidates": 6}),
    "pruned": ("RandomSearch", {"candidates": 6, "pruning": "progressive"}),
    "look ahead": ("RandomSearch", {"candidates": 6, "pruning": "look ahead"}),
    "auto": ("AutoSearch", {"budget": 8}),
    "zero-order": ("ZeroOrderSearch", {"iterations": 2, "neighbors": 3, "cosine": 0.9}),
    "paths": ("PathSearch", {"paths": 2, "branches": 2, "start": 0.6, "forward": 0.2, "backward": 0.4}),
    "drafts": ("RandomSearch", {"candidates": 6, "search_steps": 3}),
}
STAGES = ("network", "vae", "verifier")


class Calls:
    """Counts calls, and does something at one of them. most: more at once than that do not fit in memory."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.most: int | None = None
        self.at: dict[int, Callable[[], None]] = {}

    def note(self, size: int) -> None:
        if self.most is not None and size > self.most:
            raise torch.cuda.OutOfMemoryError("injected")
        self.sizes.append(size)
        self.at.get(len(self.sizes), lambda: None)()


class WatchedVAE(SmallVAE):
    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()

    def decode(self, latents: Tensor) -> Tensor:
        self.calls.note(len(latents))
        return super().decode(latents)


class WatchedVerifier(Brightness):
    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.calls.note(len(images))
        return super().score(images, prompts)


def searching(method: str = "random", vae: Any = None, verifier: Any = None, **settings: Any) -> SimpleNamespace:
    """model: a MODEL with the search on it, stock: without; search: what it records; calls: of each of STAGES."""
    stock = small_model("FLOW")
    network = Calls()
    stock.model.diffusion_model.register_forward_pre_hook(lambda _module, given: network.note(len(given[0])))
    vae, verifier = vae or WatchedVAE(), verifier or WatchedVerifier()
    node, own = METHODS[method]
    inputs = {"model": stock, "vae": vae, "verifier": verifier, "prompt": ""}
    model, record = call(node, **(inputs | own | settings))
    watched = {"network": network, "vae": getattr(vae, "calls", None), "verifier": getattr(verifier, "calls", None)}
    return SimpleNamespace(model=model, stock=stock, search=record, verifier=verifier, calls=watched)


def title(method: str) -> str:
    """How messages name the search node."""
    return f"{node_class(METHODS[method][0]).define_schema().display_name} (node {NODE_ID})"


def run(model: Any, **settings: Any) -> Tensor:
    return sample(model, **({"steps": STEPS} | settings))
