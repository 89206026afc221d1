"""A winner comes back from its recipe's text alone, whatever found it and whatever the solver."""

from __future__ import annotations

import importlib
import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from node_calls import call
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.records.recipe_text import no_recipe, parse_recipes
from noise_search.search.records.report import recipes_json
from small_models import (
    Brightness,
    SmallVAE,
    best_report,
    conditioning,
    made_plan,
    plan_of,
    sample,
    search,
    small_model,
)

pytestmark = pytest.mark.usefixtures("comfy")
SOLVERS = ["euler", "heun", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "dpm_adaptive"]


def climb(model: Any, **settings: Any) -> SimpleNamespace:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Zero-Order Search (node 1)", ZeroOrder(iterations=4, neighbors=3, cosine=0.8), **settings)
    patched, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def replayed(model: Any, recipe: str) -> Any:
    replay = importlib.import_module("noise_search.search.replay")
    return replay.put_replay_on(model, parse_recipes(recipe), "Replay Noise (node 2)")


@pytest.mark.parametrize("method", [partial(search, candidates=6), climb])
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("items", [1, 2])
def test_the_recipe_gives_the_winners_latent(method: Any, name: str, items: int) -> None:
    model, latent = small_model("EPS"), {"samples": torch.zeros(items, 4, 8, 8)}
    found = method(model)
    result = sample(found.model, latent=latent, sampler_name=name)
    reports = found.search.runs[0].reports
    if (name, items, method) == ("dpm_adaptive", 2, climb):  # its steps look at the whole batch
        assert any(one.recipe is None for report in reports for one in report.candidates)
        assert any("beside others of its batch that have other recipes" in note for note in reports[0].notes)
    if any(report.best.recipe is None for report in reports):
        return
    again = sample(replayed(model, recipes_json(reports)), seed=999, latent=latent, sampler_name=name)
    assert torch.allclose(again, result, atol=1e-3)


def test_zero_order_moves_and_counts() -> None:
    found = climb(small_model("EPS"), batch_size=2)
    sample(found.model)
    report = best_report(found)
    assert len(report.candidates) == 13
    assert report.best.recipe.moves
    assert report.best.score > report.baseline.score
    assert {candidate.round for candidate in report.candidates} == {0, 1, 2, 3, 4}


def test_the_noise_output_gives_the_same_noise() -> None:
    source = importlib.import_module("noise_search.search.sampling.source")
    samplers = importlib.import_module("comfy.samplers")
    model = small_model("EPS")
    found = climb(model)
    result = sample(found.model, cfg=2.0)
    noise = source.RecipeNoise(parse_recipes(recipes_json(found.search.runs[0].reports)))
    guider = samplers.CFGGuider(model)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    latent = torch.zeros(1, 4, 8, 8)
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 6)
    with torch.inference_mode():
        start = noise.generate_noise({"samples": latent})
        again = guider.sample(start, latent, samplers.sampler_object("euler"), sigmas, seed=noise.seed)
    assert torch.allclose(again, result, atol=1e-4)


def test_a_second_stage_is_left_alone() -> None:
    model = small_model("EPS")
    staged = {"disable_noise": True, "start_step": 3, "latent": {"samples": torch.ones(1, 4, 8, 8)}}
    assert torch.equal(sample(replayed(model, '{"seed": 1, "moves": []}'), **staged), sample(model, **staged))


def test_a_wrong_number_of_recipes_is_refused() -> None:
    model = replayed(small_model("EPS"), '[{"seed": 1, "moves": []}, {"seed": 2, "moves": []}]')
    with pytest.raises(ValueError, match=r"Replay Noise \(node 2\): there are 2 recipes for a batch of 3 images"):
        sample(model, latent={"samples": torch.zeros(3, 4, 8, 8)})


def test_a_search_behind_a_replay_is_refused() -> None:
    patch = importlib.import_module("noise_search.search.patch")
    model = replayed(small_model("EPS"), '{"seed": 1, "moves": []}')
    with pytest.raises(ValueError, match="already"):
        patch.put_on(model, plan_of(2), SmallVAE(), Brightness(), "")


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        ({}, False),
        ({"path": {"turns": [{"seed": 1, "up": 0.7, "down": 0}]}}, True),
        ({"variety": 0.3}, True),
    ],
)
def test_where_a_noise_alone_does_not_give_the_image_that_is_said(
    more: dict[str, Any], is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = json.dumps({"seed": 7, "moves": []} | more)
    call("ReplayNoise", recipe=recipe)
    assert ("a noise alone does not give" in caplog.text) == is_told
    caplog.clear()
    call("ReplayNoise", recipe=recipe, model=small_model("EPS"))
    assert "a noise alone" not in caplog.text


def test_where_nothing_has_searched_the_sampler_keeps_its_own_noise() -> None:
    """As behind a Search Report whose search is bypassed."""
    model, recipe = small_model("EPS"), no_recipe("No search. The node is bypassed.")
    noise, passed, seed = call("ReplayNoise", recipe=recipe, model=model)
    assert passed is model
    assert "No search. The node is bypassed." in noise.message
    assert seed.message == noise.message
    given = object()
    assert call("ReplayNoise", recipe=recipe, noise=given)[0] is given
