"""The verifier as the noise-search pack wants it: an object with `name`, `needs_prompt` and `score`."""

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch
from torch import Tensor

from .tokens import token_ids
from .verifier_network import ShapesVerifierNetwork

ROWS = 64
"""Pictures judged at a time."""

MEMORY_PER_ROW = 4 * 1024 * 1024
"""Estimate in bytes of what judging a 64x64 picture needs beside the weights."""


class ShapesVerifier:
    """Scores pictures of shapes against their captions. The weights are loaded and unloaded by ComfyUI."""

    name = "shapes"
    needs_prompt = True

    def __init__(self, weights: dict[str, Tensor]) -> None:
        load_device = comfy.model_management.get_torch_device()
        offload_device = comfy.model_management.unet_offload_device()
        network = ShapesVerifierNetwork(
            operations=comfy.ops.disable_weight_init, dtype=torch.float32, device=offload_device
        )
        network.load_state_dict(weights)
        network.eval().requires_grad_(False)
        self.patcher = comfy.model_patcher.ModelPatcher(network, load_device=load_device, offload_device=offload_device)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B]: scaled cosines, higher is better."""
        rows = min(ROWS, len(images))
        comfy.model_management.load_models_gpu([self.patcher], memory_required=rows * MEMORY_PER_ROW)
        ids = torch.tensor([token_ids(prompt) for prompt in prompts])
        with torch.inference_mode():
            scores = [self._score_rows(*part) for part in zip(images.split(ROWS), ids.split(ROWS))]
        return torch.cat(scores)

    def _score_rows(self, images: Tensor, ids: Tensor) -> Tensor:
        device = self.patcher.load_device
        pixels = images[..., :3].movedim(-1, 1).to(device, torch.float32).clamp(0.0, 1.0)
        return self.patcher.model(pixels * 2.0 - 1.0, ids.to(device)).cpu()
