"""Model files with small random weights that ComfyUI's stock loaders accept.

SD3, Flux, Wan and a TAESD VAE; for Flux a LoRA and a ControlNet.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

TEXT, POOLED = 64, 32
VAE_NAME = "tiny_tae16.safetensors"
FLUX_ADDITION = "tiny_flux.safetensors"  # of the LoRA and of the ControlNet
FLUX = {
    "in_channels": 16,
    "out_channels": 16,
    "vec_in_dim": POOLED,
    "context_in_dim": TEXT,
    "hidden_size": 128,  # a multiple of it: the host's axes are fixed
    "mlp_ratio": 4.0,
    "num_heads": 1,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
    "guidance_embed": False,
    "txt_ids_dims": [],
}


def write_all(models: Path) -> None:
    """Into a server's models folder: diffusion_models/tiny_{sd3,flux,wan}.safetensors, vae/VAE_NAME and
    {loras,controlnet}/FLUX_ADDITION."""
    with torch.inference_mode():
        for name, (weights, metadata) in {"sd3": sd3(), "flux": flux(), "wan": wan()}.items():
            _save(weights, models / "diffusion_models" / f"tiny_{name}.safetensors", metadata)
        _save(tae(), models / "vae" / VAE_NAME, None)
        _save(flux_lora(), models / "loras" / FLUX_ADDITION, None)
        _save(flux_controlnet(), models / "controlnet" / FLUX_ADDITION, None)


def sd3(depth: int = 1) -> tuple[dict[str, Tensor], None]:
    """The host reads hidden width, heads and blocks all from the depth."""
    mmdit = importlib.import_module("comfy.ldm.modules.diffusionmodules.mmdit")
    embedder = {"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 64 * depth}}
    model = mmdit.OpenAISignatureMMDITWrapper(
        input_size=None,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        depth=depth,
        adm_in_channels=POOLED,
        qk_norm="rms",
        context_embedder_config=embedder,
        **_factory(),
    )
    return _weights(model, seed=0), None


def flux() -> tuple[dict[str, Tensor], None]:
    model = importlib.import_module("comfy.ldm.flux.model").Flux(image_model="flux", **FLUX, **_factory())
    return _weights(model, seed=1), None


def flux2(context: int) -> dict[str, Tensor]:
    """Not a file: for this process. context: width of the text."""
    settings = {
        "in_channels": 128,
        "out_channels": 128,
        "vec_in_dim": None,
        "context_in_dim": context,
        "mlp_ratio": 3.0,
        "axes_dim": [32, 32, 32, 32],
        "theta": 2000,
        "patch_size": 1,
        "qkv_bias": False,
        "txt_ids_dims": [3],
        "global_modulation": True,
        "mlp_silu_act": True,
        "ops_bias": False,
    }
    model = importlib.import_module("comfy.ldm.flux.model").Flux
    return _weights(model(image_model="flux2", **(FLUX | settings), **_factory()), seed=6)


def flux_lora(rank: int = 2) -> dict[str, Tensor]:
    """For every matrix of the blocks."""
    draw = torch.Generator().manual_seed(4)
    weights = {}
    for name, value in flux()[0].items():
        if "_blocks." in name and value.ndim == 2:
            to, of = value.shape
            key = "diffusion_model." + name.removesuffix(".weight")
            weights[f"{key}.lora_up.weight"] = torch.randn(to, rank, generator=draw) / rank**0.5
            weights[f"{key}.lora_down.weight"] = torch.randn(rank, of, generator=draw) / of**0.5
    return weights


def flux_controlnet() -> dict[str, Tensor]:
    """As XLabs publishes them: the hint is an image, not a latent; norms have a scale."""
    controlnet = importlib.import_module("comfy.ldm.flux.controlnet").ControlNetFlux
    weights = _weights(controlnet(image_model="flux", **FLUX, **_factory()), seed=5)
    return {name.replace("_norm.weight", "_norm.scale"): value for name, value in weights.items()}


def wan(heads: int = 4, dim: int = 96) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The host takes what it can not read from the shapes out of the file's metadata."""
    model = importlib.import_module("comfy.ldm.wan.model").WanModel(
        model_type="t2v",
        in_dim=16,
        out_dim=16,
        dim=dim,
        ffn_dim=2 * dim,
        freq_dim=64,
        text_dim=TEXT,
        num_heads=heads,
        num_layers=1,
        **_factory(),
    )
    config = {"transformer": {"num_heads": heads, "text_dim": TEXT, "freq_dim": 64}}
    return _weights(model, seed=2), {"config": json.dumps(config)}


def tae(channels: int = 16) -> dict[str, Tensor]:
    """The widths are fixed, the number of latent channels is free."""
    weights = _weights(importlib.import_module("comfy.taesd.taesd").TAESD(latent_channels=channels), seed=3)
    return weights | {"vae_scale": torch.tensor(1.5305), "vae_shift": torch.tensor(0.0609)}


def _factory() -> dict[str, Any]:
    operations = importlib.import_module("comfy.ops").disable_weight_init
    return {"dtype": torch.float32, "device": "cpu", "operations": operations}


def _weights(model: nn.Module, seed: int) -> dict[str, Tensor]:
    """Random matrices that keep the size of what they multiply; biases 0, scales 1."""
    draw = torch.Generator().manual_seed(seed)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.ndim >= 2:
            value.copy_(torch.randn(value.shape, generator=draw) / value[0].numel() ** 0.5)
        else:
            value.fill_(0.0 if name.endswith("bias") or "shift" in name else 1.0)
    return {name: value.contiguous() for name, value in model.state_dict().items()}


def _save(weights: dict[str, Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=metadata)
