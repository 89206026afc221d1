"""Other models on a real server, through stock loaders: SD3 with pooled text, Flux, Wan video; LoRA and ControlNet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tiny_files
from comfy_client import Client
from comfy_graph import Graph, Link, Node
from shapes_graph import ROUNDING, difference, pictures, reports, winning_seed

SEEDS = {"sd3": 9, "flux": 7, "wan": 11}  # of which the first candidate is not the best
LATENTS = {
    "sd3": ("EmptySD3LatentImage", {"width": 64, "height": 64}),
    "flux": ("EmptySD3LatentImage", {"width": 64, "height": 48}),
    "wan": ("EmptyHunyuanLatentVideo", {"width": 64, "height": 64, "length": 5}),
}
IMAGES = {"sd3": 2, "flux": 1, "wan": 1}


class TinyGraph(Graph):
    """A tiny model of one kind behind stock loaders, with a sampler of so many images and its picture."""

    def __init__(self, kind: str, images: int = 1) -> None:
        super().__init__()
        self.kind = kind
        self.images = images
        self.vae = self.node("VAELoader", vae_name=tiny_files.VAE_NAME)
        self.model = self.node("UNETLoader", unet_name=f"tiny_{kind}.safetensors", weight_dtype="default")

    def search(self, **settings: Any) -> Node:
        values = {"prompt": "", "candidates": 5, "pruning": "none", "max_seconds": 0.0, "batch_size": 0} | settings
        verifier = self.node("TestOddVerifier", behaviour="brightness")
        return self.node("RandomSearch", model=self.model, vae=self.vae, verifier=verifier, **values)

    def ksampler(self, model: Node, seed: int, sampler_name: str) -> Node:
        positive, negative = self.texts()
        node, settings = LATENTS[self.kind]
        return self.node(
            "KSampler",
            model=model,
            seed=seed,
            steps=6,
            cfg=2.0,
            sampler_name=sampler_name,
            scheduler="simple",
            denoise=1.0,
            positive=positive,
            negative=negative,
            latent_image=self.node(node, **(settings | {"batch_size": self.images})),
        )

    def texts(self) -> list[Node | Link]:
        """Positive, negative."""
        return [
            self.node("TestRandomConditioning", width=tiny_files.TEXT, pooled=tiny_files.POOLED, seed=seed)
            for seed in (1, 2)
        ]

    def saved(self, sampled: Node) -> Node:
        decoded = self.node("VAEDecode", samples=sampled, vae=self.vae)
        return self.node("SaveImage", images=decoded, filename_prefix=self.kind)


class DressedGraph(TinyGraph):
    """Flux with a LoRA, and a ControlNet that is given so many hint images."""

    def __init__(self, images: int = 1, hints: int = 1, lora: float = 1.0, control: float = 10.0) -> None:
        super().__init__("flux", images)
        self.hints, self.control = hints, control
        name = tiny_files.FLUX_ADDITION
        self.model = self.node("LoraLoaderModelOnly", model=self.model, lora_name=name, strength_model=lora)

    def texts(self) -> list[Node | Link]:
        positive, negative = super().texts()
        hint = self._hint(0x000000)
        for color in [0xFFFFFF] * (self.hints - 1):
            hint = self.node("ImageBatch", image1=hint, image2=self._hint(color))
        controlled = self.node(
            "ControlNetApplyAdvanced",
            positive=positive,
            negative=negative,
            control_net=self.node("ControlNetLoader", control_net_name=tiny_files.FLUX_ADDITION),
            image=hint,
            strength=self.control,
            start_percent=0.0,
            end_percent=1.0,
        )
        return [controlled.out(0), controlled.out(1)]

    def _hint(self, color: int) -> Node:
        return self.node("EmptyImage", width=64, height=48, batch_size=1, color=color)


class CachedGraph(TinyGraph):
    """Under the host's cache, which skips steps that change little."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind, IMAGES[kind])
        settings = {"reuse_threshold": 3.0, "start_percent": 0.0, "end_percent": 1.0, "verbose": False}
        self.model = self.node("EasyCache", model=self.model, **settings)


