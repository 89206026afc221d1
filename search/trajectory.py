"""Denoising candidates: rows of one latent batch that go through one call of the user's own sampler.

Three wrappers work together on every call of the user's sampler. OUTER_SAMPLE starts it as stock would, at the user's
batch size, so that conditioning, ControlNets and masks are prepared as always. SAMPLER_SAMPLE replaces the latent by
the rows of several candidates. PREDICT_NOISE is where compute is spent: it counts predictions, splits what does
not fit in memory, and stops when the user interrupts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor

from .recipe import Recipe
from .sharing import Shared, share
from .source import HostNoise
from .stretch import Stretches, step_seed

MOST_TOGETHER = 8  # candidates in one call when the batch size is automatic
SPARE_MEMORY = 1.5  # the host's own factor when it decides how much to batch (samplers.py)
SEEDED_CONDITIONING = (  # conditioning into which the host mixes noise from the sampler's seed
    "unclip_conditioning",
    "noise_augmentation",
    "minimax_visual_cond_noise_aug",
    "minimax_audio_cond_noise_aug",
)

Progress = Callable[
    [int, Tensor, Tensor], None
]  # (steps done, all candidates of this call together; x0 [B, ...]; x [B, ...])


@dataclass(frozen=True)
class SamplerCall:
    """What the OUTER_SAMPLE wrapper is given: one call of the user's sampler."""

    executor: Callable[..., Tensor]
    guider: comfy.samplers.CFGGuider
    noise: Tensor
    latent_image: Tensor
    sampler: comfy.samplers.Sampler
    sigmas: Tensor
    denoise_mask: Tensor | None
    callback: Callable[..., None] | None
    disable_pbar: bool
    seed: int
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def shapes(self) -> list[Any]:
        """The latent's, batch first; several for a packed latent (video with audio)."""
        return self.extra.get("latent_shapes") or [self.latent_image.shape]


@dataclass(frozen=True)
class Finished:
    """What came of the candidates of one call.

    latents, x0: [candidates, B, ...] on the CPU; latents as the sampler node gives them out, x0 in model space: the
    last prediction of the clean latent. nfe: denoiser predictions for each of them. steps: the solver's, for each.
    """

    latents: Tensor
    x0: Tensor
    nfe: int
    steps: int

    def __len__(self) -> int:
        return len(self.latents)


