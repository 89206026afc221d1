"""How many steps, and where: Step Scheduler before a search."""

from __future__ import annotations

from typing import Any

from . import kits
from .builder import BOARD, Node, Out, Template
from .kits import Kit
from .parts import PICTURE, Start, begin, decoded, empty, ksampler

PLAN = 80  # room below Step Scheduler, which shows its plan

ADAPTIVE_NOTE = """
## As many steps as the image needs

**Step Scheduler** in mode *adaptive* runs a pilot on this model and prompt, measures where a step makes the
largest error, and puts the steps there: the fewest that stay within the tolerance. The KSampler's own steps and
scheduler are then ignored.

1. Press **Run**.
2. *Plan* says how many steps it takes and what the pilot cost. *Schedule* draws them, beside one of ComfyUI's own.
3. **Random Search** behind it runs every candidate on that schedule; the pilot is paid once.

### Cost

The pilot, and {candidates} candidates x the steps of the plan. All numbers are NFE (denoiser predictions; a CFG
pair counts as one).

### Try

- A lower *tolerance* for more steps, a higher one for fewer.
- *cfg* of the Step Scheduler is that of the KSampler: change both.
- *count: steps* takes exactly the number in *steps* and only decides where they lie.
"""

BUDGET_NOTE = """
## A budget, split between steps and candidates

**Step Scheduler** in mode *budget* gets a number of model calls and splits it: how many steps an image has, and
how many images there are to choose from. Its *candidates* output goes into **Random Search**.

1. Press **Run**.
2. *Plan* says how the budget was split.

### Cost

What you say: *nfe* in Step Scheduler, here 160 (NFE are denoiser predictions; a CFG pair counts as one).

### Try

- Half or twice the *nfe*.
- *candidates* in Step Scheduler: your own number instead of its choice (0); the rest of the budget goes into steps.
- A sampler like *heun*, in the KSampler and in Step Scheduler: two predictions a step, so half the steps.
"""


def adaptive(name: str, kit: Kit, candidates: int, tolerance: float) -> Template:
    t = Template(name, ADAPTIVE_NOTE, candidates=candidates)
    start, latent = begin(t, kit), empty(t, kit)
    settings = {
        "mode": "adaptive",
        "mode.tolerance": tolerance,
        "mode.positive": start.positive,
        "mode.negative": start.negative,
        "mode.cfg": kit.sampler["cfg"],
        "mode.latent": latent,
    }
    return finish(t, start, latent, scheduler(t, start, settings), {"candidates": candidates})


def budget() -> Template:
    t = Template("demo_budget", BUDGET_NOTE)
    start, latent = begin(t, kits.DEMO), empty(t, kits.DEMO)
    steps = scheduler(t, start, {"mode": "budget", "mode.nfe": 160, "mode.sampler_name": "euler"})
    return finish(t, start, latent, steps, {"candidates": steps["candidates"]})


def scheduler(t: Template, start: Start, settings: dict[str, Any]) -> Node:
    t.column(340)
    same = {"model": start.loaded.model, "scheduler": start.kit.sampler["scheduler"]}
    steps = t.node("StepScheduler", room=PLAN, **same, **settings)
    t.node("PreviewAny", "Plan", tall=160, source=steps["plan"])
    t.node("PreviewImage", "Schedule", tall=280, images=steps["plot"])
    return steps


def finish(t: Template, start: Start, latent: Out, steps: Node, candidates: dict[str, Any]) -> Template:
    """The search on that schedule, and what it found."""
    t.column(340)
    search = t.node("RandomSearch", room=BOARD, **(start.searching | {"model": steps["model"]}), **candidates)
    t.column(280)
    sampled = ksampler(t, start, search["model"], latent, "KSampler (steps ignored)")
    t.column(260)
    report = t.node("SearchReport", latent=sampled["LATENT"], search=search["search"])
    images = decoded(t, start, report["latent"])
    t.column(460)
    t.node("SaveImage", "Best", tall=460, images=images, filename_prefix="noise_search")
    t.column(460)
    t.node("PreviewImage", "Candidates, best first", tall=460, images=report["candidates"])
    t.node("PreviewImage", "Best score against cost", tall=PICTURE, images=report["plot"])
    return t


def templates() -> list[Template]:
    return [adaptive("demo_steps", kits.DEMO, 8, 0.2), budget()]
