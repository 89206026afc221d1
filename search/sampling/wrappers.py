"""The three wrappers on a MODEL, around every sampler it goes into: what a search and a replay have in common."""

from __future__ import annotations

from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .call import Hooks, SamplerCall
from .draws import SEEDS, HostDraw, RandomState

KEY = "noise_search"
SCHEDULE_KEY = "noise_search_schedule"  # of a Step Scheduler


class Wrappers:
    """Takes over the user's sampler call in `run`, which may take the call's hooks."""

    def __init__(self) -> None:
        self.hooks = Hooks()

    def run(self, call: SamplerCall) -> Tensor | None:
        """The latents [B, ...] the sampler node shall give out; None to let the sampler do what it would have done."""
        raise NotImplementedError

    def put_on(self, model: Any, title: str) -> Any:
        """A clone of MODEL with these wrappers, outside of those it has: caches and the like start afresh every time.

        Only a Step Scheduler's stays outside of them. Raises ValueError when there are some already.
        """
        if model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
            raise ValueError(
                f"{title}: this MODEL already has a search or a replay on it. Connect the model from before that node."
            )
        model = model.clone()
        for kind, wrapper in (
            (WrappersMP.OUTER_SAMPLE, self._outer_sample),
            (WrappersMP.SAMPLER_SAMPLE, self._sampler_sample),
            (WrappersMP.PREDICT_NOISE, self._predict_noise),
        ):
            present = model.wrappers.get(kind, {})
            schedule = {key: present[key] for key in (SCHEDULE_KEY,) if key in present}
            model.wrappers[kind] = {**schedule, KEY: [wrapper], **present}
        return model

    def _outer_sample(
        self,
        executor,
        noise,
        latent_image,
        sampler,
        sigmas,
        denoise_mask=None,
        callback=None,
        disable_pbar=False,
        seed=None,
        **extra,
    ) -> Tensor:
        latents = self.run(
            SamplerCall(
                executor=executor,
                guider=executor.class_obj,
                noise=noise,
                latent_image=_each(latent_image, noise),
                sampler=sampler,
                sigmas=sigmas,
                denoise_mask=None if denoise_mask is None else _each(denoise_mask, noise),
                callback=callback,
                disable_pbar=disable_pbar,
                seed=_seed_of(seed, noise, extra),
                given_seed=seed if seed is None else int(seed),
                extra=_for_each(extra, noise),
                hooks=self.hooks,
            )
        )
        if latents is not None:
            return latents
        return executor(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **extra)

    def _sampler_sample(self, executor, *args, **kwargs) -> Tensor:
        return self.hooks.solving(executor, *args, **kwargs)

    def _predict_noise(self, executor, x, timestep, model_options=None, seed=None) -> Tensor:
        return self.hooks.predicting(executor, x, timestep, model_options or {}, seed)


def _seed_of(seed: Any, noise: Tensor, extra: dict[str, Any]) -> int:
    """The seed as recipes have it, 0 to 2^64 - 1. Without one, that which the noise was drawn with, else 0."""
    if seed is not None:
        return int(seed) % SEEDS
    shapes = _for_each(extra, noise).get("latent_shapes") or [noise.shape]
    state, drawn_with = RandomState(), torch.initial_seed()
    is_drawn = torch.equal(HostDraw(shapes, noise.dtype)(drawn_with), noise.cpu())
    state.restore()
    return drawn_with if is_drawn else 0


def _each(part: Tensor, noise: Tensor) -> Tensor:
    """What is there once for all images of a larger batch of noise, once for each: a solver would do that."""
    return part.expand(len(noise), *part.shape[1:]) if len(part) == 1 else part


def _for_each(extra: dict[str, Any], noise: Tensor) -> dict[str, Any]:
    """The same for the shapes of latents."""
    if "latent_shapes" not in extra:
        return extra
    shapes = [(len(noise), *shape[1:]) if shape[0] == 1 else tuple(shape) for shape in extra["latent_shapes"] or []]
    return {**extra, "latent_shapes": shapes}
