"""A drawer of stand-ins for parts of other packs: each does in a few lines what such a part does to a sampler call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

KEY = "a stranger"
Sample = Callable[..., Tensor]  # (model, seed, latent, noise=None) -> samples; noise: an object for NOISE
Change = Callable[[Tensor, int, int, Tensor, dict[str, Any]], Tensor]  # (x, step, steps, sigma after it, extra_args)


class Stranger(NamedTuple):
    """kind: what it does. hangs: where: on the `model`, as `guider`, `sampler`, `noise`, `vae`, `listener`,
    `conditioning`, or as the `call`, a node that calls the sampler.

    make: of a model: patches it in place. guider: the guider of a model. sampler: the SAMPLER. noise: the NOISE of a
    seed. vae: of a VAE. listener: the sampler's callback. conditioning: of one. call: (sample, model, seed, latent) ->
    the samples of each sampler call.
    needs_unet: whether it reaches into ComfyUI's UNet. has_own_chance: whether the seed does not decide what it does.
    by_torch: whether it draws from torch's random state as it is. counts: whether a prediction is one of the network.
    fails_late: whether it may fail, on rows it did not expect, when the network has predicted.
    """

    name: str
    kind: str
    hangs: str
    make: Callable[..., Any]
    needs_unet: bool = False
    has_own_chance: bool = False
    by_torch: bool = False
    counts: bool = True
    fails_late: bool = False


# On the MODEL


def after_guidance(change: Callable[[Tensor, dict[str, Any]], Tensor]) -> Callable[[Any], None]:
    return lambda model: model.set_model_sampler_post_cfg_function(lambda args: change(args["denoised"], args))


def on_row(row: slice) -> Callable[[Any], None]:
    """Halves the prediction at a place of the batch."""

    def change(out: Tensor, _args: dict[str, Any]) -> Tensor:
        out = out.clone()
        out[row] *= 0.5
        return out

    return after_guidance(change)


def around(kind: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def wrapper(executor: Any, *args: Any, **more: Any) -> Any:
        return change(executor(*args, **more))

    return lambda model: model.add_wrapper_with_key(kind, KEY, wrapper)


def seen_by_the_next(model: Any) -> None:
    """Attention in which an image also sees the keys and values of the one before it."""

    def attention(q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> tuple[Tensor, ...]:
        sides = len(extra["cond_or_uncond"])

        def with_neighbour(rows: Tensor) -> Tensor:
            return torch.cat([torch.cat([side, side.roll(1, 0)], 1) for side in rows.chunk(sides)])

        return q, with_neighbour(k), with_neighbour(v)

    model.set_model_attn1_patch(attention)


def leaning_block(model: Any) -> None:
    model.set_model_input_block_patch(lambda h, _options: h + 0.3 * h.mean(0, keepdim=True))


def both_sides(model: Any) -> None:
    """Takes over the prediction of both conditions, and scales the guidance by its largest value."""
    samplers = importlib.import_module("comfy.samplers")

    def predict(args: dict[str, Any]) -> list[Tensor]:
        names = ("model", "conds", "input", "sigma", "model_options")
        sides = samplers.calc_cond_batch(*(args[name] for name in names))
        cond, uncond = sides[0], sides[1]
        return [uncond + (cond - uncond) / ((cond - uncond).abs().max() + 0.1), uncond]

    model.set_model_sampler_calc_cond_batch_function(predict)


def last_before_guidance(model: Any) -> None:
    """Something is done to the last image of the batch, before guidance."""

    def change(args: dict[str, Any]) -> list[Tensor]:
        outs = [None if out is None else out.clone() for out in args["conds_out"]]
        outs[0][-1] *= 0.7
        return outs

    model.set_model_sampler_pre_cfg_function(change)


def in_place_of_forward(change: Callable[[Any, Tensor, dict[str, Any]], Tensor]) -> Callable[[Any], None]:
    """change: (the network's own forward, x, what else it is given) -> prediction."""

    def patch(model: Any) -> None:
        network = model.model.diffusion_model
        own = type(network).forward

        def forward(x: Tensor, *args: Any, **more: Any) -> Tensor:
            return change(lambda given: own(network, given, *args, **more), x, more)

        model.add_object_patch("diffusion_model.forward", forward)

    return patch


def numbered(forward: Any, x: Tensor, _more: dict[str, Any]) -> Tensor:
    gains = 1 + 0.05 * torch.arange(len(x), device=x.device)
    return forward(x) * gains.reshape(-1, *[1] * (x.ndim - 1))


def refusing(forward: Any, x: Tensor, more: dict[str, Any]) -> Tensor:
    if len(x) > len(more["transformer_options"]["cond_or_uncond"]):
        raise AssertionError(f"this engine was built for one image, got {len(x)}")
    return forward(x)


def fixed_buffer(forward: Any, x: Tensor, more: dict[str, Any]) -> Tensor:
    """A network made for two images at most, whatever else it is given: the rest is not computed."""
    out = forward(x)
    most = 2 * len(more["transformer_options"]["cond_or_uncond"])
    return torch.cat([out[:most], torch.zeros_like(out[most:])])


def momentum(model: Any) -> None:
    held: list[Tensor] = []
    model.add_callback_with_key("on_pre_run", KEY, lambda *_: held.clear())

    def blend(out: Tensor, _args: dict[str, Any]) -> Tensor:
        held[:] = [0.7 * out + 0.3 * held[0] if held else out]
        return held[0]

    after_guidance(blend)(model)


def step_cache(model: Any) -> None:
    """Gives the network's last output again at every third call."""
    state: dict[str, Any] = {}
    model.add_callback_with_key("on_pre_run", KEY, lambda *_: state.clear())

    def wrapper(executor: Any, *args: Any, **more: Any) -> Tensor:
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] % 3 or "last" not in state:
            state["last"] = executor(*args, **more)
        return state["last"]

    model.add_wrapper_with_key("diffusion_model", KEY, wrapper)


