"""Rows of several candidates in one call of the user's sampler: what lives as long as that call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor

from ..host.memory import too_little
from ..records.recipe import Recipe
from .call import Finished
from .conditioning import conditioning_of, fix_batch, tile
from .looking import Given, Point, below, look
from .onlookers import KEY as ONLOOKERS
from .onlookers import Onlookers
from .proof import Watcher
from .sharing import Shared
from .stretches import step_seed
from .wordings import Said, say

if TYPE_CHECKING:
    from .trajectories import Trajectories


class Smaller(BaseException):
    """Memory has run out: the whole call begins again with fewer candidates, as parts of it are not proven.

    beside: predictions [..][B] that were spent before this call.
    """

    beside: list[list[int]] = []


Ahead = Callable[[list[int], int], Tensor]  # (rows, big steps) -> their x0 predictions so far ahead
Cutting = Callable[[int, Tensor, Ahead], list[int] | None]  # (steps done, x0 [rows, ...]) -> rows that go on, None: all


class Rows:
    """candidates: those that wait; the first of them run, as many as go together. cutting: see Trajectories.run.

    alive: the rows still computed. watched: those of them that were cut, and are computed for the watcher alone; what
    that costs is beside. point: where every row was predicted last; a solver that predicts nothing leaves it as it is.
    judging: whether an error is of the search's own work between two steps.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        candidates: Sequence[Sequence[Recipe]],
        cutting: Cutting | None,
        watcher: Watcher,
    ):
        self.trajectories = trajectories
        self.candidates = candidates
        self.cutting = cutting
        self.watcher = watcher
        self.judging = False
        self.watched: set[int] = set()
        self.beside = [0] * self.images
        call = trajectories.call
        self.given = Given(call.guider, call.sigmas, call.noise, call.latent_image, call.denoise_mask)
        self.onlookers = Onlookers(len(call.guider.model_options.get(ONLOOKERS, [])))
        self.alive = torch.empty(0, dtype=torch.long)
        self.point = Point(None, call.noise, call.sigmas[:1], torch.empty(0), {}, None)
        self.way: list[tuple[Tensor, Tensor]] = []  # x0 and x, of the last step alone where nobody asks for all
        self.predictions: dict[float, Tensor] = {}
        self.work = 0.0  # steps done by all candidates
        self.given_up = False

    @property
    def images(self) -> int:
        return self.trajectories.source.items

    @property
    def sigmas(self) -> Tensor:
        return self.given.sigmas

    @property
    def shared(self) -> Shared | None:
        """How candidates share the sampler; None in a call as there would be without a search."""
        return None if self.watcher.is_alone else self.trajectories.together.shared

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
        stretches, source = self.trajectories.stretches, self.trajectories.source
        self.candidates = starting = self.watcher.join(self.candidates, self._fitting(guider), self.images)
        count = len(starting)
        sigmas = stretches.schedule(starting[0][0], sigmas)
        full = comfy.samplers.Sampler.max_denoise(self.trajectories.call.sampler, guider, sigmas)
        noises = [stretches.start(recipes, source, noise, latent_image, full) for recipes in starting]
        self.trajectories.spent = [0] * (count * self.images)
        fix_batch(guider.conds, self.images)
        said = say(guider, self.trajectories, starting, (noise, latent_image, denoise_mask), extra_args.get("seed"))
        if self.shared is not None:
            passed = self.trajectories.call.passed
            seeds = [[passed(step_seed(recipe)) for recipe in recipes] for recipes in starting]
            self.shared.start(noises, seeds, sigmas)
        rows = torch.cat(noises)
        self.alive, self.point = _from_here(rows, self.point)
        latent_image, denoise_mask = tile(latent_image, count), tile(denoise_mask, count)
        self.given = Given(guider, sigmas, rows, latent_image, denoise_mask, said)
        samples = executor(guider, sigmas, extra_args, self._on_step, rows, latent_image, denoise_mask, disable_pbar)
        if starting[0][0].is_open or self.trajectories.keeps_ends:
            for recipes, ended in zip(starting, samples.unflatten(0, (count, -1)), strict=True):
                stretches.keep(recipes, ended, sigmas[-1], noise)
        return samples

    def predict_noise(
        self, executor, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int | None
    ) -> Tensor:
        """PREDICT_NOISE: the model, on as many of the rows alive as fit at once; halved when memory runs out.

        Rows that were cut get their last prediction again, so that the solver goes on and nothing is spent on them.
        """
        options = self.onlookers.aside(model_options)
        self.watcher.only_first = options is not model_options
        rows = self.watcher.order(self.alive, self.images)
        point = Point(executor, x, timestep, self._before(x), options, seed)
        for part, prediction in self._predicted(point, rows):
            point.x0[part] = prediction
            self.onlookers.take(part, x)
        x0 = self.onlookers.call(model_options, x, timestep, point.x0)
        if not self.given_up:
            x0 = self.watcher.look(x, x0)
        self.point = point._replace(x0=x0, options=self.onlookers.without(model_options))
        return x0

    def look_ahead(self, rows: list[int], ahead: int) -> Tensor:
        """The x0 predictions of these rows so many big steps on from where they were predicted last [rows, ...]."""
        point, index = self.point, torch.tensor(rows, device=self.point.x0.device)

        def predict(x: Tensor, sigma: Tensor) -> Tensor:
            if sigma[0] == point.sigma[0]:
                return point.x0[index]
            full = point._replace(x=torch.zeros_like(point.x0), sigma=sigma[0].expand(len(point.x0)))
            full.x[index], found = x, torch.empty_like(point.x0)
            for part, prediction in self._predicted(full, index):
                found[part] = prediction
            self.work += len(rows) / self.images
            return found[index]

        self.judging = False
        seen = self.given.around(predict, index, point.options)
        predicted = look(point.x[index], seen, below(self.sigmas, point.sigma[0]), ahead)
        self.judging = True
        return predicted

    def finished(self, samples: Tensor) -> Finished:
        """samples: [rows, ...], what the sampler has given out."""
        nfe = self.trajectories.spent
        return Finished(
            latents=self._by_candidate(samples),
            x0=self._by_candidate(self.way[-1][0] if self.way else samples),
            nfe=[nfe[at : at + self.images] for at in range(0, len(nfe), self.images)],
            steps=len(self.sigmas) - 1,
            work=round(self.work),
            predictions={level: self._by_candidate(prediction) for level, prediction in self.predictions.items()},
            given_up=self.given_up,
            beside=[self.beside] if any(self.beside) else [],
            way=[(self._by_candidate(x0), self._by_candidate(x)) for x0, x in self.way if self.trajectories.keeps_way],
        )

    @property
    def _said(self) -> Said:
        if self.given.said is None:
            raise RuntimeError("the solver has not begun.")
        return self.given.said

    def _count_prediction(self, row: int) -> None:
        if row in self.watched:
            self.beside[row % self.images] += 1
        else:
            self.trajectories.spent[row] += 1

    def _fitting(self, guider: Any) -> int:
        """How many candidates fit in the call; all of a race, of which the model may see fewer at once."""
        call, together = self.trajectories.call, self.trajectories.together
        fitting = together.count(guider, len(self.candidates) + 2, call.noise.shape[1:])
        if self.cutting is None:
            return fitting
        if len(self.candidates) > fitting:
            together.fits = fitting
        return len(self.candidates)

    def _before(self, x: Tensor) -> Tensor:
        """What rows get that were cut: their last prediction, or x itself where the solver has changed its size."""
        if len(self.alive) == len(x):
            return torch.empty_like(x)
        last = self.point.x0
        return last.clone() if last.shape == x.shape else x.clone()

    def _predicted(self, point: Point, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Of these rows, in parts as large as fit, each with its prediction; they are counted."""
        together, at = self.trajectories.together, 0
        rows = self._said.in_order(rows)
        while at < len(rows):
            comfy.model_management.throw_exception_if_processing_interrupted()
            part = self._said.first(rows[at : at + together.most_rows(len(rows))])
            prediction = self._predict(point, part)
            if prediction is None:
                together.fits = max(len(part) // self.images // 2, 1)
                continue
            yield part, prediction
            at += len(part)
        for row in rows.tolist():
            self._count_prediction(row)

    def _predict(self, point: Point, part: Tensor) -> Tensor | None:
        """The prediction for these rows, or None when several candidates at once were too many for the memory."""
        try:
            conds, own = self._said.of(part)
            if own is not None and float(point.sigma[0]) < own.down_to * (1 - 1e-4):
                own = None
            if conds is None and own is None and len(part) == len(point.x) and not self.watcher.turns:
                return point.executor(point.x, point.sigma, point.options, point.seed)
            items, conds = (part % self.images, conds) if own is None else (part, own.conds)
            with conditioning_of(self.trajectories.call.guider, items, conds):
                return point.executor(point.x[part], point.sigma[part], point.options, point.seed)
        except Exception as error:
            if not comfy.model_management.is_oom(error):
                raise
            together = self.trajectories.together
            if together.proving and len(part) > self.images:
                together.fits = len(part) // self.images // 2
                raise Smaller from error
            if len(part) <= self.images:
                raise too_little("the sampler, which would not run without a search either", error) from error
        comfy.model_management.soft_empty_cache(force=True)
        return None

    def _on_step(self, step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        self.judging = True
        self._after_step(step, x0, x)
        self.judging = False

    def _after_step(self, step: int, x0: Tensor, x: Tensor) -> None:
        if self.trajectories.keeps_way:
            self.way.append((x0.detach().cpu().clone(), x.detach().cpu().clone()))
        else:
            self.way = [(x0, x)]
        levels = self.trajectories.stretches.levels
        for wanted in self.trajectories.levels:
            if step == 0 or levels.level(float(self.sigmas[min(step, len(self.sigmas) - 1)])) >= wanted:
                self.predictions[wanted] = x0
        if self.given_up:
            return
        if self.watcher.counts:
            self.work += len(self.alive) / self.images
        self.given_up = self.trajectories.progress(
            round(self.watcher.done + self.work), x0[: self.images], x[: self.images]
        )
        if self.trajectories.glimpse is not None and not self.given_up:
            self.trajectories.glimpse(self.candidates, step + 1, x0, self.alive)
        if self.given_up:  # the solver goes on to its end with the last predictions
            self.alive = self.alive[:0]
        elif self.cutting is not None:
            self._cut(self.cutting(step + 1, x0, self.look_ahead), x0)

    def _cut(self, alive: list[int] | None, x0: Tensor) -> None:
        if alive is None:
            return
        running, alive = set(alive), self.watcher.keeps(alive)
        self.watched = set(alive) - running
        self.alive = torch.tensor(alive, device=x0.device)
        guider, patcher = self.trajectories.call.guider, self.trajectories.call.guider.model_patcher
        # judging may have moved the model away
        needed = patcher.memory_required([2 * self.trajectories.together.most_rows(len(alive)), *x0.shape[1:]])
        comfy.model_management.load_models_gpu([patcher, *guider.loaded_models], memory_required=needed)

    def _by_candidate(self, rows: Tensor) -> Tensor:
        return rows.detach().float().cpu().unflatten(0, (len(self.candidates), self.images))


def _from_here(rows: Tensor, point: Point) -> tuple[Tensor, Point]:
    """All rows are alive, and none was predicted."""
    return torch.arange(len(rows), device=rows.device), point._replace(x0=torch.empty_like(rows))
