"""Images that are refined by auto search in ComfyUI's own sampling; what they started from is there or made again."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from faults import METHODS, searching
from noise_search.search.methods.auto_search import AutoSearch
from noise_search.search.records.recipe_text import parse_recipes
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, best_report, made_plan, pair_model, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 10
TITLE = "Auto Search (node 1)"


def refined(model: Any, budget: int = 10, verifier: Any = None, **settings: Any) -> SimpleNamespace:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan(TITLE, AutoSearch(budget), **settings)
    patched, record = patch.put_on(model, plan, SmallVAE(), verifier or Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def replayed(model: Any, recipe: str) -> Any:
    replay = importlib.import_module("noise_search.search.replay")
    return replay.put_replay_on(model, parse_recipes(recipe), "Replay Noise (node 2)")


def rows_computed(model: Any) -> list[int]:
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _module, arguments: rows.append(len(arguments[0])))
    return rows


def half_masked() -> dict[str, torch.Tensor]:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    return {"samples": torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), "noise_mask": mask}


LATENTS = {
    "one": {"samples": torch.zeros(1, 4, 8, 8)},
    "batch": {"samples": torch.zeros(2, 4, 8, 8)},
    "masked": half_masked(),
}


@pytest.mark.parametrize("kind", ["FLOW", "EPS", "V_PREDICTION"])
@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "uni_pc", "lms"])
@pytest.mark.parametrize("latent", LATENTS)
def test_the_recipe_gives_the_winners_latent_and_every_prediction_is_counted(kind: str, name: str, latent: str) -> None:
    model = small_model(kind)
    found = refined(model)
    rows = rows_computed(model)
    result = sample(found.model, latent=dict(LATENTS[latent]), sampler_name=name, steps=STEPS)
    reports = found.search.runs[0].reports
    assert sum(report.nfe for report in reports) == sum(rows) / 2
    assert sum(report.nfe for report in reports) <= 10 * STEPS * len(reports) * (2 if name == "heun" else 1)
    again = sample(
        replayed(model, recipes_json(reports)), seed=999, latent=dict(LATENTS[latent]), sampler_name=name, steps=STEPS
    )
    assert torch.allclose(again, result, atol=1e-3 * max(1.0, float(result.abs().max())))


def test_some_winner_is_refined_and_none_is_worse_than_another_image() -> None:
    model = small_model("FLOW")
    won = []
    for seed in range(6):
        found = refined(model)
        sample(found.model, seed=seed, steps=STEPS)
        report = best_report(found)
        won.append(report.best.recipe.is_refined)
        finished = [one for one in report.candidates if one.is_finished]
        assert report.best.score == max(one.score for one in finished)
        assert report.nfe <= 10 * STEPS
    assert any(won)


def test_what_was_stopped_is_no_parent() -> None:
    """With this budget and steps only one of the starts runs to its end."""
    found = refined(small_model("FLOW"), budget=8)
    sample(found.model, steps=20)
    report = best_report(found)
    finished = {one.recipe for one in report.candidates if one.is_finished}
    parents = {one.recipe.before() for one in report.candidates if one.recipe.is_refined}
    assert parents and parents <= finished
    assert report.extra_nfe == 0
    assert report.nfe <= 8 * 20


@pytest.mark.parametrize("denoise", [0.4, 0.7])
def test_an_image_that_is_changed_a_little_is_refined_within_that(denoise: float) -> None:
    model, latent = small_model("FLOW"), {"samples": half_masked()["samples"]}
    found = refined(model)
    result = sample(found.model, latent=latent, steps=STEPS, denoise=denoise)
    report = best_report(found)
    assert any(one.recipe.is_refined for one in report.candidates)
    again = sample(replayed(model, recipes_json([report])), latent=latent, steps=STEPS, denoise=denoise)
    assert torch.allclose(again, result, atol=1e-3)


@pytest.mark.parametrize("size", [1, 3, 0])
def test_the_same_winner_whatever_the_batch_size(size: int) -> None:
    model = small_model("FLOW")
    found, other = refined(model, batch_size=size), refined(model, batch_size=4)
    one, two = (sample(each.model, steps=STEPS) for each in (found, other))
    if size != 1:
        assert best_report(found).best.recipe == best_report(other).best.recipe
        assert torch.allclose(one, two, atol=1e-4)
    assert best_report(found).nfe <= 10 * STEPS


def test_a_sampler_that_runs_one_by_one_refines_as_well() -> None:
    model = small_model("EPS")
    found = refined(model)
    result = sample(found.model, sampler_name="dpm_adaptive", steps=STEPS)
    report = best_report(found)
    children = [one.recipe for one in report.candidates if one.recipe.is_refined]
    assert {child.before() for child in children} <= {one.recipe for one in report.candidates}
    assert len(children) > 2
    again = sample(replayed(model, recipes_json([report])), sampler_name="dpm_adaptive", steps=STEPS)
    assert torch.allclose(again, result, atol=1e-3)


def test_a_ledger_gives_back_what_was_scored_and_the_winner_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("history.ledger", "patch"))
    page = ledger.Page(None)
    monkeypatch.setattr(patch, "page_of", lambda *_: page)
    model = small_model("FLOW")
    first = refined(model)
    result = sample(first.model, steps=STEPS)
    second = refined(model)
    rows = rows_computed(model)
    again = sample(second.model, steps=STEPS)
    assert torch.allclose(again, result, atol=1e-4)
    winner = best_report(second).best.recipe
    assert winner == best_report(first).best.recipe
    assert sum(rows) / 2 <= STEPS * len(winner.way()), "only the winner ran, along its way"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["video", "with audio"])
def test_the_winner_of_every_method_is_made_again_as_a_video_and_with_a_second_part(method: str, kind: str) -> None:
    nested = importlib.import_module("comfy.nested_tensor").NestedTensor
    if kind == "video":
        stock, vae = small_model("FLOW", channels=16, dims=3), SmallVAE(16, dims=3)
        latent = {"samples": torch.zeros(1, 16, 3, 8, 8)}
    else:
        stock, vae = pair_model(), SmallVAE()
        latent = {"samples": nested([torch.zeros(1, 4, 8, 8), torch.zeros(1, 2, 8)])}
    found = searching(method, vae, model=stock)
    result = sample(found.model, latent=latent, steps=STEPS)
    report = found.search.runs[-1].reports[0]
    again = sample(replayed(stock, recipes_json([report])), latent=latent, steps=STEPS)
    for ours, theirs in zip(result.unbind(), again.unbind(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
