"""Networks and VAEs that make no image of some candidates, always the same ones, and a verifier that bears none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from small_models import Brightness, SmallVAE

NAN = float("nan")
SHARE = 3  # one of so many fails


def unlucky(values: Tensor) -> bool:
    """About one latent of SHARE, by its own numbers alone."""
    return int(abs(float(values.double().sum())) * 100) % SHARE == 0


class SpoilingVAE(SmallVAE):
    """Puts `value` in the place of some images. everything: of all."""

    def __init__(self, value: float = NAN, everything: bool = False, channels: int = 4, dims: int = 2):
        super().__init__(channels, dims)
        self.value, self.everything = value, everything

    def decode(self, latents: Tensor) -> Tensor:
        images = super().decode(latents).clone()
        for image, latent in zip(images, latents, strict=True):
            if self.everything or unlucky(latent):
                image.fill_(self.value)
        return images


class PickyVAE(SmallVAE):
    """Raises an error when there is a latent that it does not like."""

    def decode(self, latents: Tensor) -> Tensor:
        if any(map(unlucky, latents)):
            raise ValueError("I do not like this one")
        return super().decode(latents)


class Careful(Brightness):
    """A verifier that fails on what is no picture."""

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        assert torch.isfinite(images).all()
        assert (images.flatten(1).amax(1) > images.flatten(1).amin(1)).all(), "one color"
        return super().score(images, prompts)


def overflowing(model: Any, everything: bool = False) -> Any:
    """The MODEL, whose network from now on gives NaN for some noises, at the first step."""
    network = model.model.diffusion_model
    forward = network.forward

    def spoiled(x: Tensor, t: Tensor, *given: Any, **named: Any) -> Tensor:
        out = forward(x, t, *given, **named).clone()
        for row, latent in enumerate(x):
            if float(t[row]) > 0.95 * model.model.model_sampling.timestep(model.model.model_sampling.sigma_max) and (
                everything or unlucky(latent)
            ):
                out[row] = NAN
        return out

    network.forward = spoiled
    return model
