"""Denoising candidates: rows of one latent batch that go through one call of the user's own sampler.

Three wrappers work together on every call of the user's sampler. OUTER_SAMPLE starts it as stock would, at the user's
batch size, so that conditioning, ControlNets and masks are prepared as always. SAMPLER_SAMPLE replaces the latent by
the rows of several candidates. PREDICT_NOISE is where compute is spent: it counts predictions, splits what does
not fit in memory, and stops when the user interrupts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor

from ..host.memory import too_little
from ..records.recipe import Recipe
from .conditioning import conditioning_of, depends_on_batch, fix_batch, tile
from .crosstalk import crosstalk
from .onlookers import KEY as ONLOOKERS
from .onlookers import Onlookers
from .sharing import Shared, share
from .source import HostNoise
from .stretches import Stretches, step_seed

MOST_TOGETHER = 8  # candidates in one call when the batch size is automatic
SPARE_MEMORY = 1.5  # the host's own factor when it decides how much to batch (samplers.py)
Cutting = Callable[[int, Tensor], list[int] | None]  # (steps done, x0 [rows, ...]) -> rows that go on, None for all
Progress = Callable[[int, Tensor, Tensor], None]  # (steps done by all candidates of this call, x0, x [B, ...])


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
    last prediction of the clean latent. nfe: denoiser predictions [candidates][B]. steps: the solver's, for each;
    work: those of all candidates together, without the steps of the ones that were cut. predictions: as x0, the one of
    the last step at each level that was asked for or above it, or of the first step.
    """

    latents: Tensor
    x0: Tensor
    nfe: list[list[int]]
    steps: int
    work: int
    predictions: dict[float, Tensor]

    def __len__(self) -> int:
        return len(self.latents)


