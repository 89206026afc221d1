"""Images that cost less than what the user's VAE makes, for judging candidates that are on their way.

By the tiny VAE that ComfyUI draws its previews with, where its file is in models/vae_approx; else by the user's VAE,
from a latent of half the size. Both are objects with a `decode`, as a VAE is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import comfy.model_management
import folder_paths
import latent_preview
import torch
from comfy.taesd.taesd import TAESD
from torch import Tensor

LEAST_SIDE = 256  # pixels of a small image: verifiers look at 224
FOLDER = "vae_approx"


class SmallImages(NamedTuple):
    """vae: makes them from what a sampler gives out. name: what to call them."""

    vae: Any
    name: str


def small_images(vae: Any, model: Any, shapes: Sequence[Sequence[int]]) -> SmallImages | None:
    """What is there for this VAE, model and latent; None for videos, for pixels that need no decoding, and where the
    image would be too small for a verifier."""
    scale = _scale(vae)
    if len(shapes) > 1 or len(shapes[0]) != 4 or scale is None or scale <= 1:
        return None
    path = _tiny_file(model.latent_format)
    if path is not None:
        return SmallImages(TinyVAE(path, model), "ComfyUI's tiny VAE")
    if min(shapes[0][-2:]) * scale / 2 >= LEAST_SIDE:
        return SmallImages(HalfSize(vae), "images of half the size")
    return None


def _scale(vae: Any) -> float | None:
    """Pixels of an image along one of a latent; None for a VAE of another pack that does not tell."""
    told = getattr(vae, "spacial_compression_decode", None)
    value = told() if callable(told) else None
    return float(value) if isinstance(value, int | float) else None


def _tiny_file(latent_format: Any) -> str | None:
    """Where the tiny VAE of these latents is, as ComfyUI's previews find it."""
    name = latent_format.taesd_decoder_name
    if name is None or name in latent_preview.VIDEO_TAES:
        return None
    found = (file for file in folder_paths.get_filename_list(FOLDER) if file.startswith(name))
    return next((folder_paths.get_full_path(FOLDER, file) for file in found), None)


class TinyVAE:
    """Reads its file when it is first asked."""

    def __init__(self, path: str, model: Any):
        self.path, self.model = path, model
        self.network: TAESD | None = None

    def decode(self, latents: Tensor) -> Tensor:
        """latents [B, C, H, W] -> [B, h, w, 3], float in 0..1."""
        device = comfy.model_management.vae_device()
        if self.network is None:
            channels = self.model.latent_format.latent_channels
            self.network = TAESD(None, self.path, latent_channels=channels).to(device).requires_grad_(False)
        images = self.network.decode(self.model.process_latent_in(latents).to(device, torch.float32))
        return images.add(1).div(2).clamp(0, 1).movedim(1, -1).cpu()


class HalfSize:
    def __init__(self, vae: Any):
        self.vae = vae

    def decode(self, latents: Tensor) -> Tensor:
        """latents [B, C, H, W] -> [B, h, w, 3], half as high and as wide as the VAE makes them."""
        return self.vae.decode(torch.nn.functional.interpolate(latents, scale_factor=0.5, mode="area"))