def loses_its_head(out: Tensor, args: dict[str, Any]) -> Tensor:
    """Too large for half precision, by what is in the image: NaN where its noise is a little bright."""
    x, sigma = args["input"], args["sigma"]
    bright = x.flatten(1).mean(1) / x.flatten(1).std(1) > 0.04
    high = sigma > 0.9 * args["model"].model_sampling.sigma_max
    return torch.where((bright & high).reshape(-1, *[1] * (out.ndim - 1)), torch.nan, out)


ON_MODEL = (
    Stranger("one contrast for all", "mixes rows", "model", after_guidance(lambda out, _: out / (out.std() + 0.1))),
    Stranger("attention to the one before", "mixes rows", "model", seen_by_the_next, needs_unet=True),
    Stranger("block that leans to the mean", "mixes rows", "model", leaning_block, needs_unet=True),
    Stranger(
        "largest value around apply_model",
        "mixes rows",
        "model",
        around("apply_model", lambda out: 2 * out / (1 + out.abs().max())),
    ),
    Stranger("guidance that takes over both sides", "mixes rows", "model", both_sides),
    Stranger("every other row", "goes by rows", "model", on_row(slice(1, None, 2))),
    Stranger("the fourth row", "goes by rows", "model", on_row(slice(3, 4))),
    Stranger("the last row before guidance", "goes by rows", "model", last_before_guidance),
    Stranger("rows with numbers in the network", "goes by rows", "model", in_place_of_forward(numbered)),
    Stranger("a network of two places", "goes by rows", "model", in_place_of_forward(fixed_buffer)),
    Stranger("momentum", "has a state", "model", momentum, fails_late=True),
    Stranger("cache in the network", "has a state", "model", step_cache, needs_unet=True, fails_late=True),
    Stranger("an engine for one image", "one image", "model", in_place_of_forward(refusing)),
    Stranger(
        "guidance by one noise level",
        "one image",
        "model",
        after_guidance(lambda out, args: 0.9 * out if args["sigma"] > 2 else out),
        fails_late=True,
    ),
    Stranger(
        "grain from torch's own state",
        "draws",
        "model",
        after_guidance(lambda out, _: out + 0.02 * torch.randn_like(out)),
        by_torch=True,
    ),
    Stranger("NaN for bright noise", "makes NaN", "model", after_guidance(loses_its_head)),
    Stranger("a little darker", "harmless", "model", after_guidance(lambda out, _: 0.9 * out)),
    Stranger("wrapper that changes nothing", "harmless", "model", around("predict_noise", lambda out: out)),
)


