"""Random graphs of stock parts and stand-ins of other packs' parts, in this process, with and without a search."""

from __future__ import annotations

import importlib
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from in_process import Darkness
from small_models import Brightness, SmallVAE, conditioning, made_plan, small_model, small_unet
from strangers import DRAWER, Keeper, Stranger

TITLES = {"random": "Random Search", "zero-order": "Zero-Order Search", "paths": "Path Search"}
HOW_MANY = (1, 4, 4, 3)  # graphs with none, one, two, three strangers, in proportion
SOLVERS = (
    *("euler", "euler", "heun", "dpm_2", "lms", "dpmpp_2m", "uni_pc", "ddim", "dpm_fast"),
    *("euler_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "sa_solver", "lcm", "er_sde"),
)
PATHS = ((0.11, 0.78, 0.81), (0.7, 0.1, 0.3), (0.5, 0.2, 0.6))
PLACES = ("guider", "sampler", "noise", "vae", "listener", "conditioning", "call")  # where one stranger hangs at most


class Ran(NamedTuple):
    """samples: of each sampler call. heard: what a listener kept. rows: predictions of the network, a CFG pair as
    one."""

    samples: list[Tensor]
    heard: list[tuple[Tensor, Tensor]]
    rows: int


@dataclass(frozen=True)
class StrangerGraph:
    """form: the node that samples. method: its name and settings; limits: as Limits has them.
    tells_noise: whether a stranger's NOISE goes into the search node as well."""

    seed: int
    strangers: tuple[Stranger, ...]
    model: str
    form: str
    shape: tuple[int, ...]
    places: tuple[int, ...]
    is_masked: bool
    user_seed: int
    sampler: tuple[str, str, int, float, float]  # solver, scheduler, steps, cfg, denoise
    method: tuple[str, dict[str, Any]]
    limits: dict[str, int]
    verifier: str
    tells_noise: bool

    def __str__(self) -> str:
        told = [f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__ if name != "strangers"]
        return f"{[stranger.name for stranger in self.strangers]}, {', '.join(told)}"

    def on(self, place: str) -> Stranger | None:
        return next((stranger for stranger in self.strangers if stranger.hangs == place), None)

    @cached_property
    def base(self) -> Any:
        """The MODEL with the strangers on it, and a count of its network's predictions."""
        model = small_unet() if self.model == "UNET" else small_model(self.model)
        self.rows.clear()

        def count(_network: Any, given: tuple[Any, ...], named: dict[str, Any], _out: Any) -> None:
            parts = named["transformer_options"]["cond_or_uncond"]
            self.rows.append(len(given[0]) // len(parts) * parts.count(0))

        model.model.diffusion_model.register_forward_hook(count, with_kwargs=True)
        model = model.clone()
        for stranger in self.strangers:
            if stranger.hangs == "model":
                stranger.make(model)
        return model

    @cached_property
    def rows(self) -> list[int]:
        return []

    @cached_property
    def vae(self) -> Any:
        stranger = self.on("vae")
        return stranger.make(SmallVAE()) if stranger else SmallVAE()

    @cached_property
    def judge(self) -> Any:
        return {"brightness": Brightness, "darkness": Darkness}[self.verifier]()

    @property
    def title(self) -> str:
        return TITLES[self.method[0]]

    @property
    def plan(self) -> Any:
        methods = importlib.import_module("noise_search.search.methods")
        name, settings = self.method
        return made_plan(f"{self.title} (node 9)", methods.registered()[name](**settings), **self.limits)

    def searching(self) -> tuple[Any, Any]:
        """The MODEL with the search on it, and its SEARCH."""
        patch = importlib.import_module("noise_search.search.patch")
        return patch.put_on(self.base, self.plan, self.vae, self.judge, "", self._told_noise)

    def replaying(self, recipes: list[Any]) -> Any:
        replay = importlib.import_module("noise_search.search.replay")
        return replay.put_replay_on(self.base, recipes, "Replay Noise", self._told_noise)

    @property
    def _told_noise(self) -> Any:
        noise = self.on("noise")
        return noise.make(self.user_seed) if noise and self.tells_noise else None

    def scores(self, samples: Tensor) -> list[float]:
        images = self.vae.decode(samples.float())
        return self.judge.score(images, [""] * len(images)).tolist()

    def run(self, model: Any, seed: int) -> Ran:
        """The graph's sampler node with this seed."""
        heard = Keeper()
        self.rows.clear()

        def sample(model: Any, seed: int, latent: dict[str, Any], noise: Any = None) -> Tensor:
            return self._sample(model, seed, latent, noise, heard)

        call = self.on("call")
        with torch.inference_mode():
            samples = call.make(sample, model, seed, self._latent) if call else [sample(model, seed, self._latent)]
        return Ran([one.float().clone() for one in samples], heard.heard, sum(self.rows))

    @property
    def _latent(self) -> dict[str, Any]:
        denoise = self.sampler[-1]
        start = torch.linspace(-1, 1, torch.Size(self.shape).numel()).reshape(self.shape)
        latent: dict[str, Any] = {"samples": start if denoise < 1 or self.is_masked else torch.zeros(self.shape)}
        if self.is_masked:
            height, width = self.shape[-2:]
            latent["noise_mask"] = torch.linspace(0, 1.4, height * width).reshape(1, height, width).clamp(max=1).round()
        if self.places:
            latent["batch_index"] = list(self.places)
        return latent

    def _sample(self, model: Any, seed: int, latent: dict[str, Any], noise: Any, listener: Keeper) -> Tensor:
        nodes, custom = importlib.import_module("nodes"), importlib.import_module("comfy_extras.nodes_custom_sampler")
        positive, negative = conditioning(1), conditioning(2)
        if conditioned := self.on("conditioning"):
            positive = conditioned.make(positive)
        solver, scheduler, steps, cfg, denoise = self.sampler
        if self.form == "KSampler" and noise is None:
            settings = model, seed, steps, cfg, solver, scheduler, positive, negative, latent, denoise
            return nodes.common_ksampler(*settings)[0]["samples"]
        samplers = importlib.import_module("comfy.samplers")
        made = self.on("guider")
        guider = made.make(model) if made else samplers.CFGGuider(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        made = self.on("sampler")
        sampler = made.make() if made else samplers.sampler_object(solver)
        sampling = model.get_model_object("model_sampling")
        sigmas = samplers.calculate_sigmas(sampling, scheduler, round(steps / denoise))[-(steps + 1) :]
        made = self.on("noise")
        noise = noise or (made.make(seed) if made else custom.Noise_RandomNoise(seed))
        if self.on("listener") is None:
            return custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent)[0]["samples"]
        samples = latent["samples"]
        mask = latent.get("noise_mask")
        given = noise.generate_noise(latent), samples, sampler, sigmas
        return guider.sample(*given, denoise_mask=mask, callback=listener, disable_pbar=True, seed=noise.seed)


def stranger_graph(seed: int) -> StrangerGraph:
    """The same for the same seed."""
    rng = random.Random(seed)
    strangers = _drawn(rng)
    hangs = {stranger.hangs for stranger in strangers}
    kinds = ("EPS", "V_PREDICTION", "FLOW", "UNET", "UNET")
    model = "UNET" if any(stranger.needs_unet for stranger in strangers) else rng.choice(kinds)
    batch = rng.choice((1, 1, 1, 1, 2, 3))
    plain = not hangs & {"noise", "call"}
    return StrangerGraph(
        seed,
        strangers,
        model,
        "custom" if hangs & {"guider", "sampler", "noise", "listener"} else rng.choice(("KSampler", "custom")),
        (batch, 4, 8, rng.choice((8, 12))),
        tuple(sorted(rng.sample(range(90), batch))) if plain and rng.random() < 0.1 else (),
        plain and rng.random() < 0.15,
        rng.choice((7, 0, 2**32 - 2, 2**50 + 3)),
        (
            rng.choice(SOLVERS),
            rng.choice(("simple", "karras", "normal")),
            rng.randint(2, 7),
            rng.choice((1.0, 2.0, 2.0, 6.0)),
            0.6 if plain and rng.random() < 0.15 else 1.0,
        ),
        _method(rng),
        {
            "batch_size": rng.choice((0, 0, 1, 2, 3, 4)),
            "search_steps": rng.choice((0, 0, 0, 2, 3)),
            "patience": rng.choice((0, 0, 0, 3)),
        },
        rng.choice(("brightness", "darkness")),
        rng.random() < 0.6,
    )


def _drawn(rng: random.Random) -> tuple[Stranger, ...]:
    """At most one where one can hang only, and none that needs a state of torch's that another leaves to chance."""
    strangers: list[Stranger] = []
    for _ in range(rng.choices(range(len(HOW_MANY)), HOW_MANY)[0]):
        one = rng.choice([stranger for stranger in DRAWER if _can_join(stranger, strangers)])
        strangers.append(one)
    return tuple(strangers)


def _can_join(one: Stranger, others: list[Stranger]) -> bool:
    hangs = {other.hangs for other in others}
    if one in others or (one.hangs in PLACES and one.hangs in hangs):
        return False
    together = [one, *others]
    brings_noise = any(each.hangs in ("noise", "call") for each in together)
    if brings_noise and any(each.by_torch or each.hangs == "listener" for each in together):
        return False
    return not {"noise", "call"} <= {each.hangs for each in together}


def _method(rng: random.Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choices(("random", "pruned", "zero-order", "paths"), (5, 3, 2, 2))[0]
    if kind == "zero-order":
        return kind, {"iterations": rng.randint(1, 2), "neighbors": rng.randint(1, 3), "cosine": 0.8}
    if kind == "paths":
        start, forward, backward = rng.choice(PATHS)
        levels = {"start": start, "forward": forward, "backward": backward}
        return kind, {"paths": rng.randint(1, 2), "branches": rng.randint(1, 2), **levels}
    pruning = "progressive" if kind == "pruned" else "none"
    return "random", {"candidates": rng.randint(1, 7), "pruning": pruning}
