"""Small random-weight models of every sampling type, from ComfyUI's own classes, and the sampler nodes around them."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

CONTEXT = 8


class Net(nn.Module):
    """A few convolutions that listen to time, text, pooled text and extra channels."""

    dtype = torch.float32

    def __init__(self, channels: int, dims: int, pooled: int, extra: int):
        super().__init__()
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        self.enter = conv(channels + extra, 12, 3, padding=1)
        self.leave = conv(12, channels, 3, padding=1)
        self.text = nn.Linear(CONTEXT, 12)
        self.pooled = nn.Linear(pooled, 12) if pooled else None

    def forward(self, x: Tensor, t: Tensor, context: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        told = self.text(context.mean(1)) + torch.sin(t / 100)[:, None]
        if self.pooled is not None:
            told = told + self.pooled(y)
        hidden = self.enter(x)
        return self.leave(torch.tanh(hidden + told.reshape(*told.shape, *[1] * (x.ndim - 2))))


def small_model(kind: str, channels: int = 4, dims: int = 2, pooled: int = 0, concat: bool = False) -> Any:
    """A MODEL of a `comfy.model_base.ModelType` (EPS, V_PREDICTION, EDM, FLOW), on the CPU, with fixed weights."""
    model_base = importlib.import_module("comfy.model_base")
    conds = importlib.import_module("comfy.conds")
    latent_formats = importlib.import_module("comfy.latent_formats")
    config = importlib.import_module("comfy.supported_models_base").BASE({"disable_unet_model_creation": True})
    config.latent_format = latent_formats.SD15() if dims == 2 else latent_formats.Wan21()
    config.sampling_settings = {}
    config.memory_usage_factor = 0.01
    config.manual_cast_dtype = None

    class Small(model_base.BaseModel):
        def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
            out = super().extra_conds(**kwargs)
            out["c_crossattn"] = conds.CONDCrossAttn(kwargs["cross_attn"])
            if pooled:
                out["y"] = conds.CONDRegular(kwargs["pooled_output"])
            return out

    model = Small(config, getattr(model_base.ModelType, kind), device=torch.device("cpu"))
    state = torch.random.get_rng_state()
    torch.manual_seed(5)
    extra = channels + 1 if concat else 0
    model.diffusion_model = Net(channels, dims, pooled, extra).eval().requires_grad_(False)
    torch.random.set_rng_state(state)
    if concat:
        model.concat_keys = ("mask", "masked_image")
    cpu = torch.device("cpu")
    return importlib.import_module("comfy.model_patcher").ModelPatcher(model, load_device=cpu, offload_device=cpu)


UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "num_heads": 4,
    "use_spatial_transformer": True,
    "transformer_depth": [1, 1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1],
    "context_dim": CONTEXT,
    "legacy": False,
}


def small_unet() -> Any:
    """An EPS MODEL around the host's own UNet, for patches that reach into it."""
    patcher = small_model("EPS")
    operations = importlib.import_module("comfy.ops").disable_weight_init
    unet = importlib.import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel
    network = unet(**UNET, dtype=torch.float32, device="cpu", operations=operations)
    draw = torch.Generator().manual_seed(1)
    for name, weight in network.eval().requires_grad_(False).named_parameters():
        if weight.ndim >= 2:
            weight.copy_(torch.randn(weight.shape, generator=draw) / weight[0].numel() ** 0.5)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
    patcher.model.diffusion_model = network
    patcher.model.model_config.unet_config = patcher.model.model_config.unet_config | UNET
    return patcher


class PairNet(nn.Module):
    """For a latent of two parts, such as video with audio: each part hears of the other."""

    dtype = torch.float32

    def __init__(self, first: Net, second: int):
        super().__init__()
        self.first = first
        self.second = nn.Linear(second, second)

    def forward(self, x: list[Tensor], t: Tensor, context: Tensor, **_: Any) -> list[Tensor]:
        video, audio = x
        told = self.first(video, t, context) + 0.1 * audio.mean((1, 2)).reshape(-1, *[1] * (video.ndim - 1))
        return [told, torch.tanh(self.second(audio)) + 0.1 * video.flatten(1).mean(1)[:, None, None]]


