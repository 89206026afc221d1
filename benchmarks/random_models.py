"""Models with random weights, through ComfyUI's own loaders: what they cost is real, what they draw is not.

A subject is a model with all that a KSampler and a search around it need.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch
from demo_bench import Bench
from torch import Tensor, nn

CAPTION = "a red circle above a blue square"
TEXT_TOKENS = 77
FLUX_TOKENS = 512


@dataclass(frozen=True)
class Subject:
    """latent: [1, C, H, W], empty. prompt: what the verifier judges by."""

    name: str
    model: Any
    vae: Any
    verifier: Any
    prompt: str
    positive: Any
    negative: Any
    latent: Tensor
    cfg: float
    steps: int

    @property
    def network(self) -> nn.Module:
        return self.model.model.diffusion_model


def shapes(steps: int = 20) -> Subject:
    """The demo model as its loader gives it: float32, 64x64 pixels."""
    bench = Bench(torch.float32)
    return Subject(
        "demo model, 64x64", bench.model, bench.vae, bench.verifier, CAPTION, bench.encoded(CAPTION), bench.empty,
        torch.zeros(1, 3, 64, 64), 3.0, steps,
    )  # fmt: skip


def small_unet(side: int = 12, steps: int = 10) -> Subject:
    """Two levels of SD 1.5's first width with a block each, float32, which ComfyUI takes for an SD 1.5 model."""
    unet = _sd_unet(blocks=(1, 1), widths=(1, 1), depth=(1, 1), context_dim=768, num_heads=8)
    return _subject(f"small SD 1.5, {8 * side}x{8 * side}", unet, torch.float32, 4, side, 768, 7.0, steps)


def sdxl(side: int = 128, steps: int = 20) -> Subject:
    """SDXL's UNet, bfloat16."""
    unet = _sd_unet(
        blocks=(2, 2, 2), widths=(1, 2, 4), depth=(0, 0, 2, 2, 10, 10), context_dim=2048, num_head_channels=64,
        use_linear_in_transformer=True, num_classes="sequential", adm_in_channels=2816,
    )  # fmt: skip
    return _subject(f"SDXL, {8 * side}x{8 * side}", unet, torch.bfloat16, 4, side, 2048, 7.0, steps, pooled=1280)


def sd35(side: int = 128, steps: int = 20) -> Subject:
    """Stable Diffusion 3.5 medium's transformer, bfloat16."""
    width = 64 * 24
    network = importlib.import_module("comfy.ldm.modules.diffusionmodules.mmdit").MMDiT(
        input_size=None, patch_size=2, in_channels=16, depth=24, adm_in_channels=2048, pos_embed_max_size=384,
        num_patches=384**2, qk_norm="rms", x_block_self_attn_layers=list(range(13)),
        context_embedder_config={
            "target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": width}
        },
        **_on_meta(),
    )  # fmt: skip
    return _subject(f"SD 3.5 medium, {8 * side}x{8 * side}", network, torch.bfloat16, 16, side, 4096, 4.5, steps, 2048)


def flux(side: int = 128, steps: int = 20) -> Subject:
    """FLUX.1-dev's transformer, bfloat16."""
    network = importlib.import_module("comfy.ldm.flux.model").Flux(
        image_model="flux", in_channels=16, out_channels=16, vec_in_dim=768, context_in_dim=4096, hidden_size=3072,
        mlp_ratio=4.0, num_heads=24, depth=19, depth_single_blocks=38, axes_dim=[16, 56, 56], theta=10000, patch_size=2,
        qkv_bias=True, guidance_embed=True, txt_ids_dims=[], **_on_meta(),
    )  # fmt: skip
    return _subject(
        f"Flux, {8 * side}x{8 * side}", network, torch.bfloat16, 16, side, 4096, 1.0, steps, 768, FLUX_TOKENS
    )


def _subject(
    name: str,
    network: nn.Module,
    dtype: torch.dtype,
    channels: int,
    side: int,
    context: int,
    cfg: float,
    steps: int,
    pooled: int = 0,
    tokens: int = TEXT_TOKENS,
) -> Subject:
    sd = importlib.import_module("comfy.sd")
    model = sd.load_diffusion_model_state_dict(_weights(network, dtype), {"dtype": dtype})
    judges = importlib.import_module("noise_search.demo.host_judges")
    positive, negative = (_conditioning(seed, tokens, context, pooled) for seed in (1, 2))
    return Subject(
        name, model, _tiny_vae(channels), judges.Colorfulness(), "", positive, negative,
        torch.zeros(1, channels, side, side), cfg, steps,
    )  # fmt: skip


def _sd_unet(
    blocks: tuple[int, ...], widths: tuple[int, ...], depth: tuple[int, ...], context_dim: int, **more: Any
) -> nn.Module:
    """blocks, widths: of each level. depth: transformer blocks after each residual block on the way down."""
    last = [sum(blocks[: level + 1]) - 1 for level in range(len(blocks))]
    up = [depth[at] for at, count in zip(last, blocks, strict=True) for _ in range(count + 1)]
    return importlib.import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel(
        image_size=32, in_channels=4, out_channels=4, model_channels=320, num_res_blocks=list(blocks),
        channel_mult=list(widths), use_spatial_transformer=True, transformer_depth=list(depth),
        transformer_depth_output=up, transformer_depth_middle=depth[-1], context_dim=context_dim, legacy=False,
        **more, **_on_meta(),
    )  # fmt: skip


def _tiny_vae(channels: int) -> Any:
    """TAESD: the cheapest decoder there is, so that decoding hides nothing."""
    network = importlib.import_module("comfy.taesd.taesd").TAESD(latent_channels=channels)
    scale = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    return importlib.import_module("comfy.sd").VAE(sd=_weights(network, torch.float32) | scale)


def _on_meta() -> dict[str, Any]:
    """Keys and shapes only; the loader makes the network."""
    operations = importlib.import_module("comfy.ops").disable_weight_init
    return {"dtype": torch.float32, "device": "meta", "operations": operations}


def _weights(network: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """Random matrices that keep the size of what they multiply; biases 0, scales 1."""
    draw = torch.Generator().manual_seed(0)
    return {name: _weight(name, value.shape, draw).to(dtype) for name, value in network.state_dict().items()}


def _weight(name: str, shape: torch.Size, draw: torch.Generator) -> Tensor:
    if len(shape) >= 2:
        return torch.randn(shape, generator=draw) / shape[1:].numel() ** 0.5
    return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)


def _conditioning(seed: int, tokens: int, context: int, pooled: int) -> list[Any]:
    draw = torch.Generator().manual_seed(seed)
    extra = {"pooled_output": torch.randn(1, pooled, generator=draw)} if pooled else {}
    return [[torch.randn(1, tokens, context, generator=draw), extra]]
