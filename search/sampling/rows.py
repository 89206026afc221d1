"""Rows of several candidates in one call of the user's sampler: what lives as long as that call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import comfy.model_management
import torch
from torch import Tensor

from ..host.memory import too_little
from ..records.recipe import Recipe
from .call import Finished
from .conditioning import conditioning_of, fix_batch, tile
from .onlookers import KEY as ONLOOKERS
from .onlookers import Onlookers
from .stretches import step_seed

if TYPE_CHECKING:
    from .trajectories import Trajectories

Cutting = Callable[[int, Tensor], list[int] | None]  # (steps done, x0 [rows, ...]) -> rows that go on, None for all


class Rows:
    """candidates: those that wait; the first of them run, as many as go together. cutting: see Trajectories.run.

    alive: the rows still computed. nfe: predictions for each row. last: the last prediction of every row; a solver that
    predicts nothing leaves it as it is.
    """

    def __init__(self, trajectories: Trajectories, candidates: Sequence[Sequence[Recipe]], cutting: Cutting | None):
        self.trajectories = trajectories
        self.images = trajectories.source.items
        self.candidates = candidates
        self.cutting = cutting
        self.sigmas = trajectories.call.sigmas
        self.onlookers = Onlookers(len(trajectories.call.guider.model_options.get(ONLOOKERS, [])))
        self.alive = torch.empty(0, dtype=torch.long)
        self.last = torch.empty(0)
        self.x0: list[Tensor] = []  # of the last step, when there was one
        self.predictions: dict[float, Tensor] = {}
        self.work = 0.0  # steps done by all candidates
        self.given_up = False

    def solve(
        self,
        executor,
        guider,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image: Any = None,
        denoise_mask: Tensor | None = None,
        disable_pbar=False,
    ) -> Tensor:
        """SAMPLER_SAMPLE: the user's solver, on the rows of several candidates instead of one."""
        stretches, source, together = self.trajectories.stretches, self.trajectories.source, self.trajectories.together
        count = self._count(guider)
        self.candidates = starting = self.candidates[:count]
        self.sigmas = stretches.schedule(starting[0][0], sigmas)
        full = self.trajectories.call.sampler.max_denoise(guider, self.sigmas)
        noises = [stretches.start(recipes, source, noise, latent_image, full) for recipes in starting]
        self.trajectories.spent = [0] * (count * self.images)
        fix_batch(guider.conds, self.images)
        if together.shared is not None:
            seeds = [[step_seed(recipe) for recipe in recipes] for recipes in starting]
            together.shared.start(noises, seeds, self.sigmas)
        rows = torch.cat(noises)
        self.alive, self.last = torch.arange(len(rows), device=rows.device), torch.empty_like(rows)
        latent_image, denoise_mask = tile(latent_image, count), tile(denoise_mask, count)
        samples = executor(
            guider, self.sigmas, extra_args, self._on_step, rows, latent_image, denoise_mask, disable_pbar
        )
        for recipes, ended in zip(starting, samples.unflatten(0, (count, -1)), strict=True):
            if recipes[0].is_open:
                stretches.keep(recipes, ended, self.sigmas[-1])
        return samples

    def predict_noise(
        self, executor, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor:
        """PREDICT_NOISE: the model, on as many of the rows alive as fit at once; halved when memory runs out.

        Rows that were cut get their last prediction again, so that the solver goes on and nothing is spent on them.
        """
        rows, together = self.alive, self.trajectories.together
        out = torch.empty_like(x) if len(rows) == len(x) else self.last.clone()
        options = self.onlookers.aside(model_options)
        at = 0
        while at < len(rows):
            comfy.model_management.throw_exception_if_processing_interrupted()
            part = rows[at : at + together.most_rows(len(rows))]
            prediction = self._predict(executor, x, timestep, part, options, seed)
            if prediction is None:
                together.fits = max(len(part) // self.images // 2, 1)
                continue
            out[part] = prediction
            self.onlookers.take(part, x)
            at += len(part)
        for row in rows.tolist():
            self.trajectories.spent[row] += 1
        self.last = self.onlookers.call(model_options, x, timestep, out)
        return self.last

    def finished(self, samples: Tensor) -> Finished:
        """samples: [rows, ...], what the sampler has given out."""
        nfe = self.trajectories.spent
        return Finished(
            latents=self._by_candidate(samples),
            x0=self._by_candidate(self.x0[-1] if self.x0 else samples),
            nfe=[nfe[at : at + self.images] for at in range(0, len(nfe), self.images)],
            steps=len(self.sigmas) - 1,
            work=round(self.work),
            predictions={level: self._by_candidate(prediction) for level, prediction in self.predictions.items()},
            given_up=self.given_up,
        )

    def _count(self, guider: Any) -> int:
        """How many candidates run; all of a race, of which the model may see fewer at once."""
        call, together = self.trajectories.call, self.trajectories.together
        fitting = together.count(guider, len(self.candidates), call.noise.shape[1:])
        count = len(self.candidates) if self.cutting else min(fitting, len(self.candidates))
        if count > fitting:
            together.fits = fitting
        return count

    def _predict(
        self, executor, x: Tensor, timestep: Tensor, part: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor | None:
        """The prediction for these rows, or None when several candidates at once were too many for the memory."""
        try:
            if len(part) == len(x):
                return executor(x, timestep, model_options, seed)
            with conditioning_of(self.trajectories.call.guider, part % self.images):
                return executor(x[part], timestep[part], model_options, seed)
        except Exception as error:
            if not comfy.model_management.is_oom(error):
                raise
            if len(part) <= self.images:
                raise too_little("the sampler, which would not run without a search either", error) from error
        comfy.model_management.soft_empty_cache(force=True)
        return None

    def _on_step(self, step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        self.x0 = [x0]
        levels = self.trajectories.stretches.levels
        for wanted in self.trajectories.levels:
            if step == 0 or levels.level(float(self.sigmas[min(step, len(self.sigmas) - 1)])) >= wanted:
                self.predictions[wanted] = x0
        if self.given_up:
            return
        self.work += len(self.alive) / self.images
        self.given_up = self.trajectories.progress(round(self.work), x0[: self.images], x[: self.images])
        if self.given_up:  # the solver goes on to its end with the last predictions
            self.alive = self.alive[:0]
        elif self.cutting is not None:
            self._cut(self.cutting(step + 1, x0), x0)

    def _cut(self, alive: list[int] | None, x0: Tensor) -> None:
        if alive is None:
            return
        self.alive = torch.tensor(alive, device=x0.device)
        guider, patcher = self.trajectories.call.guider, self.trajectories.call.guider.model_patcher
        # judging may have moved the model away
        needed = patcher.memory_required([2 * self.trajectories.together.most_rows(len(alive)), *x0.shape[1:]])
        comfy.model_management.load_models_gpu([patcher, *guider.loaded_models], memory_required=needed)

    def _by_candidate(self, rows: Tensor) -> Tensor:
        return rows.detach().float().cpu().unflatten(0, (len(self.candidates), self.images))