class ReferenceGraph(TinyGraph):
    """Flux with a reference image, as the edit models take it."""

    def __init__(self, color: int = 0x2060F0) -> None:
        super().__init__("flux")
        self.color = color

    def texts(self) -> list[Node | Link]:
        image = self.node("EmptyImage", width=64, height=48, batch_size=1, color=self.color)
        reference = self.node("VAEEncode", pixels=image, vae=self.vae)
        return [self.node("ReferenceLatent", conditioning=text, latent=reference) for text in super().texts()]


@pytest.mark.parametrize("sampler_name", ["euler", "euler_ancestral"])
@pytest.mark.parametrize("kind", LATENTS)
def test_the_winners_seed_replays_on_every_kind_of_model(odd_client: Client, kind: str, sampler_name: str) -> None:
    found = check_replay(odd_client, partial(TinyGraph, kind, IMAGES[kind]), SEEDS[kind], sampler_name)
    for report in found:
        assert len(report["candidates"]) == 5
        assert report["best"]["score"] > report["baseline"]["score"]


@pytest.mark.parametrize("pruning", ["none", "progressive"])
@pytest.mark.parametrize(("images", "hints"), [(1, 1), (2, 1), (2, 2)])
def test_the_winners_seed_replays_with_a_lora_and_a_controlnet(
    odd_client: Client, images: int, hints: int, pruning: str
) -> None:
    check_replay(odd_client, partial(DressedGraph, images, hints), 7, "euler", pruning=pruning)


@pytest.mark.parametrize("pruning", ["none", "progressive"])
@pytest.mark.parametrize("kind", LATENTS)
def test_the_winners_seed_replays_under_a_cache(odd_client: Client, kind: str, pruning: str) -> None:
    check_replay(odd_client, partial(CachedGraph, kind), SEEDS[kind], "euler", pruning=pruning)


def test_the_cache_shows(odd_client: Client) -> None:
    graphs = CachedGraph("flux"), TinyGraph("flux")
    cached, plain = (picture(odd_client, graph, graph.model, 7, "euler") for graph in graphs)
    assert difference(cached, plain) > ROUNDING


@pytest.mark.parametrize("pruning", ["none", "progressive"])
def test_the_winners_seed_replays_with_a_reference_image(odd_client: Client, pruning: str) -> None:
    check_replay(odd_client, ReferenceGraph, 7, "euler", pruning=pruning)


def test_the_reference_image_shows(odd_client: Client) -> None:
    graphs = ReferenceGraph(), ReferenceGraph(color=0xF0F010)
    assert difference(*(picture(odd_client, graph, graph.model, 7, "euler") for graph in graphs)) > ROUNDING


def test_the_lora_and_each_hint_image_of_the_controlnet_show(odd_client: Client) -> None:
    graphs = [
        DressedGraph(2, 2),
        DressedGraph(2, 2, lora=0.0),
        DressedGraph(2, 2, control=0.0),
        DressedGraph(2, 1),
    ]
    shots = [picture(odd_client, graph, graph.model, 7, "euler") for graph in graphs]
    for other in shots[1:3]:
        for image in range(2):
            assert difference(shots[0][image], other[image]) > 4 * ROUNDING
    assert difference(shots[0][0], shots[3][0]) <= ROUNDING
    assert difference(shots[0][1], shots[3][1]) > 4 * ROUNDING


def picture(client: Client, graph: TinyGraph, model: Node, seed: int, sampler_name: str) -> np.ndarray:
    saved = graph.saved(graph.ksampler(model, seed, sampler_name))
    return pictures(client, client.run(graph).check(), saved)


def check_replay(
    client: Client, make: Callable[[], TinyGraph], seed: int, sampler_name: str, **settings: Any
) -> list[dict[str, Any]]:
    """Search, then see that each winner's seed gives its image without the search; the reports, one per image."""
    graph = make()
    search = graph.search(**settings)
    sampled = graph.ksampler(search, seed, sampler_name)
    saved = graph.saved(sampled)
    report = graph.node("SearchReport", latent=sampled, search=search.out(1))
    shown = graph.node("PreviewAny", source=report.out(6))
    result = client.run(graph).check()
    found, winners = reports(result, shown), pictures(client, result, saved)
    assert len(found) == graph.images
    for item, report in enumerate(found):
        stock = make()
        again = picture(client, stock, stock.model, winning_seed(report), sampler_name)
        frames = len(again) // graph.images
        ours, theirs = (shot[item * frames : (item + 1) * frames] for shot in (winners, again))
        assert difference(ours, theirs) <= ROUNDING
    return found
