"""Denoising candidates: rows of one latent batch that go through one call of the user's own sampler.

Three wrappers work together on every call of the user's sampler. OUTER_SAMPLE starts it as stock would, at the user's
batch size, so that conditioning, ControlNets and masks are prepared as always. SAMPLER_SAMPLE replaces the latent by
the rows of several candidates. PREDICT_NOISE is where compute is spent: rows.py counts predictions, splits what does
not fit in memory, and stops when the user interrupts. With parts in the call that are not ComfyUI's own, proving.py
decides what runs together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from ..host.memory import OutOfMemory
from ..records.outcomes import Outcomes
from ..records.recipe import Recipe
from .call import Finished, SamplerCall
from .conditioning import Conds
from .listening import is_kept
from .proof import Watcher
from .proving import Alone, Proving
from .rows import Cutting, Rows
from .source import HostNoise
from .stretches import Stretches, step_seed
from .together import Together

Glimpse = Callable[[Sequence[Sequence[Recipe]], int, Tensor, Tensor], None]
"""(the candidates that run, steps done, x0 [rows, ...], the rows that are computed)"""
Progress = Callable[[int, Tensor, Tensor], bool]  # (steps done by all of this call, x0, x [B, ...]) -> give up?


class Trajectories:
    """Runs candidates through one user's sampler call, as many at a time as fit; what lasts between the calls.

    batch_size, races: see Together. progress: called at every step, as is glimpse while there is one. levels: at which
    predictions are kept, see Finished. outcomes: what is known of this call's parts that are not ComfyUI's own.
    keeps_ends: whether others go on from what runs now, also where that is an image.
    """

    keeps_ends = False
    glimpse: Glimpse | None = None

    def __init__(
        self,
        call: SamplerCall,
        source: HostNoise,
        batch_size: int,
        progress: Progress,
        races: bool = False,
        levels: Sequence[float] = (),
        outcomes: Outcomes | None = None,
    ):
        self.keeps_way = is_kept(call)
        self.call = call
        self.source = source
        self.levels = levels
        self.progress = progress
        self.conds = {name: [dict(cond) for cond in conds] for name, conds in call.guider.conds.items()}
        self.together = Together(call, self.conds, source.items, batch_size, races)
        self.stretches = _stretches(call)
        self.spent: list[int] = []  # denoiser predictions for each row of the present call so far, or the last one
        self.proving = Proving(self, outcomes or Outcomes())

    @property
    def alone_because(self) -> str:
        """Why candidates go one by one; empty when they need not."""
        return self.together.alone_because

    @property
    def images_go_by_one_seed(self) -> bool:
        """Whether the images of a batch may have to share one seed's step noise, as they do without a search."""
        return bool(self.together.alone_because) or self.together.proving

    def images_may_mix(self, recipes: Sequence[Recipe]) -> bool:
        """Whether each image of this candidate may be what it is only beside the others."""
        if len(set(recipes)) == 1:
            return False
        return self.together.images_may_mix(bool(self.together.strangers) and self.proving.is_proven(recipes))

    def run(self, candidates: Sequence[Sequence[Recipe]], cutting: Cutting | None = None, uncut: int = 0) -> Finished:
        """Denoise the first of `candidates`, as many as go in one call; each has a recipe per image of the batch.

        They are all at the same stretch of their way: all from noise to the end, or all from one level to another.
        cutting: called after every step; then all candidates go in one call. uncut: steps before it cuts.
        Raises Alone when they would have to, and it turns out that they can not.
        """
        if self.together.proving:
            return self.proving.run(candidates, cutting, uncut)
        try:
            return self.once(candidates, cutting)
        except Exception as error:
            if self.is_own(error) or len(self.rows.candidates) == 1:
                raise
            return self.after(error, candidates, cutting)

    def once(
        self,
        candidates: Sequence[Sequence[Recipe]],
        cutting: Cutting | None = None,
        watcher: Watcher | None = None,
    ) -> Finished:
        """One call of the user's sampler."""
        call = self.call
        self.rows = rows = Rows(self, candidates, cutting, watcher or Watcher())
        call.guider.conds = self.conds_of(candidates[0][0].wording)
        with call.hooks.taken(rows.solve, rows.predict_noise):
            samples = call.executor(
                call.noise,
                call.latent_image,
                call.sampler if rows.shared is None else rows.shared.sampler,
                call.sigmas.clone(),  # uni_pc writes into it
                call.denoise_mask,
                None,  # the callback is replaced where the rows are
                True,  # one progress bar over the whole search instead, the driver's
                call.passed(step_seed(candidates[0][0])),
                **call.extra,
            )
        return rows.finished(samples)

    def conds_of(self, wording: str) -> Conds:
        """What the sampler is given for this wording; the host writes into it."""
        conds = self.conds if self.call.wordings is None else self.call.wordings.conds(self.conds, wording)
        return {name: [dict(cond) for cond in group] for name, group in conds.items()}

    def is_own(self, error: Exception) -> bool:
        """Whether the error in the last call is of the search's own work, or there was no memory for one candidate."""
        return self.rows.judging or isinstance(error, OutOfMemory)

    def after(self, error: Exception, candidates: Sequence[Sequence[Recipe]], cutting: Cutting | None) -> Finished:
        """Several candidates have failed: they go one by one, if one alone does not fail.

        Raises the error when it does; Alone when they can not go one by one.
        """
        beside = self.spent_beside()
        self.together.go_alone(f"a part that takes one image at a time ({type(error).__name__}: {error})")
        if cutting is not None:
            raise Alone(beside) from error
        try:
            finished = self.once(candidates)
        except Exception:
            raise error from None
        return replace(finished, beside=[*finished.beside, *beside])

    def spent_beside(self) -> list[list[int]]:
        """The predictions of the last call, when it has come to nothing."""
        images, watched = self.source.items, self.rows.beside
        spent = [self.spent[at : at + images] for at in range(0, len(self.spent), images)]
        return [*spent, watched] if any(watched) else spent

    def next_round(self) -> None:
        self.stretches.next_round()

    def change_schedule(self, sigmas: Tensor) -> None:
        """What follows runs on these sigmas."""
        self.call = replace(self.call, sigmas=sigmas)
        self.stretches = _stretches(self.call)
        self.together.next_schedule(self.call, self.conds)


def _stretches(call: SamplerCall) -> Stretches:
    return Stretches(call.sigmas, call.guider.model_patcher.get_model_object("model_sampling"))