class Trajectories:
    """Runs candidates through one user's sampler call, as many at a time as fit.

    batch_size: candidates in one call; 0 for as many as fit in memory, up to MOST_TOGETHER.
    """

    def __init__(self, call: SamplerCall, source: HostNoise, batch_size: int, progress: Progress):
        self.call = call
        self.source = source
        self.batch_size = batch_size
        self.progress = progress
        self.conds = {name: [dict(cond) for cond in conds] for name, conds in call.guider.conds.items()}
        self.stretches = Stretches(call.sigmas, call.guider.model_patcher.get_model_object("model_sampling"))
        self.shared = self._sharing()
        self.fits: int | None = None  # candidates in one prediction, once memory has run out
        self._pending: Sequence[Sequence[Recipe]] = ()
        self._running = 0
        self._steps = 0
        self._nfe = 0
        self._x0: Tensor | None = None

    def run(self, candidates: Sequence[Sequence[Recipe]]) -> Finished:
        """Denoise the first of `candidates`, as many as go in one call; each has a recipe an item of the batch.

        They are all at the same stretch of their way: all from noise to the end, or all from one level to another.
        """
        call = self.call
        self._pending, self._nfe, self._x0 = candidates, 0, None
        call.guider.conds = {name: [dict(cond) for cond in conds] for name, conds in self.conds.items()}
        samples = call.executor(
            call.noise,
            call.latent_image,
            call.sampler if self.shared is None else self.shared.sampler,
            call.sigmas,
            call.denoise_mask,
            None,  # the callback is replaced where the rows are, in sampler_sample
            True,  # one progress bar over the whole search instead, the driver's
            step_seed(candidates[0][0]),
            **call.extra,
        )
        x0 = samples if self._x0 is None else self._x0
        return Finished(self._by_candidate(samples), self._by_candidate(x0), self._nfe, self._steps)

    def next_round(self) -> None:
        self.stretches.next_round()

    def sampler_sample(
        self,
        executor,
        guider,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ) -> Tensor:
        """SAMPLER_SAMPLE: the user's solver, on the rows of several candidates instead of one."""
        count = min(self._together(guider), len(self._pending))
        starting = self._pending[:count]
        sigmas = self.stretches.schedule(starting[0][0], sigmas)
        self._steps = len(sigmas) - 1
        full = self.call.sampler.max_denoise(guider, sigmas)
        noises = [self.stretches.start(recipes, self.source, noise, latent_image, full) for recipes in starting]
        self._running = count
        _fix_batch(guider.conds, self.source.items)
        if self.shared is not None:
            self.shared.start(noises, [step_seed(recipes[0]) for recipes in starting], sigmas)
        rows = torch.cat(noises)
        latent_image, denoise_mask = _tile(latent_image, count), _tile(denoise_mask, count)
        samples = executor(guider, sigmas, extra_args, self._on_step, rows, latent_image, denoise_mask, disable_pbar)
        for recipes, ended in zip(starting, samples.unflatten(0, (count, -1)), strict=True):
            if recipes[0].is_open:
                self.stretches.keep(recipes, ended, sigmas[-1])
        return samples

    def predict_noise(
        self, executor, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor:
        """PREDICT_NOISE: the model, on as many candidates at once as fit; halved when memory runs out."""
        rows, items = len(x), self.source.items
        predictions: list[Tensor] = []
        at = 0
        while at < rows:
            comfy.model_management.throw_exception_if_processing_interrupted()
            size = rows - at if self.fits is None else min(self.fits * items, rows - at)
            part = slice(at, at + size)
            prediction = self._predict(executor, x[part], timestep[part], model_options, seed)
            if prediction is None:
                self.fits = max(size // items // 2, 1)
                continue
            predictions.append(prediction)
            at += size
        self._nfe += 1
        return predictions[0] if len(predictions) == 1 else torch.cat(predictions)

    def _predict(
        self, executor, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor | None:
        """The prediction, or None when several candidates at once were too many for the memory."""
        try:
            return executor(x, timestep, model_options, seed)
        except Exception as error:
            if not comfy.model_management.is_oom(error) or len(x) <= self.source.items:
                raise
        comfy.model_management.soft_empty_cache(force=True)
        return None

    def _on_step(self, step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        self._x0 = x0
        items = self.source.items
        self.progress((step + 1) * self._running, x0[:items], x[:items])

    def _together(self, guider: comfy.samplers.CFGGuider) -> int:
        """Candidates for the next call."""
        if self.shared is None:
            return 1
        if self.fits is not None:
            return self.fits
        return self.batch_size or self._fitting(guider.model_patcher)

    def _fitting(self, patcher: Any) -> int:
        """As many as fit in free memory by the host's estimate, conditional and unconditional part together."""
        free = patcher.get_free_memory(patcher.load_device)
        item_shape = list(self.call.noise.shape[1:])
        for count in range(min(MOST_TOGETHER, len(self._pending)), 1, -1):
            if patcher.memory_required([2 * count * self.source.items, *item_shape]) * SPARE_MEMORY < free:
                return count
        return 1

    def _sharing(self) -> Shared | None:
        call = self.call
        if self.batch_size == 1 or any(
            _depends_on_batch(cond, self.source.items) for conds in self.conds.values() for cond in conds
        ):
            return None
        return share(
            call.sampler, call.guider.model_patcher, call.sigmas, call.noise.ndim, call.denoise_mask is not None
        )

    def _by_candidate(self, rows: Tensor) -> Tensor:
        return rows.detach().float().cpu().unflatten(0, (self._running, self.source.items))


def _tile(rows: Tensor | None, count: int) -> Tensor | None:
    return rows if rows is None else rows.repeat(count, *[1] * (rows.ndim - 1))


def _fix_batch(conds: dict[str, list[dict[str, Any]]], items: int) -> None:
    """Bring conditioning that differs by item to one entry an item, so that tiling it fits every candidate."""
    for cond in (cond for conds_of in conds.values() for cond in conds_of):
        fixed = {
            name: value.process_cond(batch_size=items, area=None) if _batch_of(value) not in (1, items) else value
            for name, value in cond.get("model_conds", {}).items()
        }
        cond["model_conds"] = fixed


def _batch_of(value: Any) -> int:
    """How many items a host's COND object holds entries for; 1 when it is the same for all."""
    data = getattr(value, "cond", None)
    tensors = data if isinstance(data, list) else [data]
    return max((tensor.shape[0] for tensor in tensors if isinstance(tensor, Tensor) and tensor.ndim > 0), default=1)


def _depends_on_batch(cond: dict[str, Any], items: int) -> bool:
    """Whether a candidate's conditioning comes out differently beside other candidates: then it runs alone."""
    return any(key in cond for key in SEEDED_CONDITIONING) or _hint_images(cond.get("control")) not in (1, items)


def _hint_images(control: Any) -> int:
    """The largest number of hint images in a chain of ControlNets."""
    most = 1
    while control is not None:
        hint = getattr(control, "cond_hint_original", None)
        most = max(most, 1 if hint is None else hint.shape[0])
        control = getattr(control, "previous_controlnet", None)
    return most
