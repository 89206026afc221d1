"""Schedules of the host: which there are, and one of them for a model, a number of steps and a denoise."""

from __future__ import annotations

from typing import Any, NamedTuple

import comfy.model_base
import comfy.samplers
import torch
from comfy_extras.nodes_align_your_steps import AlignYourStepsScheduler
from comfy_extras.nodes_custom_sampler import BasicScheduler, SDTurboScheduler
from comfy_extras.nodes_gits import GITSScheduler
from torch import Tensor

ALIGN_YOUR_STEPS, GITS, SD_TURBO = "align_your_steps", "gits", "sd_turbo"
PUBLISHED = (ALIGN_YOUR_STEPS, GITS, SD_TURBO)
GITS_COEFFICIENT = 1.2  # the host's default
GITS_LEAST = 2
SD_TURBO_STEPS = 10


class ScheduleError(ValueError):
    """Settings that give no schedule; the message says why and what to do."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


class Schedule(NamedTuple):
    """sigmas: [steps + 1], strictly falling. remark: what is not as asked for, empty when all is."""

    sigmas: Tensor
    remark: str = ""

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1


def names() -> list[str]:
    """The host's schedulers, and schedules published for few steps."""
    return [*comfy.samplers.SCHEDULER_NAMES, *PUBLISHED]


def schedule(model: Any, scheduler: str, steps: int, denoise: float) -> Schedule:
    """As the host's own scheduler nodes make it. Raises ScheduleError.

    Of sigmas that do not fall only the first is kept, and the remark says so.
    """
    if steps < 1:
        raise ScheduleError(f"steps is {steps}, but there has to be at least 1.")
    if not 0 < denoise <= 1:
        raise ScheduleError(f"denoise is {denoise:g}, but it has to be above 0 and at most 1.")
    sigmas = _sigmas(model, scheduler, steps, denoise)
    if not torch.isfinite(sigmas).all():
        raise ScheduleError(
            f"{scheduler} makes no schedule of so few steps ({steps}). Choose more, or another scheduler."
        )
    sigmas = _falling(sigmas)
    made = len(sigmas) - 1
    if made < 1:
        raise ScheduleError(f"{scheduler} gives no step with denoise {denoise:g}. Choose more denoise or more steps.")
    remark = "" if made == steps else f"{steps} were asked for, but {scheduler} has {made} for this model and denoise"
    return Schedule(sigmas, remark)


def _sigmas(model: Any, scheduler: str, steps: int, denoise: float) -> Tensor:
    if scheduler == ALIGN_YOUR_STEPS:
        return _sigmas_of(AlignYourStepsScheduler.execute(_align_your_steps_table(model), *_all_steps(steps, denoise)))
    if scheduler == GITS:
        _check_noise_range(model, scheduler)
        if round(steps / denoise) < GITS_LEAST:
            raise ScheduleError(f"gits has at least {GITS_LEAST} steps.")
        return _sigmas_of(GITSScheduler.execute(GITS_COEFFICIENT, *_all_steps(steps, denoise)))
    if scheduler == SD_TURBO:
        _check_noise_range(model, scheduler)
        if steps > SD_TURBO_STEPS:
            raise ScheduleError(f"sd_turbo has at most {SD_TURBO_STEPS} steps, not {steps}.")
        return _sigmas_of(SDTurboScheduler.execute(model, steps, denoise)).cpu()
    if scheduler not in comfy.samplers.SCHEDULER_NAMES:
        raise ScheduleError(f"there is no scheduler {scheduler!r}. There are: {', '.join(names())}.")
    if denoise < 1:
        return _sigmas_of(BasicScheduler.execute(model, scheduler, steps, denoise))
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps).cpu()


def _sigmas_of(output: Any) -> Tensor:
    """What a scheduler node of the host puts out."""
    return output.result[0]


def _all_steps(steps: int, denoise: float) -> tuple[int, float]:
    """What these nodes are asked for so that so many steps are left: they count those that denoise leaves out."""
    return round(steps / denoise), denoise


def _align_your_steps_table(model: Any) -> str:
    _check_noise_range(model, ALIGN_YOUR_STEPS)
    if isinstance(model.model, comfy.model_base.SVD_img2vid):
        return "SVD"
    return "SDXL" if isinstance(model.model, (comfy.model_base.SDXL, comfy.model_base.SDXLRefiner)) else "SD1"


def _check_noise_range(model: Any, scheduler: str) -> None:
    """These schedules are lists of sigmas made for Stable Diffusion's noise, which ends at 14.6 (SVD: 700)."""
    top = float(model.get_model_object("model_sampling").sigma_max)
    if top < 10:
        raise ScheduleError(
            f"{scheduler} was made for Stable Diffusion 1, SDXL and their like; this model's noise ends at sigma "
            f"{top:.3g}. Choose another scheduler."
        )


def _falling(sigmas: Tensor) -> Tensor:
    """Without those that are not below all before them."""
    lowest = torch.cat([sigmas.new_full((1,), torch.inf), sigmas.cummin(0).values[:-1]])
    return sigmas[sigmas < lowest]
