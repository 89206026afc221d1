"""Search over paths in ComfyUI's own sampling: levels of every model type, masks, cost, replay."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import node_calls
from noise_search.search.methods.paths import PathSearch, cost
from noise_search.search.records.recipe_text import parse_recipes
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, best_report, made_plan, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
KINDS = ("FLOW", "EPS", "V_PREDICTION", "EDM")
EARLY = {"start": 0.7, "forward": 0.1, "backward": 0.3}
PAPER = {"start": 0.11, "forward": 0.78, "backward": 0.81}


def along(model: Any, levels: dict[str, float], paths: int = 2, branches: int = 2, **settings: Any) -> SimpleNamespace:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Path Search (node 1)", PathSearch(paths, branches, **levels), **settings)
    patched, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def levels_of(kind: str) -> Any:
    model = small_model(kind)
    sampling = model.get_model_object("model_sampling")
    return importlib.import_module("noise_search.search.sampling.levels").Levels(sampling), sampling


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_flow_time(kind: str) -> None:
    levels, _ = levels_of(kind)
    for level in (0.05, 0.11, 0.5, 0.89):
        sigma = levels.sigma(level)
        assert levels.level(sigma) == pytest.approx(level, abs=1e-6)
        assert sigma == pytest.approx(level if kind == "FLOW" else level / (1 - level), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_noising_further_has_the_variance_of_that_level(kind: str) -> None:
    levels, sampling = levels_of(kind)
    draw = torch.Generator().manual_seed(0)
    low, high = levels.sigma(0.2), levels.sigma(0.7)
    image = torch.full((1, 4, 128, 128), 0.7)
    noise, more = (torch.randn(image.shape, generator=draw) for _ in range(2))
    there = levels.noised(sampling.noise_scaling(torch.tensor(low), noise, image), low, high, more)
    expected = sampling.noise_scaling(torch.tensor(high), torch.randn(image.shape, generator=draw), image)
    assert float(there.mean()) == pytest.approx(float(expected.mean()), abs=0.03)
    assert float(there.std()) == pytest.approx(float(expected.std()), rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_latent_goes_into_the_sampler_and_out_as_it_is(kind: str) -> None:
    levels, sampling = levels_of(kind)
    sigma = torch.tensor(levels.sigma(0.6))
    x, image = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    noise = levels.as_noise(x, sigma, image, False)
    assert torch.allclose(sampling.noise_scaling(sigma, noise, image, False), x, atol=1e-5)
    assert torch.allclose(levels.unscaled(sampling.inverse_noise_scaling(sigma, x), sigma), x, atol=1e-5)


@pytest.mark.parametrize("levels", [EARLY, PAPER], ids=["early", "paper"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_finds_something_no_worse_and_reports_every_stretch(kind: str, levels: dict[str, float]) -> None:
    model = small_model(kind)
    found = along(model, levels)
    result = sample(found.model, steps=10)
    report = best_report(found)
    assert torch.isfinite(result).all()
    assert report.candidates[0].is_finished
    assert torch.equal(sample(model, steps=10), sample(search(model, candidates=1).model, steps=10))
    assert report.best.is_finished
    assert report.best.score >= report.baseline.score
    assert any(not candidate.is_finished for candidate in report.candidates)


def test_the_cost_is_what_was_planned() -> None:
    found = along(small_model("FLOW"), EARLY, paths=3, branches=2)
    sample(found.model, steps=20)
    assert best_report(found).nfe == pytest.approx(cost(3, 2, **EARLY) * 20, rel=0.1)


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde"])
@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("kind", ["FLOW", "EPS"])
def test_the_recipe_replays_the_path(kind: str, items: int, name: str) -> None:
    replay = importlib.import_module("noise_search.search.replay")
    model, latent = small_model(kind), {"samples": torch.zeros(items, 4, 8, 8)}
    found = along(model, EARLY, paths=3, branches=3)
    result = sample(found.model, latent=latent, sampler_name=name, steps=8)
    recipe = recipes_json(found.search.runs[0].reports)
    assert "turns" in recipe
    again = replay.put_replay_on(model, parse_recipes(recipe), "Replay Noise (node 2)")
    repeated = sample(again, seed=999, latent=latent, sampler_name=name, steps=8)
    assert torch.allclose(repeated, result, atol=1e-3 * max(1.0, float(result.abs().max())))


def test_batch_sizes_give_the_same_scores() -> None:
    scores = []
    for size in (1, 3):
        found = along(small_model("EPS"), EARLY, batch_size=size)
        sample(found.model, sampler_name="euler_ancestral")
        scores.append([candidate.score for candidate in best_report(found).candidates])
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_start_above_the_samplers_own_is_refused() -> None:
    found = along(small_model("FLOW"), EARLY)
    with pytest.raises(ValueError, match="Path Search: this sampler starts at noise level"):
        sample(found.model, latent={"samples": torch.ones(1, 4, 8, 8)}, denoise=0.5)


@pytest.mark.parametrize("kind", ["FLOW", "EPS"])
def test_masks_and_partial_denoise(kind: str) -> None:
    mask, samples = torch.zeros(1, 1, 8, 8), torch.full((1, 4, 8, 8), 0.4)
    mask[..., 4:] = 1
    found = along(small_model(kind), PAPER)
    result = sample(found.model, latent={"samples": samples, "noise_mask": mask}, denoise=0.6, steps=10)
    assert torch.allclose(result[..., :4], samples[..., :4], atol=1e-4)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("afforded", [[1, 2], [1, 1], [1, 2, 4], [1, 2, 1], [1, 2, 3, 0]])
def test_a_search_out_of_time_finishes_the_best_path_so_far(
    monkeypatch: pytest.MonkeyPatch, afforded: list[int]
) -> None:
    """afforded: candidates in each round, first the image without search, then the way down, then turns."""
    limit, left = importlib.import_module("noise_search.search.stopping").TimeLimit, iter(afforded)
    monkeypatch.setattr(limit, "affords", lambda self, count: min(count, next(left, 0)))
    model = small_model("FLOW")
    found = along(model, EARLY)
    winner = sample(found.model)
    report = best_report(found)
    assert (report.stopped, len(report.candidates)) == ("time", sum(afforded) + 1)
    without, *on_the_way, last = report.candidates
    assert [without.recipe.path, last.is_finished] == [None, True]
    assert not any(candidate.is_finished for candidate in on_the_way)
    latest = on_the_way[-1].round
    going = [candidate for candidate in on_the_way if candidate.round >= latest - 1]
    assert last.recipe == max(going, key=lambda candidate: candidate.score).recipe.finished()
    again = sample(node_calls.call("ReplayNoise", recipe=recipes_json([report]), model=model)[1])
    assert torch.allclose(winner, again, atol=1e-4)
