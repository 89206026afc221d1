"""Graphs of the pack's nodes with random values, most of them valid, made from the nodes' own definitions."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfy_graph import Graph, Link, Node
from in_process import JUDGES, KINDS

WRONG_VALUE, WRONG_LINK, BY_WIRE, OPTIONAL = 0.012, 0.006, 0.06, 0.7
LEFT_OUT = object()  # an input that is not there
ODD = [-1, 0, 1.5, 2**53 + 1, 2**64, -(2**63), float("nan"), float("inf"), True, None, "", "x", "1e3", "🙂", [], {}]
CHEAP = {  # the largest that is tried of what costs time, where the definition allows more
    "candidates": 6,
    "rank": 1,
    "keep": 3,
    "iterations": 2,
    "neighbors": 3,
    "paths": 2,
    "branches": 2,
    "count": 3,
    "steps": 6,
    "nfe": 40,
    "max_steps": 8,
    "search_steps": 6,
    "batch_size": 4,
    "frames": 4,
    "patience": 5,
    "max_seconds": 1e6,
    "answer_within": 1,
    "start_at_step": 3,
    "end_at_step": 10,
    "cfg": 9.0,
    "index": 3,
    "seed": 2**64 - 1,
    "noise_seed": 2**64 - 1,
}
SLOW = ("dpm_adaptive",)  # takes as many steps as it likes
GIVEN = ("answer_within",)  # left out, a search waits for minutes: nobody is there
SEARCHES = ("RandomSearch", "ZeroOrderSearch", "PathSearch")
RECIPES = (
    '{"seed": 7, "moves": []}',
    '{"seed": 3, "moves": [{"seed": 4, "cosine": 0.9}, {"seed": 5, "cosine": 0.5}]}',
    '{"seed": 7, "moves": [], "path": {"start": 0.2, "turns": [{"seed": 5, "up": 0.9, "down": 0.1}]}}',
    '[{"seed": 7, "moves": []}, {"seed": 8, "moves": []}]',
    "null",
    "seven",
    '{"seed": -7, "moves": []}',
)


@dataclass
class Made:
    """A graph, and where in it to look.

    image: the TestKeep of the image. search: the node that searches; reported: the TestKeep of its report; sampler: the
    node whose predictions are the search's. judge: the verifier, when the best score is what it says of the image.
    opened: the Search Loop Open, result: the link that its loop keeps. explicit: the TestKeep of a Verifier Score's
    outputs and images. is_odd: whether some value or link may be of a kind that its input is not.
    """

    graph: Graph
    image: Node
    search: Node | None = None
    reported: Node | None = None
    sampler: Node | None = None
    explicit: Node | None = None
    judge: str | None = None
    opened: Node | None = None
    result: Link | None = None
    is_odd: bool = False

    @property
    def prompt(self) -> dict[str, dict[str, Any]]:
        return self.graph.prompt

    def replayed(self, recipe: str) -> dict[str, dict[str, Any]]:
        """The prompt with this recipe where there was a search."""
        prompt = json.loads(json.dumps(self.prompt))
        opened = self.opened or self.search
        model = prompt[opened.id]["inputs"].get("model")
        replay = {"class_type": "ReplayNoise", "inputs": {"recipe": recipe} | ({"model": model} if model else {})}
        outputs = {1: 2, 3: 0} if self.opened else {0: 1}
        for node in prompt.values():
            for name, value in node["inputs"].items():
                if isinstance(value, list) and value[:1] == [opened.id] and value[1] in outputs:
                    node["inputs"][name] = [opened.id, outputs[value[1]]]
        prompt[opened.id] = replay
        if self.opened:
            prompt[self.image.id]["inputs"]["value0"] = self.result
        return only_for(prompt, self.image.id)

    def plain(self) -> dict[str, dict[str, Any]]:
        """The prompt without the search on its model."""
        prompt = json.loads(json.dumps(self.prompt))
        model = prompt[self.search.id]["inputs"]["model"]
        for node in prompt.values():
            for name, value in node["inputs"].items():
                if value == [self.search.id, 0]:
                    node["inputs"][name] = model
        return only_for(prompt, self.image.id)


def only_for(prompt: dict[str, dict[str, Any]], output: str) -> dict[str, dict[str, Any]]:
    """The nodes that this output needs."""
    needed, waiting = set(), [output]
    while waiting:
        at = waiting.pop()
        if at not in needed:
            needed.add(at)
            waiting += [value[0] for value in prompt[at]["inputs"].values() if isinstance(value, list)]
    return {node: prompt[node] for node in prompt if node in needed}


def random_graph(seed: int) -> Made:
    """The same for the same seed."""
    return _Maker(random.Random(seed)).make()


class _Maker:
    def __init__(self, rng: random.Random):
        self.rng = rng
        self.graph = Graph()
        self.is_odd = False
        self.known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS

    def make(self) -> Made:
        self.kind = self.rng.choice(KINDS)
        self.loader = self.graph.node("TestModel", kind=self.kind)
        self.vae = self.graph.node("TestVAE")
        self.positive = self.graph.node("TestConditioning", seed=1)
        self.negative = self.graph.node("TestConditioning", seed=2)
        sides = {"width": self.rng.choice((32, 64)), "height": self.rng.choice((32, 64, 72))}
        self.latent = self.node("EmptyLatentImage", **sides, batch_size=self.rng.choice((1, 1, 1, 2, 3)))
        form = self.rng.choices((self.patch, self.loop, self.explicit, self.replay), (62, 16, 14, 8))[0]
        made = form()
        made.is_odd = self.is_odd
        return made

    def patch(self) -> Made:
        """A search on a sampler's model."""
        model = self.loader.out(0)
        if self.maybe(0.2):
            model = self.scheduler(model).out(0)
        judge, verifier = self.verifier()
        search = self.searching(model, verifier)
        model = search.out(0)
        if self.maybe(0.03):
            model = self.searching(model, verifier).out(0)
        if self.maybe(0.15):
            model = self.scheduler(model).out(0)
        sampler = self.sampler(model)
        latent = sampler.out(0)
        made = Made(self.graph, self.kept(self.decoded(latent)), search, sampler=sampler)
        if self.graph.prompt[sampler.id]["inputs"].get("return_with_leftover_noise") != "enable":
            made.judge = judge
        if self.maybe(0.9):
            made.reported = self.reported(latent, search)
        if self.maybe(0.08):
            made.image = self.kept(self.decoded(self.second(model, latent)))
            made.judge = None
        return made

    def loop(self) -> Made:
        """A search around a sampler."""
        judge, verifier = self.verifier()
        opened = self.node("SearchLoopOpen")
        method = self.rng.choice(("random", "zero-order"))
        if method == "random" and self.maybe(0.6):
            sampler = self.node("KSampler", **self.wires(self.loader.out(0)), seed=opened.out(1))
        else:
            sampler = self.guided(self.loader.out(0), opened.out(3))
        decoded = self.decoded(sampler.out(0))
        scored = self.node("VerifierScore", images=decoded, verifier=verifier)
        close = self.node("SearchLoopClose", flow=opened, score=scored, result=decoded, method=method)
        made = Made(self.graph, self.kept(close.out(0)), close, judge=judge, opened=opened, result=decoded)
        made.reported = self.reported(close.out(0), close)
        return made

    def explicit(self) -> Made:
        """A list of candidates, and the best one picked from it."""
        judge, verifier = self.verifier()
        pivot = {"pivot": self.node("RandomNoise")} if self.maybe(0.4) else {}
        noises = self.node("NoiseCandidates", **pivot)
        if self.maybe(0.5) and not pivot:
            sampler = self.node("KSampler", **self.wires(self.loader.out(0)), seed=noises.out(1))
        else:
            sampler = self.guided(self.loader.out(0), noises.out(0))
        decoded = self.decoded(sampler.out(0))
        scored = self.node("VerifierScore", images=decoded, verifier=verifier)
        index = scored.out(2) if self.maybe(0.9) else self.value("SelectCandidate", "index")
        chosen = self.node("SelectCandidate", candidates=decoded, index=index)
        made = Made(self.graph, self.kept(chosen.out(0)), judge=judge)
        made.explicit = self.kept(scored.out(0), scored.out(1), scored.out(2), decoded)
        return made

    def replay(self) -> Made:
        """A recipe on a sampler's model or in its noise."""
        recipe = self.rng.choice(RECIPES)
        model = self.loader.out(0)
        if self.maybe(0.5):
            replay = self.node("ReplayNoise", recipe=recipe, model=model)
            latent = self.sampler(replay.out(1)).out(0)
        else:
            latent = self.guided(model, self.node("ReplayNoise", recipe=recipe).out(0)).out(0)
        return Made(self.graph, self.kept(self.decoded(latent)))

    def searching(self, model: Link, verifier: Link) -> Node:
        wires = {"model": model, "vae": self.vae, "verifier": verifier}
        levels = {}
        name = self.rng.choices(SEARCHES, (5, 3, 3))[0]
        if name == "PathSearch" and self.maybe(0.8):
            levels = self.rng.choice(
                (
                    {"start": 0.11, "forward": 0.78, "backward": 0.81},
                    {"start": 0.7, "forward": 0.1, "backward": 0.3},
                    {"start": 0.5, "forward": 0.2, "backward": 0.6},
                )
            )
        hurried = {"max_seconds": self.rng.choice((0.001, 0.02)), "candidates": 50} if self.maybe(0.08) else {}
        if hurried and name != "RandomSearch":
            hurried.pop("candidates")
        return self.node(name, **wires, **levels, **hurried)

    def verifier(self) -> tuple[str | None, Link]:
        """Its name, when it judges each image alone."""
        if self.maybe(0.75):
            kind = self.rng.choices(list(JUDGES), (6, 3, 1))[0]
            return kind, self.graph.node("TestVerifier", kind=kind).out(0)
        judges = [self.graph.node("TestVerifier", kind=self.rng.choice(list(JUDGES)[:2])) for _ in range(3)]
        parts = {f"verifiers.verifier{at}": judge for at, judge in enumerate(judges[: self.rng.randint(1, 3)])}
        weights = self.rng.choices(
            ("", "1", "1, 2", "1, 1, 0.5", "0, 0", "-1, 2", "nan, 1", "much"), (9, 1, 1, 1, 1, 1, 1, 1)
        )
        held = {"held_out": self.graph.node("TestVerifier", kind="darkness")} if self.maybe(0.3) else {}
        return None, self.node("EnsembleVerifier", **parts, **held, weights=weights[0]).out(0)

    def scheduler(self, model: Link) -> Node:
        """A Step Scheduler in any of its modes."""
        wires = {"mode.positive": self.positive, "mode.negative": self.negative, "mode.latent": self.latent}
        return self.node("StepScheduler", model=model, mode=self.rng.choice(("fixed", "budget", "adaptive")), **wires)

    def sampler(self, model: Link) -> Node:
        form = self.rng.choice(("KSampler", "KSampler", "KSamplerAdvanced", "SamplerCustom", "guided"))
        if form == "guided":
            noise = {"disable": 0.03, "recipe": 0.05, "list": 0.05, "seed": 1.0}
            kind = next(name for name, share in noise.items() if self.maybe(share))
            return self.guided(model, self.noise(kind))
        if form == "KSamplerAdvanced":
            given = {} if self.maybe(0.4) else {"add_noise": "enable", "start_at_step": 0, "end_at_step": 10_000}
            return self.node(form, **self.wires(model), **given)
        if form == "SamplerCustom":
            given = {"sampler": self.solver(), "sigmas": self.sigmas(model), "add_noise": not self.maybe(0.05)}
            return self.node(form, **self.wires(model), **given)
        return self.node(form, **self.wires(model))

    def guided(self, model: Link, noise: Link) -> Node:
        guide = {"model": model, "positive": self.positive, "negative": self.negative, "conditioning": self.positive}
        guider = self.node(self.rng.choice(("BasicGuider", "CFGGuider")), **guide)
        wires = {"noise": noise, "guider": guider, "sampler": self.solver(), "sigmas": self.sigmas(model)}
        return self.node("SamplerCustomAdvanced", **wires, latent_image=self.latent)

    def noise(self, kind: str) -> Link:
        if kind == "disable":
            return self.node("DisableNoise").out(0)
        if kind == "recipe":
            return self.node("ReplayNoise", recipe=self.rng.choice(RECIPES)).out(0)
        return self.node("NoiseCandidates" if kind == "list" else "RandomNoise").out(0)

    def second(self, model: Link, latent: Link) -> Link:
        """A second stage, which adds no noise."""
        given = {"add_noise": "disable", "latent_image": latent, "start_at_step": 2, "end_at_step": 10_000}
        return self.node("KSamplerAdvanced", **(self.wires(model) | given)).out(0)

    def wires(self, model: Link) -> dict[str, Any]:
        pair = {"positive": self.positive, "negative": self.negative}
        return {"model": model, **pair, "latent_image": self.latent}

    def solver(self) -> Link:
        return self.node("KSamplerSelect").out(0)

    def sigmas(self, model: Link) -> Link:
        if self.maybe(0.25):
            return self.scheduler(model).out(1)
        return self.node("BasicScheduler", model=model).out(0)

    def decoded(self, latent: Link) -> Link:
        return self.node("VAEDecode", samples=latent, vae=self.vae).out(0)

    def reported(self, latent: Link, search: Node) -> Node:
        report = self.node("SearchReport", latent=latent, search=search.out(1))
        return self.kept(*(report.out(at) for at in range(7)))

    def kept(self, *values: Link) -> Node:
        return self.graph.node("TestKeep", **{f"value{at}": value for at, value in enumerate(values)})

    def node(self, name: str, **given: Any) -> Node:
        """A node with random values for all that is not given; of that what it has no input for is left out."""
        inputs = self.known[name].INPUT_TYPES()
        values = self.values(name, inputs, given, "")
        return self.graph.node(name, **{name: value for name, value in values.items() if value is not LEFT_OUT})

    def values(self, node: str, inputs: dict[str, Any], given: dict[str, Any], prefix: str) -> dict[str, Any]:
        made: dict[str, Any] = {name: value for name, value in given.items() if name.startswith("verifiers.")}
        for group in ("required", "optional"):
            for name, definition in inputs.get(group, {}).items():
                at = prefix + name
                if at in given:
                    made[at] = self.link(given[at])
                elif group == "required" or name in GIVEN or self.maybe(OPTIONAL):
                    made[at] = self.drawn(name, definition)
                if definition[0] == "COMFY_DYNAMICCOMBO_V3":
                    options = {option["key"]: option["inputs"] for option in definition[1]["options"]}
                    made |= self.values(node, options.get(str(made[at]), {}), given, f"{at}.")
        return made

    def value(self, node: str, name: str) -> Any:
        inputs = self.known[node].INPUT_TYPES()
        return self.drawn(name, (inputs["required"] | inputs.get("optional", {}))[name])

    def drawn(self, name: str, definition: tuple[Any, ...]) -> Any:
        """A value for an input with this definition, now and then a wrong one, or one that comes over a wire."""
        kind, settings = definition[0], definition[1] if len(definition) > 1 else {}
        if self.maybe(WRONG_VALUE):
            return self.odd([*ODD, settings.get("min", 0) - 1, settings.get("max", 0) + 1])
        value = self.valid(name, kind, settings)
        if kind in ("INT", "FLOAT", "STRING") and self.maybe(BY_WIRE):
            carried = self.odd((-1, 0, 1.5, float("nan"), "x", None)) if self.maybe(0.25) else value
            return self.graph.node("TestValue", json=json.dumps(carried)).out(0)
        return value

    def odd(self, values: Sequence[Any]) -> Any:
        """One of these values, which may be of a kind that the input is not."""
        self.is_odd = True
        return self.rng.choice(values)

    def valid(self, name: str, kind: Any, settings: dict[str, Any]) -> Any:
        options = kind if isinstance(kind, list) else settings.get("options")
        if kind == "COMFY_DYNAMICCOMBO_V3":
            return self.rng.choice([option["key"] for option in options])
        if options:
            quick = [option for option in options if option not in SLOW]
            return "euler" if "euler" in quick and self.maybe(0.5) else self.rng.choice(quick)
        if kind == "BOOLEAN":
            return self.maybe(0.5)
        if name == "target":
            return self.rng.choice(("", "", "-0.01", "0", "0.02", "1000"))
        if kind == "STRING":
            return self.rng.choice(("a red circle", "a red circle", "a red circle", "", "🙂 <b>x</b>"))
        if kind == "INT":
            least, most = settings.get("min", 0), settings.get("max", 2**31)
            return self.rng.randint(least, min(most, CHEAP.get(name, most)))
        if kind == "FLOAT":
            return self.number(name, settings)
        return LEFT_OUT  # a socket

    def number(self, name: str, settings: dict[str, Any]) -> float:
        least, most = settings.get("min", 0.0), min(settings.get("max", 1.0), CHEAP.get(name, 1e9))
        if name == "max_seconds":
            return self.rng.choice((0.0, 0.0, 0.0, most))
        if name in ("cfg", "denoise") and self.maybe(0.6):
            return 1.0
        return self.rng.choice((least, most)) if self.maybe(0.1) else round(self.rng.uniform(least, most), 3)

    def link(self, value: Any) -> Any:
        """What was given; a link is now and then another one."""
        value = value.out(0) if isinstance(value, Node) else value
        if not isinstance(value, list) or not self.maybe(WRONG_LINK):
            return value
        self.is_odd = True
        other = str(self.rng.randint(1, len(self.graph.prompt)))
        return self.rng.choice((LEFT_OUT, ["999", 0], [value[0], 9], [other, 0], [str(len(self.graph.prompt) + 1), 0]))

    def maybe(self, share: float) -> bool:
        return self.rng.random() < share
