"""A node for benchmarks/cluster.py: a GPU that waits, so that several fit on one processor.

Its MODEL is ComfyUI's own UNet, as small as it goes. Every prediction takes a fixed time for each row, as on a GPU that
is full: the process sleeps until it is over. Its VAE gives a photograph at another place for each latent. What happened
when is written to the folder WAITING_GPU_NOTES, a file for each process and a line of JSON for each event:
[what, seconds of the machine's clock].
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

CHANNELS, CONTEXT = 4, 8
SIDE = 256  # pixels of a picture
ERRANDS = ".search.crew.errands"
UNET = {
    "image_size": 32,
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 1],
    "num_heads": 1,
    "use_spatial_transformer": True,
    "transformer_depth": [0, 0],
    "transformer_depth_middle": 0,
    "transformer_depth_output": [0, 0, 0, 0],
    "context_dim": CONTEXT,
    "legacy": False,
}


def note(what: str) -> None:
    folder = os.environ.get("WAITING_GPU_NOTES")
    if folder:
        with Path(folder, str(os.getpid())).open("a") as file:
            file.write(json.dumps([what, time.monotonic()]) + "\n")


class WaitingGPU(io.ComfyNode):
    """seconds: of a prediction of one image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="WaitingGPU",
            category="noise search benchmarks",
            inputs=[io.Float.Input("seconds")],
            outputs=[io.Model.Output(), io.Vae.Output(), io.Custom("VERIFIER").Output(), io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, seconds: float) -> io.NodeOutput:
        listen()
        text = torch.zeros(1, 3, CONTEXT)
        return io.NodeOutput(model(seconds)[0], Photograph(), Brightness(), [[text, {}]])


def model(seconds: float) -> tuple[Any, list[Any]]:
    """A MODEL on the CPU, with random weights that are everywhere the same; and what makes it wait."""
    model_base = importlib.import_module("comfy.model_base")
    config = importlib.import_module("comfy.supported_models_base").BASE({"disable_unet_model_creation": True})
    config.latent_format = importlib.import_module("comfy.latent_formats").SD15()
    config.sampling_settings = {}
    config.memory_usage_factor = 0.01
    config.manual_cast_dtype = None
    made = model_base.BaseModel(config, model_base.ModelType.EPS, device=torch.device("cpu"))
    operations = importlib.import_module("comfy.ops").disable_weight_init
    unet = importlib.import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel
    made.diffusion_model = network = unet(**UNET, dtype=torch.float32, device="cpu", operations=operations)
    draw = torch.Generator().manual_seed(1)
    for weight in network.eval().requires_grad_(False).parameters():
        weight.copy_(torch.randn(weight.shape, generator=draw) / weight[0].numel() ** 0.5)
    cpu = torch.device("cpu")
    patcher = importlib.import_module("comfy.model_patcher").ModelPatcher(made, load_device=cpu, offload_device=cpu)
    return patcher, wait(network, seconds)


def wait(network: torch.nn.Module, seconds: float) -> list[Any]:
    """From now on each prediction of it takes so long for every row. It listens to all networks: what listens to this
    one would be taken for another pack's, and candidates would not share a call."""
    started = 0.0

    def begin(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        nonlocal started
        if module is network:
            started = time.monotonic()
            note("step begins")

    def end(module: torch.nn.Module, given: tuple[Any, ...], result: Tensor) -> None:
        if module is network:
            time.sleep(max(0.0, started + seconds * len(result) - time.monotonic()))
            note("step ends")

    everywhere = torch.nn.modules.module
    return [everywhere.register_module_forward_pre_hook(begin), everywhere.register_module_forward_hook(end)]


class Photograph:
    """A VAE whose pictures are parts of one photograph, each moved and lit as its latent says."""

    def decode(self, latents: Tensor) -> Tensor:
        """[B, 4, h, w] -> [B, SIDE, SIDE, 3], in 0..1."""
        light = 0.8 + 0.2 * torch.tanh(latents.mean((1, 2, 3)))
        down, right = (latents.abs().sum((1, 2, 3)) * factor for factor in (101, 37))
        moved = [
            torch.roll(photograph(), (int(one) % SIDE, int(other) % SIDE), (0, 1)) for one, other in zip(down, right)
        ]
        return torch.stack(moved) * light[:, None, None, None]


@cache
def photograph() -> Tensor:
    """[SIDE, SIDE, 3], the one that comes with matplotlib."""
    cbook = importlib.import_module("matplotlib.cbook")
    image = importlib.import_module("PIL.Image").open(cbook.get_sample_data("grace_hopper.jpg")).convert("RGB")
    return torch.from_numpy(np.asarray(image.resize((SIDE, SIDE)), dtype=np.float32) / 255)


class Brightness:
    name = "brightness"
    needs_prompt = False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return images.mean((1, 2, 3))


@cache
def listen() -> None:
    """Note when this process is given candidates of others, and when it has scored them."""
    errands = next(module for name, module in sys.modules.items() if name.endswith(ERRANDS))
    received, run = errands.received, errands.run

    def noted_received(*given: Any) -> Any:
        note("piece begins")
        return received(*given)

    def noted_run(*given: Any) -> None:
        run(*given)
        note("piece ends")

    errands.received, errands.run = noted_received, noted_run


class WaitingGPUExtension(importlib.import_module("comfy_api.latest").ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [WaitingGPU]


async def comfy_entrypoint() -> WaitingGPUExtension:
    return WaitingGPUExtension()
