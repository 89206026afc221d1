"""The schedule that a pilot trajectory on the user's own model, conditioning and CFG finds."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..sampling.levels import Levels
from ..sampling.wrappers import KEY, SCHEDULE_KEY
from . import spacing
from .pilot import MOST_PREDICTIONS, Pilot, fly

LOWEST_LEVEL = 0.01
PILOT_SEED = 0
PILOTS_KEPT = 4


class Task(NamedTuple):
    """What is to be denoised, as a sampler node has it. latent: {"samples": [B, ...]}; the first of a batch is used."""

    model: Any
    positive: Any
    negative: Any
    cfg: float
    latent: dict[str, Any]


class _Flown(NamedTuple):
    """A pilot, and what it was flown for."""

    model: weakref.ref
    task: Task
    start: float
    pilot: Pilot


_flown: list[_Flown] = []


def pilot_for(task: Task, start: float) -> tuple[Pilot, bool]:
    """A pilot from sigma `start`, and whether it was flown now; the last few are kept for the same task."""
    for flown in _flown:
        if flown.model() is task.model and flown.start == start and _is_same_task(flown.task, task):
            return flown.pilot, False
    pilot = _fly(task, start)
    _flown.append(_Flown(weakref.ref(task.model), task._replace(model=None), start, pilot))
    del _flown[:-PILOTS_KEPT]
    return pilot, True


def to_sigmas(model: Any, pilot: Pilot, start: float, steps: int) -> Tensor:
    """The pilot's spacing of so many steps [steps + 1], from sigma `start` to 0."""
    levels = Levels(model.get_model_object("model_sampling"))
    inner = [levels.sigma(level) for level in spacing.levels(pilot, steps)[1:-1]]
    return torch.tensor([start, *inner, 0.0])


def _fly(task: Task, start: float) -> Pilot:
    model = task.model.clone()
    for kind in (WrappersMP.OUTER_SAMPLE, WrappersMP.SAMPLER_SAMPLE, WrappersMP.PREDICT_NOISE):
        for key in (KEY, SCHEDULE_KEY):
            model.remove_wrappers_with_key(kind, key)
    ratios = (task.latent.get(f"downscale_ratio_{kind}") for kind in ("spacial", "temporal"))  # the host's spelling
    samples = comfy.sample.fix_empty_latent_channels(model, task.latent["samples"][:1], *ratios)
    flight = _Flight(Levels(model.get_model_object("model_sampling")))
    comfy.sample.sample_custom(
        model, comfy.sample.prepare_noise(samples, PILOT_SEED), task.cfg, comfy.samplers.KSAMPLER(flight),
        torch.tensor([start, 0.0]), task.positive, task.negative, samples, disable_pbar=True, seed=PILOT_SEED,
    )  # fmt: skip
    return flight.pilot


class _Flight:
    """The pilot as a sampler function, so that the host prepares model and conditioning as for any other."""

    def __init__(self, levels: Levels):
        self.levels = levels
        self.pilot: Pilot  # once it has flown

    def __call__(self, model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None) -> Tensor:
        top = self.levels.level(float(sigmas[0]))
        bottom = max(self.levels.level(float(self.levels.sampling.sigma_min)), LOWEST_LEVEL)
        bar = comfy.utils.ProgressBar(MOST_PREDICTIONS)

        def velocity(y: Tensor, level: float) -> Tensor:
            comfy.model_management.throw_exception_if_processing_interrupted()
            bar.update(1)
            sigma = self.levels.sigma(level)
            a, b = self.levels.noise_part(sigma), self.levels.image_part(sigma)
            x = y * (a + b)
            x0 = model(x, x.new_full((len(x),), sigma), **(extra_args or {}))
            return (x - b * x0) / a - x0

        scale = self.levels.noise_part(float(sigmas[0])) + self.levels.image_part(float(sigmas[0]))
        self.pilot = fly(velocity, x / scale, top, bottom)
        return x


def _is_same_task(one: Task, other: Task) -> bool:
    """Whether a pilot of one serves the other: the model apart. Cached nodes hand out the same conditioning again."""
    samples, others = one.latent["samples"], other.latent["samples"]
    return (
        one.positive is other.positive
        and one.negative is other.negative
        and one.cfg == other.cfg
        and samples.shape[1:] == others.shape[1:]
        and torch.equal(samples[:1], others[:1])
    )
