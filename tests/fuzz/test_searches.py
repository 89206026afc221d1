"""What holds for every search, whatever it is asked for: drawn at random, on small models in ComfyUI's own sampling."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from failing import SpoilingVAE
from node_calls import call
from noise_search.search.records.report import recipes_json, reports_json
from noise_search.search.steps.pilot import Pilot, Stage
from small_models import Brightness, SmallVAE, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
PROPERTY = settings(deadline=None, derandomize=True, max_examples=10)
MANY = settings(PROPERTY, max_examples=50)
SOLVERS = ("euler", "heun", "dpmpp_2m", "uni_pc", "lms", "euler_ancestral", "dpmpp_2m_sde")
KINDS = ("FLOW", "EPS", "V_PREDICTION", "EDM")


@dataclass(frozen=True)
class Case:
    """A search node with its inputs, and the sampler after it. video: a latent [B, C, T, H, W]."""

    node: str
    inputs: dict[str, Any]
    sampler: dict[str, Any]
    kind: str
    shape: tuple[int, ...]

    @property
    def video(self) -> bool:
        return len(self.shape) == 5


@st.composite
def nodes(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    count = lambda most: draw(st.integers(1, most))  # noqa: E731
    kind = draw(st.sampled_from(["random", "pruned", "zero-order", "paths"]))
    if kind == "zero-order":
        cosine = draw(st.floats(0, 0.999))
        return "ZeroOrderSearch", {"iterations": count(3), "neighbors": count(3), "cosine": cosine}
    if kind == "paths":
        start, forward, net = (draw(st.integers(1, 5)) / 10 for _ in range(3))
        levels = {"start": start, "forward": forward, "backward": min(round(forward + net, 2), 0.99)}
        return "PathSearch", {"paths": count(2), "branches": count(2)} | levels
    return "RandomSearch", {"candidates": count(7), "pruning": "progressive" if kind == "pruned" else "none"}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    node, inputs = draw(nodes())
    side = st.integers(1, 9)
    batch = draw(st.integers(1, 4))
    size = draw(st.one_of(st.tuples(st.just(4), side, side), st.tuples(st.just(16), st.integers(1, 3), side, side)))
    common = {"batch_size": draw(st.integers(0, 5)), "search_steps": draw(st.sampled_from([0, 0, 2, 4]))}
    sampler = {
        "sampler_name": draw(st.sampled_from(SOLVERS)),
        "scheduler": draw(st.sampled_from(["simple", "karras", "normal"])),
        "steps": draw(st.integers(1, 9)),
        "cfg": draw(st.sampled_from([1.0, 2.0])),
        "denoise": draw(st.sampled_from([1.0, 1.0, 0.7])),
        "seed": draw(st.sampled_from([7, 0, 2**50 - 2, 2**63])),
    }
    return Case(node, inputs | common, sampler, draw(st.sampled_from(KINDS)), (batch, *size))


@cache
def model_of(kind: str, video: bool) -> tuple[Any, list[int]]:
    """A MODEL, and the rows that reached its network since the list was emptied."""
    model = small_model(kind, channels=16, dims=3) if video else small_model(kind)
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _module, given: rows.append(len(given[0])))
    return model, rows


def ran(case: Case, **changes: Any) -> SimpleNamespace:
    """latent: what the sampler gave out; reports: one per image; rows: that reached the network."""
    model, rows = model_of(case.kind, case.video)
    vae = SmallVAE(16, dims=3) if case.video else SmallVAE()
    inputs = {"model": model, "vae": vae, "verifier": Brightness(), "prompt": "", "frames": 0}
    searching, search = call(case.node, **(inputs | case.inputs | changes))
    rows.clear()
    latent = sampled(case, searching)
    return SimpleNamespace(latent=latent, reports=search.runs[-1].reports, rows=sum(rows))


def sampled(case: Case, model: Any) -> Tensor:
    start = torch.linspace(-1, 1, torch.Size(case.shape).numel()).reshape(case.shape)
    return sample(model, latent={"samples": start if case.sampler["denoise"] < 1 else 0 * start}, **case.sampler)


PARTLY_KNOWN = Case(  # the best of one image is the one without search, of another a path
    "PathSearch",
    {"paths": 1, "branches": 1, "start": 0.1, "forward": 0.5, "backward": 0.8, "batch_size": 2},
    {"sampler_name": "lms", "scheduler": "simple", "steps": 2, "cfg": 1.0, "denoise": 1.0, "seed": 2**50 - 2},
    "FLOW",
    (3, 4, 6, 6),
)


@contextmanager
def at_step(case: Case, step: int, action: Callable[[], None]) -> Iterator[None]:
    """Do it when the network is called for the `step`-th time in a run."""
    model, rows = model_of(case.kind, case.video)
    hook = model.model.diffusion_model.register_forward_pre_hook(lambda *_: action() if len(rows) == step else None)
    try:
        yield
    finally:
        hook.remove()


def press_keep_best() -> None:
    list(importlib.import_module("noise_search.search.board.boards").BOARDS._boards.values())[-1].ask_to_stop()


def assert_consistent(case: Case, found: SimpleNamespace) -> None:
    """The report adds up, and the recipe makes the image again."""
    pair = 1 if case.sampler["cfg"] == 1 else 2
    assert found.latent.shape == case.shape
    assert torch.isfinite(found.latent).all()
    assert sum(report.nfe for report in found.reports) * pair == found.rows
    for report in found.reports:
        finished = [candidate for candidate in report.candidates if candidate.is_finished]
        assert report.best.score == max(candidate.score for candidate in finished)
        assert report.best.index == min(c.index for c in finished if c.score == report.best.score)
        assert [candidate.index for candidate in report.candidates] == list(range(len(report.candidates)))
    plain = json.loads(reports_json(found.reports))
    assert len(plain if isinstance(plain, list) else [plain]) == case.shape[0]
    replaying = call("ReplayNoise", recipe=recipes_json(found.reports), model=model_of(case.kind, case.video)[0])[1]
    again = sampled(case, replaying)
    assert torch.allclose(again, found.latent, atol=1e-3 * max(1.0, float(found.latent.abs().max())))


@given(cases())
@PROPERTY
def test_every_report_is_consistent_and_its_recipe_makes_the_image_again(case: Case) -> None:
    assert_consistent(case, ran(case))


@given(cases(), st.integers(1, 5))
@PROPERTY
def test_the_batch_size_changes_no_score_and_no_winner(case: Case, batch_size: int) -> None:
    one, other = ran(case), ran(case, batch_size=batch_size)
    for ours, theirs in zip(one.reports, other.reports, strict=True):
        assert [c.recipe for c in ours.candidates] == [c.recipe for c in theirs.candidates]
        assert [c.score for c in ours.candidates] == pytest.approx([c.score for c in theirs.candidates], abs=1e-4)
        assert ours.nfe == theirs.nfe
        assert ours.best.recipe == theirs.best.recipe
    assert torch.allclose(one.latent, other.latent, atol=1e-3 * max(1.0, float(one.latent.abs().max())))


@given(cases(), st.integers(1, 40))
@PROPERTY
def test_whoever_has_seen_enough_gets_an_image_that_its_recipe_makes_again(case: Case, step: int) -> None:
    with at_step(case, step, press_keep_best):
        found = ran(case)
    assert found.reports[0].stopped in ("user", "finished")
    assert_consistent(case, found)


@given(cases(), st.sampled_from([float("nan"), 0.0]), st.integers(1, 40))
@MANY
def test_where_some_candidates_fail_another_wins_or_an_error_says_why(case: Case, value: float, step: int) -> None:
    vae = SpoilingVAE(value, channels=16 if case.video else 4, dims=3 if case.video else 2)
    try:
        with at_step(case, step, press_keep_best):
            found = ran(case, vae=vae)
    except RuntimeError as error:
        assert "candidates failed: the VAE gave NaN" in str(error) or "single color" in str(error)
        return
    assert not any(report.best.failed for report in found.reports)
    assert_consistent(case, found)


@given(cases())
@PROPERTY
def test_a_search_out_of_time_gives_an_image_that_its_recipe_makes_again(case: Case) -> None:
    found = ran(case, max_seconds=1e-6)
    assert found.reports[0].stopped in ("time", "finished")
    assert_consistent(case, found)


@given(cases())
@PROPERTY
def test_solvers_of_one_prediction_a_step_spend_what_was_planned_or_less(case: Case) -> None:
    sampler = case.sampler | {"sampler_name": "euler"}
    found = ran(replace(case, sampler=sampler))
    steps = found.reports[0].sampler_steps
    for report in found.reports:
        finalists = sum(c.nfe for c in report.candidates if c.repeats is not None)
        assert finalists <= 4 * steps
        if case.node == "RandomSearch":
            assert report.nfe - finalists <= case.inputs["candidates"] * steps
        if case.node == "ZeroOrderSearch":
            assert report.nfe - finalists <= (1 + case.inputs["iterations"] * case.inputs["neighbors"]) * steps


KINDS_OF_MODEL = st.sampled_from(KINDS)
STEPS = st.integers(1, 60)
DENOISE = st.floats(0.01, 1)


def sampling_of(kind: str) -> tuple[Any, Any]:
    model, _ = model_of(kind, False)
    return model, model.get_model_object("model_sampling")


def assert_falling(sigmas: Tensor) -> None:
    assert len(sigmas) >= 2
    assert torch.isfinite(sigmas).all()
    assert (sigmas[1:] < sigmas[:-1]).all()
    assert sigmas[-1] >= 0


@given(KINDS_OF_MODEL, st.data(), STEPS, DENOISE)
@MANY
def test_schedules_fall_to_0_or_are_refused(kind: str, data: st.DataObject, steps: int, denoise: float) -> None:
    schedules = importlib.import_module("noise_search.search.steps.schedules")
    name = data.draw(st.sampled_from(schedules.names()))
    try:
        made = schedules.schedule(sampling_of(kind)[0], name, steps, denoise)
    except schedules.ScheduleError as error:
        assert name in str(error)
        return
    assert_falling(made.sigmas)
    assert made.sigmas[-1] == 0
    assert (made.steps == steps) == (made.remark == "")


@given(KINDS_OF_MODEL, st.data(), STEPS, STEPS, st.floats(0.1, 1))
@MANY
def test_any_part_of_any_sampler_runs_a_falling_part_of_the_models_schedule(
    kind: str, data: st.DataObject, steps: int, theirs: int, denoise: float
) -> None:
    """With start_at_step and end_at_step of a sampler that has another scheduler, steps and denoise."""
    modules = (importlib.import_module(f"noise_search.search.{name}") for name in ("steps.schedules", "steps.on_model"))
    schedules, scheduled = modules
    model, sampling = sampling_of(kind)
    smooth = st.sampled_from(["simple", "karras", "normal", "sgm_uniform"])
    ours = schedules.schedule(model, data.draw(smooth), max(steps, 2), 1.0).sigmas
    whole = schedules.schedule(model, data.draw(smooth), max(theirs, 2), denoise).sigmas
    start = data.draw(st.integers(0, len(whole) - 2))
    part = whole[start : data.draw(st.integers(start + 2, len(whole)))]
    chosen = scheduled.part_for(ours, part, sampling)
    assert_falling(chosen)
    assert chosen[-1] == part[-1] or len(chosen) == len(part), "the end is theirs, or that step of ours"
    assert (chosen[-1] == 0) == (part[-1] == 0)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=12), STEPS, KINDS_OF_MODEL)
@PROPERTY
def test_what_a_pilot_measures_becomes_a_falling_schedule_of_as_many_steps(
    bends: list[float], steps: int, kind: str
) -> None:
    adaptive, levels = (
        importlib.import_module(f"noise_search.search.{name}") for name in ("steps.adaptive", "sampling.levels")
    )
    model, sampling = sampling_of(kind)
    start = float(sampling.sigma_max)
    top, bottom, count = levels.Levels(sampling).level(start), 0.01, len(bends)
    edges = [top - (top - bottom) * at / count for at in range(count + 1)]
    stages = tuple(Stage(*edges[at : at + 2], bend) for at, bend in enumerate(bends))
    sigmas = adaptive.to_sigmas(model, Pilot(stages, 2 * count, 0, 1.0), start, steps)
    assert_falling(sigmas)
    assert len(sigmas) == steps + 1
    assert (float(sigmas[0]), float(sigmas[-1])) == (pytest.approx(start), 0.0)


@given(cases(), st.integers(1, 40))
@example(PARTLY_KNOWN, 10)
@PROPERTY
def test_a_search_that_goes_on_after_cancel_ends_as_one_without(case: Case, step: int) -> None:
    """The page stands where scores are kept on disk."""
    management = importlib.import_module("comfy.model_management")
    page = importlib.import_module("noise_search.search.history.ledger").Page(None)
    fresh = ran(case)
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr("noise_search.search.patch.page_of", lambda *_: page)
        with at_step(case, step, lambda: management.interrupt_current_processing(True)):
            with suppress(management.InterruptProcessingException):
                ran(case)
        management.interrupt_current_processing(False)
        found = ran(case)
    for ours, whole in zip(found.reports, fresh.reports, strict=True):
        assert [c.recipe for c in ours.candidates] == [c.recipe for c in whole.candidates]
        assert [c.score for c in ours.candidates] == pytest.approx([c.score for c in whole.candidates], abs=1e-4)
        assert ours.best.recipe == whole.best.recipe
        assert ours.nfe + ours.earlier_nfe == whole.nfe + ours.extra_nfe
    assert torch.allclose(found.latent, fresh.latent, atol=1e-3 * max(1.0, float(fresh.latent.abs().max())))
    assert_consistent(case, found)
