"""The number of denoising steps and where they lie, for any sampler."""

import logging
from typing import Any

import comfy.samplers
import torch
from comfy_api.latest import io

from ..search.host.prompts import PROMPTS
from ..search.pictures.schedule_plot import schedule_plot
from ..search.pictures.thumbnail import from_pil
from ..search.sampling.levels import Levels
from ..search.steps import modes, schedules
from ..search.steps.adaptive import Task
from ..search.steps.on_model import put_schedule_on
from .types import CATEGORY

BY_TOLERANCE, BY_STEPS = "by tolerance", "steps"


class StepScheduler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StepScheduler",
            display_name="Step Scheduler",
            category=CATEGORY,
            description="Decides how many denoising steps a sampler makes and where. fixed: any scheduler and number. "
            "budget: splits a number of model calls between steps and candidates. adaptive: a pilot run on your model "
            "and prompt finds where steps are needed. Put it on the MODEL wire: the sampler after it, a KSampler too, "
            "then runs this schedule and its own steps and scheduler are ignored.",
            search_aliases=["scheduler", "sigmas", "adaptive steps", "align your steps", "step budget", "nfe"],
            inputs=[
                io.Model.Input("model", tooltip="The model, before or after a search node."),
                io.Combo.Input(
                    "scheduler",
                    options=schedules.names(),
                    tooltip="Where the steps lie. In mode adaptive it is only drawn for comparison.",
                ),
                io.Int.Input("steps", default=20, min=1, max=10_000, tooltip="How many, in mode fixed."),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1 starts from pure noise; less keeps more of the latent image, as in Basic Scheduler. A "
                    "KSampler after this node should then have denoise 1.",
                ),
                io.DynamicCombo.Input(
                    "mode",
                    options=[
                        io.DynamicCombo.Option("fixed", []),
                        io.DynamicCombo.Option("budget", _budget_inputs()),
                        io.DynamicCombo.Option("adaptive", _adaptive_inputs()),
                    ],
                    tooltip="How the number of steps is decided.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The model with this schedule. A KSampler's own steps and scheduler are then ignored; "
                    "start_at_step and end_at_step count this schedule's steps if its steps is the same number, "
                    "otherwise they and its denoise choose the same noise levels of it.",
                ),
                io.Sigmas.Output(display_name="sigmas", tooltip="The same for the custom samplers."),
                io.Int.Output(display_name="steps", tooltip="How many steps it has."),
                io.Image.Output(display_name="plot", tooltip="The schedule, beside one of ComfyUI's."),
                io.String.Output(display_name="plan", tooltip="In words: the steps, the candidates, what it costs."),
                io.Int.Output(
                    display_name="candidates",
                    tooltip="In mode budget, how many candidates it pays for: goes into a search node. Otherwise 1.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, model: Any, scheduler: str, steps: int, denoise: float, mode: dict[str, Any]) -> io.NodeOutput:
        title = f"Step Scheduler (node {cls.hidden.unique_id})"
        try:
            plan = _plan(model, scheduler, steps, denoise, mode)
        except schedules.ScheduleError as error:
            raise schedules.ScheduleError(f"{title}: {error}") from error
        logging.info("%s: %s", title, plan.text)
        PROMPTS.show(plan.text, cls.hidden.unique_id)
        return io.NodeOutput(
            put_schedule_on(model, plan.sigmas, title),
            plan.sigmas,
            plan.steps,
            _picture(model, plan, scheduler),
            plan.text,
            plan.candidates,
        )


def _budget_inputs() -> list[io.Input]:
    solvers = [name for name in comfy.samplers.SAMPLER_NAMES if name not in modes.OWN_STEPS]
    return [
        io.Int.Input(
            "nfe",
            default=160,
            min=1,
            max=1_000_000,
            tooltip="Denoiser predictions that all candidates together may take; a CFG pair counts as one.",
        ),
        io.Int.Input(
            "candidates",
            default=0,
            min=0,
            max=100_000,
            tooltip="How many candidates share the budget. 0 decides: see the candidates output.",
        ),
        io.Combo.Input(
            "sampler_name",
            options=solvers,
            default="euler",
            tooltip="The sampler that will run: some, like heun, make two predictions a step.",
        ),
    ]


def _adaptive_inputs() -> list[io.Input]:
    return [
        io.Float.Input(
            "tolerance",
            default=0.05,
            min=0.0,
            max=1.0,
            step=0.005,
            round=0.0001,
            tooltip="Takes the fewest steps whose expected distance from the exact solution is at most this share of "
            "the image's size, for a first-order sampler (euler).",
        ),
        io.Int.Input("max_steps", default=40, min=0, max=10_000, tooltip="Never more steps than this."),
        io.Conditioning.Input("positive", tooltip="The prompt, as for the sampler."),
        io.Conditioning.Input("negative", tooltip="The negative prompt, as for the sampler."),
        io.Float.Input("cfg", default=8.0, min=0.0, max=100.0, step=0.1, round=0.01, tooltip="As for the sampler."),
        io.Latent.Input("latent", tooltip="The latent image, as for the sampler."),
        io.Combo.Input(
            "count",
            options=[BY_TOLERANCE, BY_STEPS],
            default=BY_TOLERANCE,
            optional=True,
            tooltip="by tolerance: as few steps as the tolerance allows. steps: exactly the number in steps.",
        ),
    ]


def _plan(model: Any, scheduler: str, steps: int, denoise: float, mode: dict[str, Any]) -> modes.StepPlan:
    if mode["mode"] == "fixed":
        return modes.fixed(model, scheduler, steps, denoise)
    if mode["mode"] == "budget":
        return modes.budget(
            model, scheduler, denoise, mode["nfe"], mode["candidates"], mode.get("sampler_name", "euler")
        )
    if steps < 1:
        raise schedules.ScheduleError(f"steps is {steps}, but there has to be at least 1.")
    task = Task(model, mode["positive"], mode["negative"], mode["cfg"], mode["latent"])
    exactly = steps if mode.get("count") == BY_STEPS else None
    return modes.adaptive(task, scheduler, denoise, mode["tolerance"], mode["max_steps"], exactly)


def _picture(model: Any, plan: modes.StepPlan, scheduler: str) -> torch.Tensor:
    """[1, H, W, 3]"""
    sampling = model.get_model_object("model_sampling")
    name = scheduler if plan.compare else "simple"
    other = plan.compare.sigmas if plan.compare else comfy.samplers.calculate_sigmas(sampling, "simple", plan.steps)
    picture = schedule_plot(plan.sigmas.tolist(), Levels(sampling).level, other.tolist(), name)
    return from_pil(picture)[None]
