"""How many candidates go through one call of the sampler, and why they may have to go alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import comfy.samplers

from ..host.strangers import is_known, strangers
from .call import SamplerCall
from .conditioning import depends_on_batch
from .crosstalk import crosstalk
from .sharing import Shared, share

MOST_TOGETHER = 8  # candidates in one call when the batch size is automatic
NOT_BY_SEED = (
    "No seed and no recipe gives these images again: the sampler's own noise does not follow the seed that it is given."
)
BATCH_CHANGES = (
    "No seed and no recipe gives these images again: each ran beside others of its batch that have other recipes, and "
    "parts of this workflow may make the images of a batch change each other."
)
BY_WISH, BY_CONDITIONING, BY_SAMPLER = "a batch size of 1", "this conditioning", "this sampler"
HARMLESS = ("", BY_WISH, BY_CONDITIONING, BY_SAMPLER)  # to the images of a batch, of what keeps candidates apart
SPARE_MEMORY = 1.5  # the host's own factor when it decides how much to batch (samplers.py)


class Together:
    """Of one search.

    images: of the user's batch. batch_size: candidates in one call; 0 for as many as fit in memory, up to
    MOST_TOGETHER. races: whether there will be races, whose candidates all go through one call; batch_size is then how
    many of them the model sees at once.
    fits: candidates in one prediction, once memory has run out; None before. most: as many as were proven.
    strangers: the parts of the call that are not ComfyUI's own. follows_seed: whether the same seed gives the same.
    mixes: whether ComfyUI's own parts of it make the images of a batch change each other.
    """

    def __init__(
        self, call: SamplerCall, conds: Mapping[str, Sequence[Any]], images: int, batch_size: int, races: bool
    ):
        self.images = images
        self.batch_size = batch_size
        self.races = races
        self.fits: int | None = None
        self.most: int | None = None
        self.strangers = strangers(call.guider, call.sampler)
        self.has_strange_sampler = not is_known(call.sampler)
        self.follows_seed = True
        self.shared, self.alone_because = _sharing(call, conds, images, batch_size, races)
        self.mixes = self.alone_because not in HARMLESS or _is_adaptive(call.sampler)
        if self.strangers and not races and batch_size == 1:
            self.go_alone(BY_WISH)
        self.proving = bool(self.strangers) and (self.has_strange_sampler or not self.alone_because)

    def images_may_mix(self, is_proven: bool) -> bool:
        """Whether the images of the user's own batch may change each other, as candidates would. is_proven: that they
        do not."""
        is_unsafe = bool(self.strangers) and (bool(self.alone_because) or not is_proven)
        return self.images > 1 and (self.mixes or is_unsafe)

    def next_schedule(self, call: SamplerCall, conds: Mapping[str, Sequence[Any]]) -> None:
        """Of a call with other sigmas: a solver may do at some what it does not do at others."""
        if self.shared is not None:
            self.shared, self.alone_because = _sharing(call, conds, self.images, self.batch_size, self.races)

    def go_alone(self, because: str) -> None:
        """From here on every candidate has a call of its own."""
        self.shared, self.alone_because = None, because

    def count(self, guider: comfy.samplers.CFGGuider, waiting: int, item_shape: Sequence[int]) -> int:
        """Candidates for the next call, of so many that wait. item_shape: of one image's latent."""
        if self.shared is None:
            return 1
        count = self.fits or self.batch_size or self._fitting(guider.model_patcher, waiting, item_shape)
        return count if self.most is None else min(count, self.most)

    def most_rows(self, rows: int) -> int:
        """Of so many rows those that the model sees at once."""
        return rows if self.fits is None else self.fits * self.images

    def _fitting(self, patcher: Any, waiting: int, item_shape: Sequence[int]) -> int:
        """As many as fit in free memory by the host's estimate, conditional and unconditional part together."""
        free = patcher.get_free_memory(patcher.load_device)
        for count in range(min(MOST_TOGETHER, waiting), 1, -1):
            if patcher.memory_required([2 * count * self.images, *item_shape]) * SPARE_MEMORY < free:
                return count
        return 1


def _sharing(
    call: SamplerCall, conds: Mapping[str, Sequence[Any]], images: int, batch_size: int, races: bool
) -> tuple[Shared | None, str]:
    """How candidates share calls of the sampler, or what keeps them from it."""
    hints = 1 if races else images
    if batch_size == images == 1 and not races:
        return None, BY_WISH
    if any(depends_on_batch(cond, hints) for group in conds.values() for cond in group):
        return None, BY_CONDITIONING
    found = crosstalk(call.guider, call.noise.ndim)
    if found:
        return None, found
    masked = call.denoise_mask is not None
    shared = share(
        call.sampler, call.guider.model_patcher, call.sigmas, call.noise.ndim, masked, call.given_seed is not None
    )
    return shared, "" if shared else BY_SAMPLER


def _is_adaptive(sampler: Any) -> bool:
    """Whether the solver's steps go by the error of the whole batch."""
    solve = getattr(sampler, "sampler_function", None)
    return getattr(solve, "__name__", "") in ("dpm_adaptive_function", "sample_dpm_adaptive")
