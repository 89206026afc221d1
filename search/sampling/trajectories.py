"""Denoising candidates: rows of one latent batch that go through one call of the user's own sampler.

Three wrappers work together on every call of the user's sampler. OUTER_SAMPLE starts it as stock would, at the user's
batch size, so that conditioning, ControlNets and masks are prepared as always. SAMPLER_SAMPLE replaces the latent by
the rows of several candidates. PREDICT_NOISE is where compute is spent: rows.py counts predictions, splits what does
not fit in memory, and stops when the user interrupts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from ..records.recipe import Recipe
from .call import Finished, SamplerCall
from .rows import Cutting, Rows
from .source import HostNoise
from .stretches import Stretches, step_seed
from .together import Together

Progress = Callable[[int, Tensor, Tensor], bool]  # (steps done by all of this call, x0, x [B, ...]) -> give up?


class Trajectories:
    """Runs candidates through one user's sampler call, as many at a time as fit; what lasts between the calls.

    batch_size, races: see Together. progress: called at every step. levels: at which predictions are kept, see
    Finished.
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
        self.levels = levels
        self.progress = progress
        self.conds = {name: [dict(cond) for cond in conds] for name, conds in call.guider.conds.items()}
        self.together = Together(call, self.conds, source.items, batch_size, races)
        self.stretches = _stretches(call)
        self.spent: list[int] = []  # denoiser predictions for each row of the present call so far, or the last one

    @property
    def alone_because(self) -> str:
        """Why candidates go one by one; empty when they need not."""
        return self.together.alone_because

    def run(self, candidates: Sequence[Sequence[Recipe]], cutting: Cutting | None = None) -> Finished:
        """Denoise the first of `candidates`, as many as go in one call; each has a recipe an image of the batch.

        They are all at the same stretch of their way: all from noise to the end, or all from one level to another.
        cutting: called after every step; then all candidates go in one call.
        """
        call, shared = self.call, self.together.shared
        rows = Rows(self, candidates, cutting)
        call.guider.conds = {name: [dict(cond) for cond in conds] for name, conds in self.conds.items()}
        with call.hooks.taken(rows.solve, rows.predict_noise):
            samples = call.executor(
                call.noise,
                call.latent_image,
                call.sampler if shared is None else shared.sampler,
                call.sigmas.clone(),  # uni_pc writes into it
                call.denoise_mask,
                None,  # the callback is replaced where the rows are
                True,  # one progress bar over the whole search instead, the driver's
                step_seed(candidates[0][0]),
                **call.extra,
            )
        return rows.finished(samples)

    def next_round(self) -> None:
        self.stretches.next_round()

    def change_schedule(self, sigmas: Tensor) -> None:
        """What follows runs on these sigmas."""
        self.call = replace(self.call, sigmas=sigmas)
        self.stretches = _stretches(self.call)


def _stretches(call: SamplerCall) -> Stretches:
    return Stretches(call.sigmas, call.guider.model_patcher.get_model_object("model_sampling"))
