"""Prompts with search loops in them, on the demo model or on arithmetic alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from comfy_client import Result
from comfy_graph import Graph, Link, Node
from shapes_graph import SEED, ShapesGraph

RANDOM = "random"
ZERO_ORDER = "zero-order"
OF_OPEN = ("value", "run_outputs", "positive", "positives")


class Loop(NamedTuple):
    """The nodes of a loop around a sampler."""

    open: Node
    sampled: Node
    decoded: Node
    scored: Node
    close: Node


class LoopGraph(ShapesGraph):
    """The demo model in search loops."""

    def loop(self, seed: int | Link = SEED, candidates: int = 4, **given: Any) -> Loop:
        """A random search around a KSampler. given: `result`, and inputs of Open, Close and the sampler by name."""
        opened = self.open(seed, **{name: given.pop(name) for name in OF_OPEN if name in given})
        sampler = {name: given.pop(name) for name in ("steps", "sampler_name", "latent_image") if name in given}
        if "positives" in self.prompt[opened.id]["inputs"]:
            sampler["positive"] = opened.out(5)
        return self._closed(opened, self.ksampler(self.loader, opened.out(1), **sampler), random(candidates), given)

    def guided_loop(self, method: dict[str, Any], seed: int | Link = SEED, **given: Any) -> Loop:
        """A search around a SamplerCustomAdvanced."""
        opened = self.open(seed)
        return self._closed(opened, self.guided(self.cfg_guider(self.loader), opened.out(3)), method, given)

    def open(self, seed: int | Link = SEED, **given: Any) -> Node:
        return self.node("SearchLoopOpen", seed=seed, **given)

    def close(self, opened: Node, score: Node | Link, result: Node | Link, **given: Any) -> Node:
        return self.node("SearchLoopClose", flow=opened, score=score, result=result, **(random(4) | given))

    def zero_order(self, **settings: Any) -> Node:
        """A zero-order search as a patch on the model."""
        values = {"model": self.loader, "vae": self.loader.out(2), "verifier": self.verifier, "prompt": self.caption}
        return self.node("ZeroOrderSearch", max_seconds=0.0, batch_size=0, **(values | settings))

    def score(self, images: Node, prompt: str | Node | Link | None = None) -> Node:
        prompt = self.caption if prompt is None else prompt
        return self.node("VerifierScore", images=images, verifier=self.verifier, prompt=prompt)

    def shown(self, value: Node | Link) -> Node:
        return self.node("PreviewAny", source=value)

    def reported(self, close: Node) -> Node:
        """A node that shows the report's JSON."""
        return self.report(close, close)

    def _closed(self, opened: Node, sampled: Node, method: dict[str, Any], given: dict[str, Any]) -> Loop:
        decoded = self.decoded(sampled)
        scored = self.score(decoded)
        result = given.pop("result", decoded)
        return Loop(opened, sampled, decoded, scored, self.close(opened, scored, result, **(method | given)))


class Arithmetic(Graph):
    """A loop without a model: a formula of a, the candidate's seed, is its score and its result."""

    def __init__(self, formula: str, seed: int = 0, candidates: int = 4, **given: Any) -> None:
        super().__init__()
        self.open = self.node("SearchLoopOpen", seed=seed)
        self.formula = self.node("ComfyMathExpression", expression=formula, **{"values.a": self.open.out(1)})
        method = given if "method" in given else random(candidates) | given
        self.close = self.node("SearchLoopClose", flow=self.open, score=self.formula, result=self.formula, **method)
        self.shown = [self.node("PreviewAny", source=self.close.out(output)) for output in (0, 2, 3)]


def random(candidates: int) -> dict[str, Any]:
    return {"method": RANDOM, "method.candidates": candidates}


def zero_order(iterations: int, neighbors: int, cosine: float) -> dict[str, Any]:
    settings = {"iterations": iterations, "neighbors": neighbors, "cosine": cosine}
    return {"method": ZERO_ORDER, **{f"method.{name}": value for name, value in settings.items()}}


def times(result: Result, node: Node) -> int:
    """How often a node ran, or its copies in a loop."""
    return sum(data.get("display_node") == node.id for data in result.of("executing"))
