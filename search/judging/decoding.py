"""From latents to images, with the user's VAE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.utils
import torch
from torch import Tensor

from ...verifiers.base import names_of
from ..host.memory import in_chunks


class DecodeError(RuntimeError):
    """A latent that can not be made into an image."""


def decode(vae: Any, latents: Tensor, shapes: Sequence[Sequence[int]], name_of: Callable[[int], str]) -> Tensor:
    """Images [N, frames, H, W, 3], float in 0..1, finite; frames is 1 unless it is a video.

    latents: [N, ...], as a sampler gives them out. shapes: those of the sampler's latent; of several (video with audio)
    the first is decoded. name_of: what to call latent i in an error.
    Raises DecodeError, naming the latent, when the VAE fails or gives something else, or there is NaN in it already.
    """
    for row in _not_finite(latents):
        raise DecodeError(
            f"the sampler gave NaN or infinite values for {name_of(row)}; without a search the image would be black. "
            "Try a lower CFG, another sampler, or the model in a higher precision."
        )
    latent = comfy.utils.unpack_latents(latents, shapes)[0]

    def work(part: slice) -> Tensor:
        return _decode(vae, latent[part], lambda row: name_of(part.start + row))

    images = in_chunks(work, len(latent), lambda row: f"the VAE to decode {name_of(row)} alone")
    return torch.cat(images) if len(images) > 1 else images[0]


def _decode(vae: Any, latent: Tensor, name_of: Callable[[int], str]) -> Tensor:
    try:
        images = vae.decode(latent)
    except Exception as error:
        names = names_of(len(latent), name_of)
        raise DecodeError(f"the VAE failed on {names}: {type(error).__name__}: {error}") from error
    shape = list(images.shape)
    if images.ndim not in (4, 5) or len(images) != len(latent) or shape[-1] < 3:
        raise DecodeError(
            f"the VAE gave values of shape {shape} for {names_of(len(latent), name_of)}, not an image for each. "
            "Connect the VAE that belongs to the model."
        )
    for row in _not_finite(images):
        raise DecodeError(
            f"the VAE gave NaN or infinite values for {name_of(row)}, as some do in half precision. "
            "Try another VAE, or start ComfyUI with --fp32-vae."
        )
    return (images if images.ndim == 5 else images.unsqueeze(1))[..., :3].float()


def _not_finite(values: Tensor) -> list[int]:
    """The items of a batch in which not every number is finite."""
    return torch.nonzero(~values.flatten(1).sum(1, dtype=torch.float32).isfinite()).flatten().tolist()
