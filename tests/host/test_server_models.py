"""Other kinds of model on a real server, through stock loaders: SD3 with pooled text, Flux, Wan video."""

from __future__ import annotations

import pytest

import tiny_files
from comfy_client import Client
from comfy_graph import Graph, Node
from shapes_graph import ROUNDING, difference, pictures, reports, winning_seed

SEEDS = {"sd3": 7, "flux": 7, "wan": 11}  # of which the first candidate is not the best
LATENTS = {
    "sd3": ("EmptySD3LatentImage", {"width": 64, "height": 64, "batch_size": 2}),
    "flux": ("EmptySD3LatentImage", {"width": 64, "height": 48, "batch_size": 1}),
    "wan": ("EmptyHunyuanLatentVideo", {"width": 64, "height": 64, "length": 5, "batch_size": 1}),
}


class TinyGraph(Graph):
    """A tiny model of one kind behind stock loaders, with a sampler and its picture."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.vae = self.node("VAELoader", vae_name=tiny_files.VAE_NAME)
        self.model = self.node("UNETLoader", unet_name=f"tiny_{kind}.safetensors", weight_dtype="default")

    def search(self, **settings: int) -> Node:
        values = {"prompt": "", "candidates": 5, "pruning": "none", "max_seconds": 0.0, "batch_size": 0} | settings
        verifier = self.node("TestOddVerifier", behaviour="brightness")
        return self.node("RandomSearch", model=self.model, vae=self.vae, verifier=verifier, **values)

    def ksampler(self, model: Node, seed: int, sampler_name: str) -> Node:
        positive, negative = (
            self.node("TestRandomConditioning", width=tiny_files.TEXT, pooled=tiny_files.POOLED, seed=seed_of_text)
            for seed_of_text in (1, 2)
        )
        node, settings = LATENTS[self.kind]
        return self.node(
            "KSampler",
            model=model,
            seed=seed,
            steps=3,
            cfg=2.0,
            sampler_name=sampler_name,
            scheduler="simple",
            denoise=1.0,
            positive=positive,
            negative=negative,
            latent_image=self.node(node, **settings),
        )

    def saved(self, sampled: Node) -> Node:
        decoded = self.node("VAEDecode", samples=sampled, vae=self.vae)
        return self.node("SaveImage", images=decoded, filename_prefix=self.kind)


@pytest.mark.parametrize("sampler_name", ["euler", "euler_ancestral"])
@pytest.mark.parametrize("kind", LATENTS)
def test_the_winners_seed_replays_on_every_kind_of_model(odd_client: Client, kind: str, sampler_name: str) -> None:
    graph = TinyGraph(kind)
    search = graph.search()
    sampled = graph.ksampler(search, SEEDS[kind], sampler_name)
    saved = graph.saved(sampled)
    report = graph.node("SearchReport", latent=sampled, search=search.out(1))
    shown = graph.node("PreviewAny", source=report.out(6))
    result = odd_client.run(graph).check()
    found, winners = reports(result, shown), pictures(odd_client, result, saved)
    images = LATENTS[kind][1]["batch_size"]
    assert len(found) == images
    for item, report in enumerate(found):
        assert len(report["candidates"]) == 5
        assert report["best"]["score"] > report["baseline"]["score"]
        stock = TinyGraph(kind)
        replayed = stock.saved(stock.ksampler(stock.model, winning_seed(report), sampler_name))
        again = pictures(odd_client, odd_client.run(stock).check(), replayed)
        frames = len(again) // images
        ours, theirs = (shot[item * frames : (item + 1) * frames] for shot in (winners, again))
        assert difference(ours, theirs) <= ROUNDING
