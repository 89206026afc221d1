"""What Step Scheduler does in each of its modes: the schedule, and in words what it is and costs."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from . import spacing
from .adaptive import Task, pilot_for, to_sigmas
from .allocation import ENOUGH, allocate
from .pilot import Pilot
from .schedules import Schedule, ScheduleError, schedule
from .solver_cost import predictions

OWN_STEPS = ("dpm_adaptive",)  # solvers that do not keep to a schedule
START_STEPS = 20


class StepPlan(NamedTuple):
    """sigmas: what samplers run [steps + 1]. text: for people. candidates: that the budget pays for, 1 without one.

    compare: the host's own schedule of as many steps, None when that is what runs.
    """

    sigmas: Tensor
    text: str
    candidates: int = 1
    compare: Schedule | None = None

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1


def fixed(model: Any, scheduler: str, steps: int, denoise: float) -> StepPlan:
    made = schedule(model, scheduler, steps, denoise)
    return StepPlan(made.sigmas, _text(f"{_steps(made.steps)} of {scheduler}", made.remark))


def budget(model: Any, scheduler: str, denoise: float, nfe: int, candidates: int, sampler: str) -> StepPlan:
    """Splits nfe predictions between candidates and their steps. candidates: 0 to decide that too."""
    if nfe < 1:
        raise ScheduleError(f"nfe is {nfe}, but a budget has to be at least 1.")
    if candidates < 0:
        raise ScheduleError(f"candidates is {candidates}, but it has to be at least 1, or 0 to let the budget decide.")
    if sampler in OWN_STEPS:
        raise ScheduleError(f"{sampler} chooses its steps itself, so what it spends can not be planned.")
    try:
        split = allocate(nfe, candidates, lambda steps: predictions(model, sampler, steps))
    except ValueError as error:
        raise ScheduleError(str(error)) from error
    made = schedule(model, scheduler, split.steps, denoise)
    each = predictions(model, sampler, made.steps)
    many = split.candidates > 1
    text = _text(
        f"{split.candidates} {'candidates' if many else 'candidate'} of {_steps(made.steps)} ({scheduler}): "
        f"{split.candidates * each} of {nfe} NFE, {each} each with {sampler}",
        made.remark,
        f"from about {ENOUGH} steps on, more candidates bring more than more steps" if split.steps > 2 * ENOUGH else "",
    )
    return StepPlan(made.sigmas, text, split.candidates)


def adaptive(
    task: Task, scheduler: str, denoise: float, tolerance: float, max_steps: int, steps: int | None = None
) -> StepPlan:
    """The fewest steps whose expected error is within the tolerance, at most max_steps; or exactly `steps`."""
    if tolerance <= 0:
        raise ScheduleError(f"tolerance is {tolerance:g}, but it has to be above 0: no schedule is without error.")
    if max_steps < 2:
        raise ScheduleError(f"max_steps is {max_steps}, but it has to be at least 2, or there is nothing to adapt.")
    if task.latent["samples"].is_nested:
        raise ScheduleError("mode adaptive does not take a latent of several parts (video with sound). Use mode fixed.")
    start = float(schedule(task.model, "simple", START_STEPS, denoise).sigmas[0])
    pilot, is_new = pilot_for(task, start)
    needed = spacing.steps_for(pilot, tolerance)
    count = steps or min(needed, max_steps)
    text = _text(
        f"{_steps(count)}, expected error {spacing.expected_error(pilot, count):.1%} of the image's size",
        f"a tolerance of {tolerance:g} would take {_steps(needed)}, but max_steps is {max_steps}"
        if steps is None and needed > max_steps
        else "",
        _cost(pilot) if is_new else "the pilot is known from before and cost nothing",
    )
    sigmas = to_sigmas(task.model, pilot, start, count)
    return StepPlan(sigmas, text, compare=schedule(task.model, scheduler, count, denoise))


def _cost(pilot: Pilot) -> str:
    return f"the pilot took {pilot.nfe} NFE, {pilot.rejected} of them for steps that were too long"


def _text(*parts: str) -> str:
    return "; ".join(part for part in parts if part) + "."


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
