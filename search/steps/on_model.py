"""A schedule as a patch on MODEL: whatever sampler the model goes into, runs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..sampling.levels import Levels
from ..sampling.wrappers import SCHEDULE_KEY


def put_schedule_on(model: Any, sigmas: Tensor, title: str) -> Any:
    """A clone of MODEL whose samplers run these sigmas [steps + 1]; in place of a schedule it may have."""
    model = model.clone()
    wrappers = dict(model.wrappers.get(WrappersMP.OUTER_SAMPLE, {}))
    wrappers.pop(SCHEDULE_KEY, None)
    model.wrappers[WrappersMP.OUTER_SAMPLE] = {SCHEDULE_KEY: [_Scheduled(sigmas, title)], **wrappers}
    return model


class _Scheduled:
    """OUTER_SAMPLE: the sampler's own sigmas replaced. Outside of a search, which is to see these."""

    def __init__(self, sigmas: Tensor, title: str):
        self.sigmas = sigmas
        self.title = title

    def __call__(self, executor, noise, latent_image, sampler, sigmas, *args, **kwargs) -> Tensor:
        sampling = executor.class_obj.model_patcher.get_model_object("model_sampling")
        chosen = part_for(self.sigmas, sigmas.cpu(), sampling)
        if len(chosen) != len(self.sigmas):
            logging.info("%s: this sampler runs %d of the %d steps.", self.title, len(chosen) - 1, len(self.sigmas) - 1)
        return executor(noise, latent_image, sampler, chosen.to(sigmas, copy=True), *args, **kwargs)


def part_for(ours: Tensor, theirs: Tensor, sampling: Any) -> Tensor:
    """What to run of our schedule where a sampler was to run its own.

    All of it, where the sampler was to run all of one. The same steps of it, where the sampler was to run some of the
    steps (start_at_step, end_at_step) of a schedule of as many. Otherwise what lies between the same noise levels.
    """
    if _find(theirs, ours) is not None:
        return theirs
    if any(_are_equal(theirs, whole) for whole in _host_schedules(sampling, {len(theirs) - 1, len(theirs) - 2})):
        return ours
    for whole in _host_schedules(sampling, {len(ours) - 1}):
        start = _find(theirs, whole)
        if start is not None and len(whole) == len(ours):
            return _with_end(ours[start : start + len(theirs)], theirs)
    levels = Levels(sampling)
    top, bottom = min(float(theirs[0]), float(ours[0])), float(theirs[-1])
    if bottom >= top:
        raise ValueError(
            f"Step Scheduler's schedule starts at noise level {levels.level(top):.2f}, but this sampler ends at level "
            f"{levels.level(bottom):.2f}, above it. Raise Step Scheduler's denoise, or end_at_step."
        )
    return levels.schedule(ours, top, bottom)


def _with_end(part: Tensor, theirs: Tensor) -> Tensor:
    """To 0 where the sampler was to leave no noise."""
    return torch.cat([part[:-1], part[-1:] if theirs[-1] > 0 else part.new_zeros(1)])


def _host_schedules(sampling: Any, counts: set[int]) -> Iterator[Tensor]:
    """All that the host's KSampler makes with so many steps; some of its samplers leave out the last sigma but one."""
    for steps in (count for count in counts if count > 0):
        for name in comfy.samplers.SCHEDULER_NAMES:
            yield comfy.samplers.calculate_sigmas(sampling, name, steps).cpu()
            longer = comfy.samplers.calculate_sigmas(sampling, name, steps + 1).cpu()
            yield torch.cat([longer[:-2], longer[-1:]])


def _find(part: Tensor, whole: Tensor) -> int | None:
    """Where the part begins in the whole; its last sigma may be 0 instead."""
    for start in range(len(whole) - len(part) + 1):
        at = whole[start : start + len(part)]
        if _are_equal(part[:-1], at[:-1]) and (part[-1] == 0 or _are_equal(part[-1:], at[-1:])):
            return start
    return None


def _are_equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=1e-5, atol=1e-6)