# GUIDERs


def guider(predict: Callable[..., Tensor]) -> Callable[[Any], Any]:
    """predict: (guider, the usual prediction, x, timestep) -> prediction."""

    def make(model: Any) -> Any:
        class Strange(importlib.import_module("comfy.samplers").CFGGuider):
            def predict_noise(
                self, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
            ) -> Tensor:
                usual = super().predict_noise
                return predict(self, lambda: usual(x, timestep, model_options, seed), x, timestep)

        return Strange(model)

    return make


def even_guider(_guider: Any, usual: Any, _x: Tensor, _timestep: Tensor) -> Tensor:
    out = usual()
    return out - 0.5 * out.mean()


def limited_guider(_guider: Any, usual: Any, x: Tensor, timestep: Tensor) -> Tensor:
    return usual() * (0.8 if timestep.item() > 1 else 1.0)


def skipping_guider(model: Any) -> Any:
    """Predicts at two of three steps; the prediction before stands for the third."""
    state: dict[str, Any] = {}
    model = model.clone()
    model.add_callback_with_key("on_pre_run", KEY, lambda *_: state.clear())

    def predict(_guider: Any, usual: Any, _x: Tensor, _timestep: Tensor) -> Tensor:
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] % 3:
            state["last"] = usual()
        return state["last"]

    return guider(predict)(model)


GUIDERS = (
    Stranger("guider with a mean of the batch", "mixes rows", "guider", guider(even_guider)),
    Stranger("guider with one noise level", "one image", "guider", guider(limited_guider), fails_late=True),
    Stranger("guider that skips steps", "has a state", "guider", skipping_guider, counts=False),
    Stranger("guider of another class", "harmless", "guider", guider(lambda _guider, usual, _x, _t: usual())),
)


# SAMPLERs


