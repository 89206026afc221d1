"""Looks ahead: the image that a latent becomes in a few big steps, made beside the trajectory, which is left as it is.

The steps are those of the plainest solver (euler) through the user's own guider, patches, conditioning and mask. All
of the host's latents follow dx/dsigma = (x - x0) / sigma, whatever the type of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import comfy.samplers
import torch
from torch import Tensor

from .levels import thin
from .wordings import Said

Predict = Callable[[Tensor, Tensor], Tensor]  # (x [rows, ...], sigma [rows]) -> x0


class Point(NamedTuple):
    """Where the solver asked the model last: x and x0 [rows, ...], sigma [rows], and what else it gave."""

    executor: Any
    x: Tensor
    sigma: Tensor
    x0: Tensor
    options: dict[str, Any]
    seed: int | None


class Given(NamedTuple):
    """What the solver was given: its schedule, and of all rows the noise, the latent image, the mask and what
    they are drawn with."""

    guider: Any
    sigmas: Tensor
    noise: Tensor
    latent_image: Tensor
    mask: Tensor | None
    said: Said | None = None

    def around(self, predict: Predict, rows: Tensor, options: dict[str, Any]) -> Predict:
        """The predictions of these rows as the solver would get them."""
        if self.mask is None:
            return predict
        host: Any = comfy.samplers.KSamplerX0Inpaint(_Model(self.guider.inner_model, predict), self.sigmas)
        host.latent_image, host.noise, mask = self.latent_image[rows], self.noise[rows], self.mask[rows]
        return lambda x, sigma: host(x, sigma, mask, model_options=options)


class _Model:
    """What the host's masking calls for a prediction."""

    def __init__(self, inner_model: Any, predict: Predict):
        self.inner_model = inner_model
        self.predict = predict

    def __call__(self, x: Tensor, sigma: Tensor, model_options: Any, seed: Any) -> Tensor:
        return self.predict(x, sigma)


def look(x: Tensor, predict: Predict, sigmas: Tensor, ahead: int) -> Tensor:
    """The x0 prediction so many big steps ahead.

    predict: also knows the prediction at x. sigmas: what the trajectory still has before it, the present one first.
    """
    x0 = x
    path = thin(sigmas, ahead + 1)[:-1]
    for at, sigma in enumerate(path):
        x0 = predict(x, sigma.expand(len(x)))
        if at + 1 < len(path):
            x = x + (x - x0) / sigma * (path[at + 1] - sigma)
    return x0


def below(sigmas: Tensor, sigma: Tensor) -> Tensor:
    """The schedule from this sigma on, which may lie between two of its own."""
    return torch.cat([sigma.reshape(1).to(sigmas), sigmas[sigmas < float(sigma) * (1 - 1e-4)]])
