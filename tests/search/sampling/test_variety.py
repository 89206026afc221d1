"""Variety: candidates with a conditioning of their own, which their recipes give again."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from noise_search.search.methods.auto_search import AutoSearch
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.recipe_text import RecipeError, parse_recipes
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, best_report, conditioning, made_plan, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 10


def varied(model: Any, variety: float = 0.5, method: Any = None, **settings: Any) -> SimpleNamespace:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Random Search (node 1)", method or RandomSearch(6), variety=variety, **settings)
    patched, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def replayed(model: Any, recipe: str) -> Any:
    replay = importlib.import_module("noise_search.search.replay")
    return replay.put_replay_on(model, parse_recipes(recipe), "Replay Noise (node 2)")


METHODS = [RandomSearch(6), RandomSearch(6, "progressive"), RandomSearch(6, "look ahead"), AutoSearch(10)]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("name", ["euler", "dpmpp_2m_sde", "heun"])
@pytest.mark.parametrize("items", [1, 2])
def test_the_recipe_gives_the_winners_latent(method: Any, name: str, items: int) -> None:
    model, latent = small_model("EPS"), {"samples": torch.zeros(items, 4, 8, 8)}
    found = varied(model, method=method)
    told = {"positive": conditioning(1, items), "negative": conditioning(2)}
    result = sample(found.model, latent=latent, sampler_name=name, steps=STEPS, **told)
    recipe = recipes_json(found.search.runs[0].reports)
    again = sample(replayed(model, recipe), seed=999, latent=latent, sampler_name=name, steps=STEPS, **told)
    assert torch.allclose(again, result, atol=1e-3 * max(1.0, float(result.abs().max())))


def test_without_a_search_it_is_the_same_and_the_others_are_not() -> None:
    model = small_model("FLOW")
    plain, other = varied(model, 0.0), varied(model, 0.5)
    for found in (plain, other):
        sample(found.model, steps=STEPS)
    scores = [[one.score for one in best_report(found).candidates] for found in (plain, other)]
    assert scores[0][0] == pytest.approx(scores[1][0])
    assert all(one != other for one, other in zip(scores[0][1:], scores[1][1:], strict=True))
    assert [one.recipe.variety for one in best_report(other).candidates] == [0.0, *[0.5] * 5]


def test_it_costs_nothing_and_no_batch_size_changes_it() -> None:
    model, scores = small_model("FLOW"), []
    for size in (1, 4, 0):
        found = varied(model, batch_size=size)
        sample(found.model, steps=STEPS)
        report = best_report(found)
        assert report.nfe == 6 * STEPS
        scores.append([one.score for one in report.candidates])
    assert scores[1] == pytest.approx(scores[0], abs=1e-5)
    assert scores[2] == pytest.approx(scores[0], abs=1e-5)


def test_people_are_told_that_seeds_alone_do_not_give_the_images() -> None:
    found = varied(small_model("FLOW"))
    sample(found.model, steps=STEPS)
    assert any("No seed" in note for note in best_report(found).notes)


def test_a_recipe_with_variety_is_read_as_it_was_written() -> None:
    recipe = Recipe(7, variety=0.25)
    assert parse_recipes(importlib.import_module("json").dumps(recipe.to_dict())) == [recipe]
    with pytest.raises(RecipeError, match="variety is a number from 0 to 1"):
        parse_recipes('{"seed": 7, "moves": [], "variety": 3}')


@pytest.mark.parametrize("variety", [-0.1, 1.5])
def test_too_much_is_refused(variety: float) -> None:
    with pytest.raises(ValueError, match="variety is"):
        varied(small_model("FLOW"), variety)
