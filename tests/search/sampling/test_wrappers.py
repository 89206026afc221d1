"""Sampler nodes of other packs: seeds of any type or none, and noise of more images than the latent."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from foreign_noises import ImageSeeds, Pyramid, host_draw
from noise_search.search.methods.paths import PathSearch
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.records.recipe_text import parse_recipes
from noise_search.search.records.report import Report
from small_models import Brightness, SmallVAE, conditioning, made_plan, small_model

pytestmark = pytest.mark.usefixtures("comfy")
METHODS = [RandomSearch(4, "none"), ZeroOrder(iterations=2, neighbors=2, cosine=0.8)]
ONE, THREE = (1, 4, 8, 8), (3, 4, 8, 8)
OFF = 2e-4  # of the largest value


def sampled(model: Any, noise: Tensor, seed: Any, latent: Tensor, sampler: str) -> Tensor:
    """As a sampler node does with noise that it has drawn."""
    samplers = importlib.import_module("comfy.samplers")
    guider = samplers.CFGGuider(model)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 6)
    with torch.inference_mode():
        return guider.sample(noise.clone(), latent, samplers.sampler_object(sampler), sigmas, seed=seed)


def stock(seed: Any, shape: tuple[int, ...] = ONE) -> Tensor:
    """Noise as ComfyUI draws it; leaves torch's random state as that does."""
    return host_draw(torch.zeros(shape), seed)


def searched(method: Any, draw: Any, seed: Any, latent: Tensor, sampler: str) -> tuple[list[Report], Tensor]:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Random Search (node 1)", method, batch_size=2)
    model, record = patch.put_on(small_model("EPS"), plan, SmallVAE(), Brightness(), "")
    result = sampled(model, draw(), seed, latent, sampler)
    return record.runs[0].reports, result


def replayed(recipe: str, draw: Any, seed: Any, latent: Tensor, sampler: str) -> Tensor:
    replay = importlib.import_module("noise_search.search.replay")
    model = replay.put_replay_on(small_model("EPS"), parse_recipes(recipe), "Replay Noise (node 2)")
    return sampled(model, draw(), seed, latent, sampler)


def is_same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) <= OFF * float(other.abs().max())


def score(latent: Tensor) -> float:
    return float(Brightness().score(SmallVAE().decode(latent[None]), [""])[0])


def check(reports: list[Report], result: Tensor, without: Tensor) -> None:
    """What is reported and given out belong together, and candidate 0 is the image without search."""
    assert result.shape == without.shape
    for item, report in enumerate(reports):
        told = json.loads(json.dumps(report.to_dict()))
        assert told["candidates"][0]["score"] == pytest.approx(score(without[item]), abs=5e-5)
        assert told["best"]["score"] == pytest.approx(score(result[item]), abs=5e-5)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
@pytest.mark.parametrize("method", METHODS)
def test_a_node_that_draws_from_a_seed_but_hands_the_sampler_none(method: Any, sampler: str) -> None:
    latent = torch.zeros(ONE)
    reports, result = searched(method, lambda: stock(5), None, latent, sampler)
    check(reports, result, sampled(small_model("EPS"), stock(5), None, latent, sampler))
    for seen in reports[0].candidates:
        assert seen.recipe is not None
        if not seen.recipe.moves:  # a seed that its node can be given
            other = sampled(small_model("EPS"), stock(seen.recipe.seed), None, latent, sampler)
            assert seen.score == pytest.approx(score(other[0]), abs=5e-5)
    recipe = json.dumps(reports[0].to_dict()["best"]["recipe"])
    assert is_same(replayed(recipe, lambda: stock(5), None, latent, sampler), result)


def test_noise_of_no_known_seed_is_no_seeds() -> None:
    def draw() -> Tensor:
        torch.manual_seed(3)
        return Pyramid(9).generate_noise({"samples": latent})

    latent = torch.zeros(ONE)
    reports, result = searched(METHODS[0], draw, None, latent, "euler_ancestral")
    check(reports, result, sampled(small_model("EPS"), draw(), None, latent, "euler_ancestral"))
    assert reports[0].notes
    recipes = [seen.recipe for seen in reports[0].candidates]
    assert recipes[0] is None
    assert all(recipe is not None and recipe.kind for recipe in recipes[1:])
    for recipe in filter(None, recipes):
        assert replayed(json.dumps(recipe.to_dict()), draw, None, latent, "euler_ancestral").shape == ONE


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [np.int64(5), np.uint64(5), -1, -3, 2**64 - 2])
def test_seeds_of_other_types_and_ranges(seed: Any, method: Any, sampler: str) -> None:
    if isinstance(seed, np.generic) and sampler != "euler":
        pytest.skip("ComfyUI's own solvers do not take these")
    latent = torch.zeros(ONE)
    reports, result = searched(method, lambda: stock(int(seed)), seed, latent, sampler)
    check(reports, result, sampled(small_model("EPS"), stock(int(seed)), seed, latent, sampler))
    recipe = json.dumps(reports[0].to_dict()["best"]["recipe"])
    assert is_same(replayed(recipe, lambda: stock(int(seed)), seed, latent, sampler), result)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
@pytest.mark.parametrize("method", [*METHODS, PathSearch(paths=2, branches=2, start=0.3, forward=0.2, backward=0.3)])
@pytest.mark.parametrize("draw", [lambda: stock(5, THREE), lambda: ImageSeeds(5).generate_noise(three())])
def test_more_noises_than_latents(draw: Any, method: Any, sampler: str) -> None:
    latent = torch.full(ONE, 0.3)
    reports, result = searched(method, draw, 5, latent, sampler)
    assert len(reports) == 3
    check(reports, result, sampled(small_model("EPS"), draw(), 5, latent, sampler))
    recipes = [report.to_dict()["best"]["recipe"] for report in reports]
    assert is_same(replayed(json.dumps(recipes), draw, 5, latent, sampler), result)


def three() -> dict[str, Any]:
    return {"samples": torch.zeros(THREE)}


@pytest.mark.parametrize("method", METHODS)
def test_an_image_without_noise_in_a_batch_with_noise(method: Any) -> None:
    def draw() -> Tensor:
        noise = stock(5, THREE).clone()
        noise[2] = 0
        return noise

    latent = torch.zeros(THREE)
    reports, result = searched(method, draw, 5, latent, "euler")
    check(reports, result, sampled(small_model("EPS"), draw(), 5, latent, "euler"))
    assert all(np.isfinite(seen.score) for report in reports for seen in report.candidates)
