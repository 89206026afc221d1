"""The demo's prompt: one caption, sampled plainly and with a search, from the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfy_graph import Graph, Link, Node

STEPS = 20


@dataclass(frozen=True)
class Kit:
    """What a demo draws with: the nodes that load model and verifier, the verifier's inputs, size and cfg."""

    loader: str
    verifier: str
    inputs: dict[str, Any]
    width: int
    height: int
    cfg: float


SHAPES = Kit("LoadShapesModel", "LoadShapesVerifier", {}, 64, 64, 3.0)


@dataclass(frozen=True)
class Workflow:
    """The prompt, and the nodes whose output is of interest."""

    graph: Graph
    plain: Node
    search: Node
    baseline: Node
    winner: Node
    plot: Node
    candidates: Node
    report: Node


def build(prompt: str, candidates: int, seed: int, kit: Kit = SHAPES) -> Workflow:
    graph = Graph()
    model = graph.node(kit.loader)
    verifier = graph.node(kit.verifier, **kit.inputs)
    positive = graph.node("CLIPTextEncode", clip=model.out(1), text=prompt)
    negative = graph.node("CLIPTextEncode", clip=model.out(1), text="")
    latent = graph.node("EmptyLatentImage", width=kit.width, height=kit.height, batch_size=1)

    def sampler(patched: Link) -> Node:
        return graph.node(
            "KSampler",
            model=patched,
            seed=seed,
            steps=STEPS,
            cfg=kit.cfg,
            sampler_name="euler",
            scheduler="simple",
            positive=positive,
            negative=negative,
            latent_image=latent,
            denoise=1.0,
        )

    def save(images: Link, name: str) -> Node:
        return graph.node("SaveImage", images=images, filename_prefix=f"demo/{name}")

    def decoded(samples: Link) -> Link:
        return graph.node("VAEDecode", samples=samples, vae=model.out(2)).out()

    search = graph.node(
        "RandomSearch",
        model=model,
        vae=model.out(2),
        verifier=verifier,
        prompt=prompt,
        candidates=candidates,
        pruning="none",
        max_seconds=0.0,
        batch_size=0,
    )
    plain, searched = sampler(model.out()), sampler(search.out())
    report = graph.node("SearchReport", latent=searched, search=search.out(1))
    return Workflow(
        graph=graph,
        plain=plain,
        search=searched,
        baseline=save(decoded(plain.out()), "baseline"),
        winner=save(decoded(report.out(0)), "winner"),
        plot=save(report.out(1), "plot"),
        candidates=save(report.out(2), "candidates"),
        report=graph.node("PreviewAny", source=report.out(6)),
    )
