"""In a process that works for another's search: score the candidates that were asked for, instead of searching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ..course import Round
from ..driver import Driver
from ..history.known import Known
from ..history.ledger import Page
from ..judging.judge import Judge
from ..plan import Limits, Plan
from ..sampling.call import SamplerCall
from ..sampling.levels import thin
from ..sampling.source import NoiseSource
from .seam import CrewError, Errand
from .wire import piece_from_wire


def received(sampler: str, search: str, item: int, told: Mapping[str, Any]) -> Errand:
    """What another process has sent. told: a piece as plain values and arrays."""
    return Errand(sampler, search, item, piece_from_wire(told, lambda array: torch.from_numpy(array.copy())))


def run(errand: Errand, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource) -> None:
    """Fill in what came of its candidates. Raises CrewError when they can not be scored as they were asked for."""
    piece, page = errand.piece, Page(None)
    page.outcomes.known.update(piece.outcomes)
    plan = replace(plan, limits=Limits(batch_size=plan.limits.batch_size))
    call = replace(call, sigmas=thin(call.sigmas, piece.steps), callback=None, disable_pbar=True)
    driver = Driver(plan, call, judge, source, Known(page, plan.title, ()))
    trajectories = driver.trajectories
    errand.spent = lambda: _spent(driver, source.items)
    errand.steps = lambda: round(driver.board.remaining.done * call.steps)
    for place, start in piece.starts.items():
        trajectories.stretches.hold(*place, start)
    try:
        for judged in driver.evaluator.evaluate(Round(list(piece.candidates), piece.race)):
            for at in range(len(judged.recipes)):
                errand.add([images[at] for images in judged.candidates], [images[at] for images in judged.kept])
    finally:
        driver.watch.end("finished")
    if len(errand.lines) != len(piece.candidates):
        raise CrewError(f"here candidates can not share a call, because of {trajectories.alone_because}.")
    for at, recipes in enumerate(piece.candidates):
        ends = [trajectories.stretches.held(image, recipe) for image, recipe in enumerate(recipes)]
        errand.ends |= {(image, at): end for image, end in enumerate(ends) if end is not None and recipes[0].is_open}
    errand.beside = driver.spent.extra_nfe
    errand.is_done = True


def _spent(driver: Driver, images: int) -> list[int]:
    """Predictions for each image in the call that runs, and beside it."""
    running = list(driver.trajectories.spent)
    return [beside + sum(running[image::images]) for image, beside in enumerate(driver.spent.extra_nfe)]