def euler(change: Change) -> Callable[[], Any]:
    """change: what is done to x after each step."""

    def sample_strange(
        model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Tensor:
        extra = extra_args or {}
        for step, (sigma, after) in enumerate(pairwise(sigmas)):
            denoised = model(x, sigma * x.new_ones(len(x)), **extra)
            if callback is not None:
                callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
            x = x + (x - denoised) / sigma * (after - sigma)
            x = change(x, step, len(sigmas) - 1, after, extra)
        return x

    return lambda: importlib.import_module("comfy.samplers").KSAMPLER(sample_strange)


def noise_of_the_seed(x: Tensor, step: int, _steps: int, after: Tensor, extra: dict[str, Any]) -> Tensor:
    draw = torch.Generator().manual_seed(int(extra["seed"]) + step)
    return x + 0.2 * after * torch.randn(x.shape, generator=draw)


def noise_in_a_window(x: Tensor, step: int, steps: int, after: Tensor, _extra: dict[str, Any]) -> Tensor:
    return x + 0.3 * after * torch.randn_like(x) if step == steps // 2 else x


def noise_of_its_own() -> Any:
    draw = torch.Generator()
    draw.seed()
    return euler(lambda x, _step, _steps, after, _extra: x + 0.2 * after * torch.randn(x.shape, generator=draw))()


def growing(x: Tensor, step: int, steps: int, _after: Tensor, _extra: dict[str, Any]) -> Tensor:
    return torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest") if step == steps // 2 else x


def one_step_size() -> Any:
    """Takes a step in two halves where some image of the batch would go too far."""

    def sample_careful(
        model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Tensor:
        for step, (sigma, after) in enumerate(pairwise(sigmas)):
            ones = x.new_ones(len(x))
            denoised = model(x, sigma * ones, **(extra_args or {}))
            if callback is not None:
                callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
            slope = (x - denoised) / sigma
            if after > 0 and slope.abs().max() > 3.6:
                half = (sigma + after) / 2
                x = x + slope * (half - sigma)
                slope = (x - model(x, half * ones, **(extra_args or {}))) / half
                sigma = half
            x = x + slope * (after - sigma)
        return x

    return importlib.import_module("comfy.samplers").KSAMPLER(sample_careful)


def noise_from_outside() -> Any:
    """Draws by a `noise_sampler`, or by the seed where it is given none."""

    def sample_noisy(
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: Any = None,
        callback: Any = None,
        disable: Any = None,
        noise_sampler: Any = None,
    ) -> Tensor:
        extra = extra_args or {}
        default = importlib.import_module("comfy.k_diffusion.sampling").default_noise_sampler
        noise_sampler = noise_sampler or default(x, seed=extra.get("seed"))
        for step, (sigma, after) in enumerate(pairwise(sigmas)):
            denoised = model(x, sigma * x.new_ones(len(x)), **extra)
            if callback is not None:
                callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
            x = x + (x - denoised) / sigma * (after - sigma)
            if after > 0:
                x = x + 0.2 * after * noise_sampler(sigma, after)
        return x

    return importlib.import_module("comfy.samplers").KSAMPLER(sample_noisy)


class Bare:
    """A sampler that has `sample` and nothing else."""

    def sample(self, *args: Any, **more: Any) -> Tensor:
        return importlib.import_module("comfy.samplers").ksampler("heun").sample(*args, **more)


SAMPLERS = (
    Stranger("solver with noise by its seed", "draws", "sampler", euler(noise_of_the_seed)),
    Stranger("solver with noise in a window", "draws", "sampler", euler(noise_in_a_window), by_torch=True),
    Stranger("solver with noise of its own", "draws", "sampler", noise_of_its_own, has_own_chance=True),
    Stranger("solver with noise from outside", "draws", "sampler", noise_from_outside),
    Stranger("solver with one step size", "mixes rows", "sampler", one_step_size),
    Stranger("solver whose latent grows", "changes shapes", "sampler", euler(growing)),
    Stranger("solver of another class", "harmless", "sampler", Bare),
)


# NOISEs


class Noise:
    """draw: (seed, the latent) -> noise."""

    def __init__(self, seed: int, draw: Callable[[int, dict[str, Any]], Tensor]):
        self.seed = seed
        self.draw = draw

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return self.draw(self.seed, latent)


def noise(draw: Callable[[int, dict[str, Any]], Tensor]) -> Callable[[int], Noise]:
    return lambda seed: Noise(seed, draw)


def randn(shape: Any, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed % 2**63))


def pyramid(seed: int, latent: dict[str, Any]) -> Tensor:
    fine = randn(latent["samples"].shape, seed)
    *front, height, width = fine.shape
    coarse = randn((*front, height // 2, width // 2), seed + 1)
    mixed = fine + torch.nn.functional.interpolate(coarse, size=(height, width), mode="nearest")
    return mixed / mixed.std()


def host_noise(latent: dict[str, Any], seed: int) -> Tensor:
    return importlib.import_module("comfy.sample").prepare_noise(latent["samples"], seed)


def variation(seed: int, latent: dict[str, Any]) -> Tensor:
    return 0.8 * host_noise(latent, seed) + 0.6 * host_noise(latent, 4321)


def seed_by_image(seed: int, latent: dict[str, Any]) -> Tensor:
    """Image i of a batch has the seed's i-th successor, so that it is image 0 of that seed."""
    return torch.cat([host_noise({"samples": one}, seed + at) for at, one in enumerate(latent["samples"].split(1))])


def from_a_file(_seed: int, latent: dict[str, Any]) -> Tensor:
    return randn(latent["samples"].shape, 99)


NOISES = (
    Stranger("noise in two sizes", "foreign noise", "noise", noise(pyramid)),
    Stranger("variation of a seed", "foreign noise", "noise", noise(variation)),
    Stranger("a seed per image", "foreign noise", "noise", noise(seed_by_image)),
    Stranger("noise from a file", "foreign noise", "noise", noise(from_a_file)),
)


# VAEs


class Decoder:
    """A VAE that has `decode` and `encode` and nothing else. change: (images, latents) -> images."""

    def __init__(self, vae: Any, change: Callable[[Tensor, Tensor], Tensor]):
        self._vae, self._change = vae, change

    def decode(self, samples: Tensor) -> Tensor:
        return self._change(self._vae.decode(samples), samples)

    def encode(self, pixels: Tensor) -> Tensor:
        raise NotImplementedError


def spoiled(value: float) -> Callable[[Any], Decoder]:
    """Some images, always the same ones, become one value."""

    def change(images: Tensor, latents: Tensor) -> Tensor:
        bad = (latents.flatten(1).mean(1) * 40).round().remainder(4) == 0
        return torch.where(bad[:, None, None, None], value, images)

    return lambda vae: Decoder(vae, change)


VAES = (
    Stranger("VAE that gives NaN", "makes NaN", "vae", spoiled(float("nan"))),
    Stranger("VAE that gives black", "makes black", "vae", spoiled(0.0)),
    Stranger("VAE that only decodes", "harmless", "vae", lambda vae: Decoder(vae, lambda images, _: images)),
)


# What hangs on the conditioning


def control(positive: list[Any]) -> list[Any]:
    """A control net that looks at the whole batch."""
    controlnet = importlib.import_module("comfy.controlnet")

    class Strange(controlnet.ControlBase):
        def __init__(self) -> None:
            super().__init__()
            self.global_average_pooling = False

        def get_control(self, x_noisy: Tensor, *_: Any) -> dict[str, list[Tensor]]:
            rows, _, height, width = x_noisy.shape
            value = 0.3 * torch.tanh(x_noisy.mean() * 10)
            return {"middle": [value.expand(rows, 64, height // 2, width // 2)], "output": [], "input": []}

        def get_models(self) -> list[Any]:
            return []

    return [[text, {**more, "control": Strange()}] for text, more in positive]


CONDITIONINGS = (Stranger("control by the whole batch", "mixes rows", "conditioning", control, needs_unet=True),)


# Listeners


class Keeper:
    """Keeps each step: (x0, x). Fails when one comes twice or out of turn."""

    def __init__(self) -> None:
        self.heard: list[tuple[Tensor, Tensor]] = []

    def __call__(self, step: int, x0: Tensor, x: Tensor, _total: int) -> None:
        if step != len(self.heard):
            raise IndexError(f"step {step} after {len(self.heard)} steps")
        self.heard.append((x0.detach().cpu().clone(), x.detach().cpu().clone()))


LISTENERS = (Stranger("listener that keeps steps", "listens", "listener", Keeper),)


# Nodes that call the sampler


class Nothing:
    """The NOISE of a sampler that adds none."""

    def __init__(self, seed: int):
        self.seed = seed

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        return torch.zeros_like(latent["samples"])


def self_noising(sample: Sample, model: Any, seed: int, latent: dict[str, Any]) -> list[Tensor]:
    """Puts the noise into the latent by hand."""
    sampling = model.get_model_object("model_sampling")
    drawn = host_noise(latent, seed)
    noised = sampling.noise_scaling(sampling.sigma_max, drawn, torch.zeros_like(drawn), True)
    given = {**latent, "samples": latent["samples"] + noised / model.model.latent_format.scale_factor}
    return [sample(model, seed, given, noise=Nothing(seed))]


def own_draw(sample: Sample, model: Any, seed: int, latent: dict[str, Any]) -> list[Tensor]:
    """Draws the noise in the node, with a generator of its own."""
    return [sample(model, seed, latent, noise=Noise(seed, lambda seed, latent: randn(latent["samples"].shape, seed)))]


def tiles(sample: Sample, model: Any, seed: int, latent: dict[str, Any]) -> list[Tensor]:
    halves = latent["samples"].chunk(2, -1)
    return [sample(model, seed, {"samples": half}) for half in halves]


CALLS = (
    Stranger("node that noises the latent", "noises itself", "call", self_noising),
    Stranger("node that draws the noise", "foreign noise", "call", own_draw),
    Stranger("node that samples tiles", "samples tiles", "call", tiles),
)

DRAWER = (*ON_MODEL, *GUIDERS, *SAMPLERS, *NOISES, *VAES, *CONDITIONINGS, *LISTENERS, *CALLS)