class Trajectories:
    """Runs candidates through one user's sampler call, as many at a time as fit.

    batch_size: candidates in one call; 0 for as many as fit in memory, up to MOST_TOGETHER. races: whether there will
    be races, whose candidates all go through one call; batch_size is then how many of them the model sees at once.
    levels: at which predictions are kept, see Finished.
    """

    def __init__(
        self,
        call: SamplerCall,
        source: HostNoise,
        batch_size: int,
        progress: Progress,
        races: bool = False,
        levels: Sequence[float] = (),
    ):
        self.call = call
        self.source = source
        self.batch_size = batch_size
        self.races = races
        self.levels = levels
        self.progress = progress
        self.conds = {name: [dict(cond) for cond in conds] for name, conds in call.guider.conds.items()}
        self.stretches = Stretches(call.sigmas, call.guider.model_patcher.get_model_object("model_sampling"))
        self.shared, self.alone_because = self._sharing()
        self.fits: int | None = None  # candidates in one prediction, once memory has run out
        self._pending: Sequence[Sequence[Recipe]] = ()
        self._running = 0
        self._steps = 0
        self._work = 0.0  # steps done by all candidates of this call
        self._sigmas = call.sigmas
        self._predictions: dict[float, Tensor] = {}
        self._nfe: list[int] = []
        self._x0: Tensor | None = None
        self._cutting: Cutting | None = None
        self._alive: Tensor | None = None  # the rows still computed; None for all
        self._last: Tensor | None = None

    def run(self, candidates: Sequence[Sequence[Recipe]], cutting: Cutting | None = None) -> Finished:
        """Denoise the first of `candidates`, as many as go in one call; each has a recipe an item of the batch.

        They are all at the same stretch of their way: all from noise to the end, or all from one level to another.
        cutting: called after every step; then all candidates go in one call.
        """
        call = self.call
        self._pending, self._cutting = candidates, cutting
        self._x0 = self._alive = self._last = None
        self._onlookers = Onlookers(len(call.guider.model_options.get(ONLOOKERS, [])))
        self._predictions = {}
        self._work = 0.0
        call.guider.conds = {name: [dict(cond) for cond in conds] for name, conds in self.conds.items()}
        samples = call.executor(
            call.noise,
            call.latent_image,
            call.sampler if self.shared is None else self.shared.sampler,
            call.sigmas.clone(),  # uni_pc writes into it
            call.denoise_mask,
            None,  # the callback is replaced where the rows are, in sampler_sample
            True,  # one progress bar over the whole search instead, the driver's
            step_seed(candidates[0][0]),
            **call.extra,
        )
        x0 = samples if self._x0 is None else self._x0
        items = self.source.items
        nfe = [self._nfe[at : at + items] for at in range(0, len(self._nfe), items)]
        predictions = {level: self._by_candidate(prediction) for level, prediction in self._predictions.items()}
        latents, x0 = self._by_candidate(samples), self._by_candidate(x0)
        return Finished(latents, x0, nfe, self._steps, round(self._work), predictions)

    @property
    def spent(self) -> list[int]:
        """Denoiser predictions for each row of the present call so far."""
        return list(self._nfe)

    @property
    def given_up(self) -> bool:
        return self._alive is not None and not len(self._alive)

    def give_up(self) -> None:
        """Predict nothing more in this call: the solver goes on to its end with the last predictions."""
        self._cutting, self._alive = None, torch.empty(0, dtype=torch.long)

    def next_round(self) -> None:
        self.stretches.next_round()

    def change_schedule(self, sigmas: Tensor) -> None:
        """What follows runs on these sigmas."""
        self.call = replace(self.call, sigmas=sigmas)
        self.stretches = Stretches(sigmas, self.call.guider.model_patcher.get_model_object("model_sampling"))

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
        together = self._together(guider)
        count = len(self._pending) if self._cutting else min(together, len(self._pending))
        if count > together:
            self.fits = together
        starting = self._pending[:count]
        sigmas = self.stretches.schedule(starting[0][0], sigmas)
        self._steps, self._sigmas = len(sigmas) - 1, sigmas
        full = self.call.sampler.max_denoise(guider, sigmas)
        noises = [self.stretches.start(recipes, self.source, noise, latent_image, full) for recipes in starting]
        self._running, self._nfe = count, [0] * (count * self.source.items)
        fix_batch(guider.conds, self.source.items)
        if self.shared is not None:
            self.shared.start(noises, [[step_seed(recipe) for recipe in recipes] for recipes in starting], sigmas)
        rows = torch.cat(noises)
        latent_image, denoise_mask = tile(latent_image, count), tile(denoise_mask, count)
        samples = executor(guider, sigmas, extra_args, self._on_step, rows, latent_image, denoise_mask, disable_pbar)
        for recipes, ended in zip(starting, samples.unflatten(0, (count, -1)), strict=True):
            if recipes[0].is_open:
                self.stretches.keep(recipes, ended, sigmas[-1])
        return samples

    def predict_noise(
        self, executor, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor:
        """PREDICT_NOISE: the model, on as many of the rows alive as fit at once; halved when memory runs out.

        Rows that were cut get their last prediction again, so that the solver goes on and nothing is spent on them.
        """
        rows = torch.arange(len(x), device=x.device) if self._alive is None else self._alive
        out = torch.empty_like(x) if self._alive is None else self._last.clone()
        options = self._onlookers.aside(model_options)
        at = 0
        while at < len(rows):
            comfy.model_management.throw_exception_if_processing_interrupted()
            part = rows[at : at + self._most_rows(len(rows))]
            prediction = self._predict(executor, x, timestep, part, options, seed)
            if prediction is None:
                self.fits = max(len(part) // self.source.items // 2, 1)
                continue
            out[part] = prediction
            self._onlookers.take(part, x)
            at += len(part)
        for row in rows.tolist():
            self._nfe[row] += 1
        self._last = self._onlookers.call(model_options, x, timestep, out)
        return self._last

    def _most_rows(self, rows: int) -> int:
        return rows if self.fits is None else self.fits * self.source.items

    def _predict(
        self, executor, x: Tensor, timestep: Tensor, part: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor | None:
        """The prediction for these rows, or None when several candidates at once were too many for the memory."""
        try:
            if len(part) == len(x):
                return executor(x, timestep, model_options, seed)
            with conditioning_of(self.call.guider, part % self.source.items):
                return executor(x[part], timestep[part], model_options, seed)
        except Exception as error:
            if not comfy.model_management.is_oom(error):
                raise
            if len(part) <= self.source.items:
                raise too_little("the sampler, which would not run without a search either", error) from error
        comfy.model_management.soft_empty_cache(force=True)
        return None

    def _on_step(self, step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        self._x0 = x0
        for wanted in self.levels:
            if step == 0 or self.stretches.levels.level(float(self._sigmas[min(step, self._steps)])) >= wanted:
                self._predictions[wanted] = x0
        items = self.source.items
        self._work += (self._running * items if self._alive is None else len(self._alive)) / items
        self.progress(round(self._work), x0[:items], x[:items])
        if self._cutting is not None:
            self._cut(step + 1, x0)

    def _cut(self, steps: int, x0: Tensor) -> None:
        alive = self._cutting(steps, x0)
        if alive is None:
            return
        self._alive = torch.tensor(alive, device=x0.device)
        guider, patcher = self.call.guider, self.call.guider.model_patcher  # judging may have moved the model away
        needed = patcher.memory_required([2 * self._most_rows(len(alive)), *x0.shape[1:]])
        comfy.model_management.load_models_gpu([patcher, *guider.loaded_models], memory_required=needed)

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

    def _sharing(self) -> tuple[Shared | None, str]:
        """How candidates share calls of the sampler, or what keeps them from it."""
        call, ndim = self.call, self.call.noise.ndim
        hints = 1 if self.races else self.source.items
        if self.batch_size == self.source.items == 1 and not self.races:
            return None, "a batch size of 1"
        if any(depends_on_batch(cond, hints) for group in self.conds.values() for cond in group):
            return None, "this conditioning"
        found = crosstalk(call.guider, ndim)
        if found:
            return None, found
        shared = share(call.sampler, call.guider.model_patcher, call.sigmas, ndim, call.denoise_mask is not None)
        return shared, "" if shared else "this sampler"

    def _by_candidate(self, rows: Tensor) -> Tensor:
        return rows.detach().float().cpu().unflatten(0, (self._running, self.source.items))
