"""Prompts around the demo model and ComfyUI's stock nodes, and what comes back of them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image

from comfy_client import Client, Result
from comfy_graph import Graph, Link, Node

CAPTION = "a red circle left of a blue square"
SEED = 5
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m_sde")
ROUNDING = 2
"""Of 255: how far the same image may differ when it was computed beside others."""


class ShapesGraph(Graph):
    """A graph that begins with the demo model, its verifier, a caption and an empty latent. Small and few-stepped.

    captions: several make a list, for which ComfyUI runs everything behind it once each.
    """

    def __init__(self, *captions: str, side: int = 32, images: int = 1, steps: int = 4) -> None:
        super().__init__()
        self.caption: str | Node = self._list(captions) if len(captions) > 1 else (captions or (CAPTION,))[0]
        self.steps = steps
        self.loader = self.node("LoadShapesModel")
        self.verifier = self.node("LoadShapesVerifier")
        self.positive = self.node("CLIPTextEncode", clip=self.loader.out(1), text=self.caption)
        self.negative = self.node("CLIPTextEncode", clip=self.loader.out(1), text="")
        self.latent = self.node("EmptyLatentImage", width=side, height=side, batch_size=images)

    def _list(self, texts: tuple[str, ...]) -> Node:
        nodes = [self.node("PrimitiveString", value=text) for text in texts]
        return self.node("CreateList", **{f"inputs.input{index}": node for index, node in enumerate(nodes)})

    def search(self, candidates: Any = 4, **settings: Any) -> Node:
        values = {"model": self.loader, "vae": self.loader.out(2), "verifier": self.verifier, "prompt": self.caption}
        values |= {"pruning": "none", "max_seconds": 0.0, "batch_size": 0}
        return self.node("RandomSearch", **(values | {"candidates": candidates} | settings))

    def ksampler(self, model: Node | Link, seed: int | Link = SEED, **settings: Any) -> Node:
        values = {"steps": self.steps, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
        values |= {"positive": self.positive, "negative": self.negative, "latent_image": self.latent}
        return self.node("KSampler", model=model, seed=seed, **(values | settings))

    def advanced(self, model: Node | Link, seed: int = SEED, **settings: Any) -> Node:
        values = {"steps": self.steps, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"}
        values |= {"add_noise": "enable", "start_at_step": 0, "end_at_step": 10000}
        values |= {"return_with_leftover_noise": "disable"}
        values |= {"positive": self.positive, "negative": self.negative, "latent_image": self.latent}
        return self.node("KSamplerAdvanced", model=model, noise_seed=seed, **(values | settings))

    def custom(self, model: Node | Link, seed: int = SEED, sampler_name: str = "euler") -> Node:
        return self.node(
            "SamplerCustom",
            model=model,
            add_noise=True,
            noise_seed=seed,
            cfg=1.0,
            positive=self.positive,
            negative=self.negative,
            sampler=self.node("KSamplerSelect", sampler_name=sampler_name),
            sigmas=self._sigmas(model),
            latent_image=self.latent,
        )

    def basic_guider(self, model: Node | Link) -> Node:
        return self.node("BasicGuider", model=model, conditioning=self.positive)

    def cfg_guider(self, model: Node | Link) -> Node:
        return self.node("CFGGuider", model=model, positive=self.positive, negative=self.negative, cfg=2.0)

    def guided(self, guider: Node, noise: Node | Link | int = SEED, sampler_name: str = "euler", **given: Any) -> Node:
        """A SamplerCustomAdvanced; noise: a NOISE, or a seed."""
        return self.node(
            "SamplerCustomAdvanced",
            noise=self.node("RandomNoise", noise_seed=noise) if isinstance(noise, int) else noise,
            guider=guider,
            sampler=self.node("KSamplerSelect", sampler_name=sampler_name),
            sigmas=given.get("sigmas") or self._sigmas(self.prompt[guider.id]["inputs"]["model"]),
            latent_image=self.latent,
        )

    def decoded(self, latent: Node | Link) -> Node:
        return self.node("VAEDecode", samples=latent, vae=self.loader.out(2))

    def saved(self, latent: Node | Link) -> Node:
        return self.node("SaveImage", images=self.decoded(latent), filename_prefix="test")

    def report(self, sampled: Node | Link, search: Node) -> Node:
        """A node that shows the report's JSON."""
        report = self.node("SearchReport", latent=sampled, search=search.out(1))
        return self.node("PreviewAny", source=report.out(6))

    def _sigmas(self, model: Node | Link) -> Node:
        return self.node("BasicScheduler", model=model, scheduler="simple", steps=self.steps, denoise=1.0)


def pictures(client: Client, result: Result, node: Node) -> np.ndarray:
    """What a SaveImage or PreviewImage saved: [N, H, W, 3], integers in 0..255."""
    files = client.images(result, node)
    return np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16) for data in files])


def difference(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of any pixel, of 255."""
    assert one.shape == other.shape
    return int(np.abs(one - other).max())


def reports(result: Result, node: Node) -> list[dict[str, Any]]:
    """The reports shown by a ShapesGraph.report, one per image; of a list of searches, all of them."""
    found: list[dict[str, Any]] = []
    for text in result.output(node)["text"]:
        read = json.loads(text)
        found += read if isinstance(read, list) else [read]
    return found


def winning_seed(report: dict[str, Any]) -> int:
    assert report["best"]["recipe"]["moves"] == []
    return report["best"]["recipe"]["seed"]


def inside_subgraph(prompt: dict[str, dict[str, Any]], parent: str = "8") -> dict[str, dict[str, Any]]:
    """The prompt as the front end sends it when all its nodes are in a subgraph: ids like 8:3."""

    def moved(value: Any) -> Any:
        return [f"{parent}:{value[0]}", value[1]] if isinstance(value, list) else value

    return {
        f"{parent}:{node_id}": node | {"inputs": {name: moved(value) for name, value in node["inputs"].items()}}
        for node_id, node in prompt.items()
    }
