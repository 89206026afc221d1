"""The three wrappers on a MODEL, around every sampler it goes into: what a search and a replay have in common."""

from __future__ import annotations

from typing import Any

from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .call import Hooks, SamplerCall

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
        call = SamplerCall(
            executor,
            executor.class_obj,
            noise,
            latent_image,
            sampler,
            sigmas,
            denoise_mask,
            callback,
            disable_pbar,
            0 if seed is None else seed,
            extra,
            self.hooks,
        )
        latents = self.run(call)
        if latents is not None:
            return latents
        return executor(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **extra)

    def _sampler_sample(self, executor, *args, **kwargs) -> Tensor:
        return self.hooks.solving(executor, *args, **kwargs)

    def _predict_noise(self, executor, x, timestep, model_options=None, seed=None) -> Tensor:
        return self.hooks.predicting(executor, x, timestep, model_options or {}, seed)
