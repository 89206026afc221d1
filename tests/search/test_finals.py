"""Searching on fewer steps than the image gets, in ComfyUI's own sampling."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import call
from small_models import Brightness, SmallVAE, best_report, sample, small_model, small_unet

pytestmark = pytest.mark.usefixtures("comfy")
STEPS, DRAFT = 8, 3
METHODS = {
    "RandomSearch": {"candidates": 6},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 3, "cosine": 0.9},
    "PathSearch": {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
}


def drafting(method: str = "RandomSearch", model: Any = None, vae: Any = None, **settings: Any) -> SimpleNamespace:
    inputs = {"vae": vae or SmallVAE(), "verifier": Brightness(), "prompt": "", "search_steps": DRAFT}
    model = model or small_model("FLOW")
    patched, record = call(method, model=model, **(inputs | METHODS[method] | settings))
    return SimpleNamespace(model=patched, search=record)


class Counting:
    """Counts rows at the network."""

    def __init__(self, model: Any):
        self.rows = 0
        inner = model.model.diffusion_model.forward

        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            self.rows += len(x)
            return inner(x, *args, **kwargs)

        model.model.diffusion_model.forward = forward


def test_the_best_drafts_and_the_one_without_search_run_again_in_full() -> None:
    found = drafting()
    sample(found.model, steps=STEPS)
    report = best_report(found)
    drafts, full = report.candidates[:6], report.candidates[6:]
    assert [candidate.stopped_at_step for candidate in drafts] == [DRAFT] * 6
    assert all(candidate.is_finished for candidate in full)
    best = sorted(drafts[1:], key=lambda candidate: -candidate.score)[:2]
    assert [candidate.repeats for candidate in full] == [*[candidate.index for candidate in best], 0]
    assert [candidate.recipe for candidate in full] == [drafts[candidate.repeats].recipe for candidate in full]


@pytest.mark.parametrize("draft", [1, DRAFT])
@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "euler_ancestral"])
def test_the_winner_is_what_its_seed_gives_in_full_and_never_worse_than_no_search(
    sampler_name: str, draft: int
) -> None:
    """A draft of one step draws no noise, and the image in full does."""
    model = small_model("FLOW")
    found = drafting(model=model, search_steps=draft)
    winner = sample(found.model, steps=STEPS, sampler_name=sampler_name)
    report = best_report(found)
    alone = sample(model, seed=report.best.recipe.seed, steps=STEPS, sampler_name=sampler_name)
    assert torch.allclose(winner, alone, atol=1e-4)
    stock = SmallVAE().decode(sample(model, steps=STEPS, sampler_name=sampler_name))
    assert report.baseline.score == pytest.approx(float(Brightness().score(stock, [""])), abs=1e-5)
    assert report.best.score >= report.baseline.score


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sampler_name", ["euler", "heun"])
def test_drafts_and_finalists_both_count(method: str, sampler_name: str) -> None:
    model = small_model("FLOW")
    count = Counting(model)
    found = drafting(method, model=model)
    sample(found.model, steps=STEPS, sampler_name=sampler_name, cfg=1.0)
    assert best_report(found).nfe == count.rows


@pytest.mark.parametrize("method", METHODS)
def test_the_winners_recipe_replays_in_full(method: str) -> None:
    model = small_model("FLOW")
    found = drafting(method, model=model)
    winner = sample(found.model, steps=STEPS)
    report = importlib.import_module("noise_search.search.records.report")
    recipe = report.recipes_json([best_report(found)])
    again = sample(call("ReplayNoise", recipe=recipe, model=model)[1], steps=STEPS)
    assert torch.allclose(winner, again, atol=1e-4)


@pytest.mark.parametrize("search_steps", [0, STEPS, 20])
def test_as_many_steps_as_the_sampler_has_are_no_drafts(search_steps: int) -> None:
    found = drafting(search_steps=search_steps)
    sample(found.model, steps=STEPS)
    assert [candidate.is_finished for candidate in best_report(found).candidates] == [True] * 6


def test_pruned_candidates_are_drafts_too() -> None:
    found = drafting(pruning="progressive", search_steps=6)
    sample(found.model, steps=12)
    report = best_report(found)
    stopped = {candidate.stopped_at_step for candidate in report.candidates}
    assert {None, 6} < stopped
    finished = [candidate for candidate in report.candidates if candidate.is_finished]
    assert all(report.candidates[candidate.repeats].stopped_at_step == 6 for candidate in finished)


def test_each_image_of_a_batch_has_its_own_finalists() -> None:
    model = small_model("FLOW")
    found = drafting(model=model)
    latent = {"samples": torch.zeros(3, 4, 8, 8)}
    winners = sample(found.model, steps=STEPS, latent=latent)
    reports = found.search.runs[0].reports
    assert len({tuple(c.repeats for c in report.candidates[6:]) for report in reports}) > 1
    for number, report in enumerate(reports):
        alone = sample(model, seed=report.best.recipe.seed, steps=STEPS, latent=latent)
        assert torch.allclose(winners[number], alone[number], atol=1e-4)


def test_finalists_of_a_batch_keep_their_step_noise_where_candidates_run_alone() -> None:
    cached = importlib.import_module("comfy_extras.nodes_easycache").LazyCacheNode.execute(
        small_model("FLOW"), 0.0, 0.1, 0.95, False
    )[0]
    settings = {"latent": {"samples": torch.zeros(3, 4, 8, 8)}, "steps": STEPS, "sampler_name": "euler_ancestral"}
    found = drafting(model=cached)
    result = sample(found.model, **settings)
    reports = found.search.runs[0].reports
    assert len({report.best.recipe.seed for report in reports}) > 1
    for item, report in enumerate(reports):
        assert torch.allclose(result[item], sample(cached, seed=report.best.recipe.seed, **settings)[item], atol=1e-4)


def test_a_search_out_of_time_still_ends_with_a_full_image() -> None:
    found = drafting(max_seconds=1e-6, candidates=40, batch_size=4)
    sample(found.model, steps=STEPS)
    report = best_report(found)
    assert report.stopped == "time"
    assert report.best.is_finished and report.best.repeats is not None
    assert len(report.candidates) < 40


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="search_steps is -1"):
        drafting(search_steps=-1)


@pytest.mark.parametrize("images", [1, 3])
def test_finalists_share_as_the_solver_does_on_the_whole_schedule(images: int) -> None:
    """The SA solver draws noise in the middle of a schedule: in two steps it draws none, so candidates share as if it
    never did."""
    model, latent = small_unet(), {"samples": torch.zeros(images, 4, 8, 12)}
    sampler = {"steps": 7, "cfg": 1.0, "sampler_name": "sa_solver", "scheduler": "karras", "latent": latent}
    found = drafting(model=model, candidates=4, search_steps=2)
    result = sample(found.model, seed=3, **sampler)
    for image, report in enumerate(found.search.runs[-1].reports):
        stock = sample(model, seed=report.best.recipe.seed, **sampler)[image]
        assert torch.allclose(result[image], stock, atol=2e-4 * float(stock.abs().max()))