def pair_model(second: int = 8) -> Any:
    """A MODEL for nested latents: one of four channels, and one [B, 2, second]."""
    conds = importlib.import_module("comfy.conds")
    patcher = small_model("FLOW")
    model = patcher.model
    state = torch.random.get_rng_state()
    torch.manual_seed(6)
    model.diffusion_model = PairNet(model.diffusion_model, second).eval().requires_grad_(False)
    torch.random.set_rng_state(state)
    plain = model.extra_conds

    def extra_conds(**kwargs: Any) -> dict[str, Any]:
        return plain(**kwargs) | {"latent_shapes": conds.CONDConstant(kwargs["latent_shapes"])}

    model.extra_conds = extra_conds
    return patcher


def conditioning(seed: int, batch: int = 1, pooled: int = 0) -> list[Any]:
    draw = torch.Generator().manual_seed(seed)
    extra = {"pooled_output": torch.randn(batch, pooled, generator=draw)} if pooled else {}
    return [[torch.randn(batch, 3, CONTEXT, generator=draw), extra]]


class SmallVAE:
    """Stands where a VAE stands: the first three channels, as they are."""

    def __init__(self, channels: int = 4, dims: int = 2):
        self.latent_channels, self.latent_dim = channels, dims
        self.decoded: list[int] = []

    def decode(self, latents: Tensor) -> Tensor:
        if self.latent_dim == 2 and latents.ndim == 5:
            latents = latents[:, :, 0]
        self.decoded.append(len(latents))
        return torch.sigmoid(latents[:, :3]).movedim(1, -1)


class Brightness:
    """A verifier: the mean of a fixed pattern over the image."""

    name, needs_prompt = "brightness", False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.asked.append(len(images))
        pattern = torch.linspace(-1, 1, images.shape[1] * images.shape[2]).reshape(images.shape[1:3])
        return (images.mean(-1) * pattern).flatten(1).mean(1)


def sample(model: Any, seed: int = 7, latent: dict[str, Any] | None = None, **settings: Any) -> Tensor:
    """The stock KSampler's latent."""
    values = {"steps": 6, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0} | settings
    positive = values.pop("positive", None) or conditioning(1)
    negative = values.pop("negative", None) or conditioning(2)
    latent = latent or {"samples": torch.zeros(1, 4, 8, 8)}
    nodes = importlib.import_module("nodes")
    with torch.inference_mode():
        return nodes.common_ksampler(
            model, seed, values.pop("steps"), values.pop("cfg"), values.pop("sampler_name"), values.pop("scheduler"),
            positive, negative, latent, **values,
        )[0]["samples"]  # fmt: skip


def made_plan(title: str, method: Any, **settings: Any) -> Any:
    """A plan with these limits, frames, node and variety."""
    plans = importlib.import_module("noise_search.search.plan")
    rest = {name: settings.pop(name) for name in ("frames", "node", "variety") if name in settings}
    return plans.Plan(title, method, plans.Limits(**settings), **rest)


def any_method(name: str, algorithm: Any, trajectories: float, races: bool = False) -> SimpleNamespace:
    """What stands where a method stands. algorithm: of a seed and the sampler's steps."""
    return SimpleNamespace(
        name=name,
        trajectories=trajectories,
        races=races,
        parents=0,
        refine=None,
        summary=lambda candidates: "",
        begin=lambda start: algorithm(start.seed, start.steps),
    )


def plan_of(candidates: int, pruning: str = "none", **settings: Any) -> Any:
    random = importlib.import_module("noise_search.search.methods.random_search")
    method = {name: settings.pop(name) for name in ("answer_within",) if name in settings}
    return made_plan("Random Search (node 1)", random.RandomSearch(candidates, pruning, **method), **settings)


def search(model: Any, candidates: int = 5, vae: Any = None, verifier: Any = None, **settings: Any) -> SimpleNamespace:
    """model: a MODEL with the search on it; search: what it records; vae and verifier as given or made."""
    patch = importlib.import_module("noise_search.search.patch")
    vae, verifier = vae or SmallVAE(), verifier or Brightness()
    patched, record = patch.put_on(model, plan_of(candidates, **settings), vae, verifier, "")
    return SimpleNamespace(model=patched, search=record, vae=vae, verifier=verifier)


def raced(
    model: Any,
    candidates: int = 6,
    vae: Any = None,
    verifier: Any = None,
    pruning: str = "progressive",
    **settings: Any,
) -> SimpleNamespace:
    """As search, pruned on the way: with 6 candidates nine start, more than the network is given at once."""
    patch = importlib.import_module("noise_search.search.patch")
    plan = plan_of(candidates, pruning, **settings)
    patched, record = patch.put_on(model, plan, vae or SmallVAE(), verifier or Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def best_report(found: SimpleNamespace) -> Any:
    return found.search.runs[-1].reports[0]
