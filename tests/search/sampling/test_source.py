"""Noise that the workflow brings: candidates of its kind where that can be had, else said; recipes that replay."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from foreign_noises import DrawnBefore, ImageSeeds, Mixed, Pyramid, Stateful, Uniform, Variation, host_draw
from node_calls import NODE_ID, call
from noise_search.search.methods.paths import PathSearch
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.recipe_text import parse_recipes
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, conditioning, made_plan, pair_model, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
RANDOM, CLIMB = RandomSearch(5, "none"), ZeroOrder(iterations=3, neighbors=3, cosine=0.8)
PATHS = PathSearch(paths=2, branches=2, start=0.3, forward=0.2, backward=0.3)
ONE = {"samples": torch.zeros(1, 4, 8, 8)}
THREE = {"samples": torch.zeros(3, 4, 8, 8)}
NO_SEED = "No seed gives the images"


def searching(model: Any, noise: Any = None, method: Any = RANDOM) -> SimpleNamespace:
    """A search with this object at its own input `noise`."""
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Random Search (node 1)", method, batch_size=2)
    patched, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "", noise)
    return SimpleNamespace(model=patched, search=record)


def guided(model: Any, noise: Any, latent: dict[str, Any] = ONE, sampler: str = "euler") -> Tensor:
    """As SamplerCustomAdvanced."""
    samplers = importlib.import_module("comfy.samplers")
    guider = samplers.CFGGuider(model)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 6)
    solver, mask = samplers.sampler_object(sampler), latent.get("noise_mask")
    with torch.inference_mode():
        start = noise.generate_noise({**latent})
        return guider.sample(start, latent["samples"], solver, sigmas, denoise_mask=mask, seed=noise.seed)


def replays(model: Any, recipe: str, stock: Any, latent: dict[str, Any], given: Any, sampler: str) -> list[Tensor]:
    """On the MODEL of a sampler that has its own noise, and as that noise, where a noise is all there is to it."""
    replay, source = (importlib.import_module(f"noise_search.search.{name}") for name in ("replay", "sampling.source"))
    on_model = replay.put_replay_on(model, parse_recipes(recipe), "Replay Noise (node 2)", given)
    as_noise = source.RecipeNoise(parse_recipes(recipe), "Replay Noise (node 2)", given)
    again = [guided(on_model, stock, latent, sampler)]
    if sampler != "euler" or "path" in recipe:
        return again
    return [*again, guided(model, as_noise, latent, sampler)]


def moved(latent: dict[str, Any]) -> dict[str, Any]:
    """With content and a mask."""
    mask = torch.zeros(len(latent["samples"]), 1, 8, 8)
    mask[..., 4:] = 1
    return {"samples": latent["samples"] + 0.3, "noise_mask": mask}


@pytest.mark.parametrize(
    ("make", "latent", "sampler"),
    [
        (Pyramid, ONE, "euler"),
        (Pyramid, THREE, "euler_ancestral"),
        (Uniform, moved(THREE), "euler"),
        (Uniform, ONE, "dpmpp_2m_sde"),
        (Variation, moved(ONE), "euler_ancestral"),
        (Variation, THREE, "euler"),
    ],
)
def test_candidates_are_drawn_by_the_users_object(make: Any, latent: dict[str, Any], sampler: str) -> None:
    model = small_model("EPS")
    found = searching(model, make(7))
    result = guided(found.model, make(7), latent, sampler)
    reports = found.search.runs[0].reports
    images = SmallVAE()
    for item, report in enumerate(reports):
        assert report.notes == ()
        assert report.best.recipe.kind == make.__name__
        for candidate in report.candidates:
            alone = guided(model, make(candidate.recipe.seed), latent, sampler)[item : item + 1]
            assert candidate.score == pytest.approx(float(Brightness().score(images.decode(alone), [""])), abs=1e-5)
        assert torch.allclose(
            result[item], guided(model, make(report.best.recipe.seed), latent, sampler)[item], atol=1e-4
        )
    recipe = recipes_json(reports)
    for again in replays(model, recipe, make(7), latent, make(50), sampler):
        assert torch.allclose(again, result, atol=1e-4)


@pytest.mark.parametrize("method", [CLIMB, PATHS])
@pytest.mark.parametrize("latent", [ONE, THREE])
@pytest.mark.parametrize("make", [Pyramid, Uniform])
def test_moves_and_paths_start_from_the_users_kind(make: Any, latent: dict[str, Any], method: Any) -> None:
    model = small_model("EPS")
    found = searching(model, make(7), method)
    result = guided(found.model, make(7), latent)
    recipe = recipes_json(found.search.runs[0].reports)
    assert make.__name__ in recipe
    for again in replays(model, recipe, make(7), latent, make(1), "euler"):
        assert torch.allclose(again, result, atol=1e-4)


def test_moves_go_towards_noise_of_the_same_kind() -> None:
    """A move of ComfyUI's own would make coarse noise fine."""
    source, draws = (importlib.import_module(f"noise_search.search.sampling.{name}") for name in ("source", "draws"))
    recipe = parse_recipes('{"seed": 1, "moves": [{"seed": 2, "cosine": 0.1}], "noise": "Pyramid"}')
    noise = source.RecipeNoise(recipe, noise=Pyramid(0, 4)).generate_noise(ONE)
    pivot, other = (draws.drawn(Pyramid(seed, 4), ONE).flatten() for seed in (1, 2))
    span = torch.stack([pivot, other], 1)
    left = noise.flatten() - span @ torch.linalg.lstsq(span, noise.flatten()[:, None]).solution.flatten()
    assert left.abs().max() < 1e-4


def test_two_parts_of_a_latent() -> None:
    nested = importlib.import_module("comfy.nested_tensor").NestedTensor
    latent = {"samples": nested([torch.zeros(2, 4, 8, 8), torch.zeros(2, 2, 8)])}
    model = pair_model()
    found = searching(model, Uniform(7))
    result = guided(found.model, Uniform(7), latent)
    reports = found.search.runs[0].reports
    assert {report.best.recipe.kind for report in reports} == {"Uniform"}
    again = guided(model, Uniform(reports[0].best.recipe.seed), latent)
    assert all(torch.allclose(one[0], other[0], atol=1e-4) for one, other in zip(result.unbind(), again.unbind()))
    for again in replays(model, recipes_json(reports), Uniform(7), latent, Uniform(1), "euler"):
        assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(result.unbind(), again.unbind()))


def test_images_of_two_parts_at_any_place_of_a_batch() -> None:
    nested = importlib.import_module("comfy.nested_tensor").NestedTensor
    samples = nested([torch.zeros(1, 4, 8, 8), torch.zeros(1, 2, 8)])
    source = importlib.import_module("noise_search.search.sampling.source").NoiseSource
    pack = importlib.import_module("comfy.utils").pack_latents
    given, shapes = pack(host_draw(samples, 7, [300]).unbind())
    found = source(given, 7, shapes)
    assert (found.seeded, found.places) == (True, [300])
    assert torch.equal(found.base("", 8), pack(host_draw(samples, 8, [300]).unbind())[0])


@pytest.mark.parametrize("places", [[70], [1000], [999, 3]])
def test_an_image_from_any_place_of_a_large_batch_has_its_seed(places: list[int]) -> None:
    model = small_model("EPS")
    latent = {"samples": torch.zeros(len(places), 4, 8, 8), "batch_index": places}
    found = searching(model)
    result = sample(found.model, latent=latent)
    for item, report in enumerate(found.search.runs[0].reports):
        assert report.notes == ()
        assert report.candidates[0].recipe == Recipe(7)
        stock = sample(model, seed=report.best.recipe.seed, latent=latent)
        assert torch.allclose(result[item], stock[item], atol=1e-4)


@pytest.mark.parametrize("step", [1, 0])
@pytest.mark.parametrize("shape", [(3, 4, 8, 8), (2, 4, 5, 7)])
def test_seeds_counted_by_image(step: int, shape: tuple[int, ...]) -> None:
    """Also where no NOISE is connected; recipes of images that a stock sampler would draw otherwise say so."""
    model, latent = small_model("EPS", channels=shape[1]), {"samples": torch.zeros(shape)}
    found = searching(model)
    result = guided(found.model, ImageSeeds(7, step), latent)
    reports = found.search.runs[0].reports
    for item, report in enumerate(reports):
        assert report.notes == ()
        seed = report.best.recipe.seed
        assert torch.allclose(result[item], guided(model, ImageSeeds(seed, step), latent)[item], atol=1e-4)
    assert reports[1].best.recipe.kind == ("one seed an image" if step else "one seed for all images")
    for again in replays(model, recipes_json(reports), ImageSeeds(20, step), latent, None, "euler"):
        assert torch.allclose(again, result, atol=1e-4)


@pytest.mark.parametrize("step", [1, 0])
def test_an_image_that_stock_would_draw_alike_is_replayed_beside_the_others(step: int) -> None:
    """Which change it, and would be drawn otherwise by a stock sampler."""
    model = small_model("EPS").clone()
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] - args["denoised"].mean())
    found = searching(model)
    result = guided(found.model, ImageSeeds(7, step), THREE)
    recipes = [report.best.recipe for report in found.search.runs[0].reports]
    assert [bool(recipe.kind) for recipe in recipes] == [False, True, True]
    replay = importlib.import_module("noise_search.search.replay")
    again = guided(replay.put_replay_on(model, recipes, "Replay Noise (node 2)"), ImageSeeds(7, step), THREE)
    assert torch.allclose(again, result, atol=1e-4)


def test_every_recipe_of_an_object_names_it() -> None:
    """Also of an image that ComfyUI would have drawn alike: moves go another way."""
    source = importlib.import_module("noise_search.search.sampling.source").NoiseSource
    noise = ImageSeeds(7, 3)
    found = source(noise.generate_noise(THREE), 7, [(3, 4, 8, 8)], THREE, noise)
    assert [found.told(parse_recipes('{"seed": 8, "moves": []}')[0], image).kind for image in range(3)] == [
        "ImageSeeds"
    ] * 3


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("name", ["stateful", "drawn before", "mixed"])
def test_what_can_not_be_asked_is_said(name: str, connected: bool, caplog: pytest.LogCaptureFixture) -> None:
    make = {
        "stateful": lambda: Stateful(7),
        "drawn before": lambda: DrawnBefore(7, (1, 4, 8, 8)),
        "mixed": lambda: Mixed(Pyramid(7), Pyramid(8)),
    }[name]
    model = small_model("EPS")
    found = searching(model, make() if connected else None)
    result = guided(found.model, make(), ONE)
    (report,) = found.search.runs[0].reports
    (note,) = report.notes
    assert note.startswith(NO_SEED) and "Use Replay Noise with the recipe" in note
    assert type(make()).__name__ in note if connected else "connect that to the search node" in note
    assert [record.message for record in caplog.records if NO_SEED in record.message] == [
        f"Random Search (node 1): {note}"
    ]
    assert report.to_dict()["notes"] == report.winner()["notes"] == [note]
    assert report.candidates[0].recipe is None
    assert {candidate.recipe.kind for candidate in report.candidates[1:]} == {"ComfyUI's own"}
    if report.best.recipe is None:
        assert torch.allclose(result, guided(model, make(), ONE), atol=1e-4)
        return
    for again in replays(model, recipes_json([report]), make(), ONE, None, "euler"):
        assert torch.allclose(again, result, atol=1e-4)


def test_plain_candidates_come_back_where_the_latent_has_a_place() -> None:
    """The search can not see that place, so Replay Noise must not go by it."""
    model, latent = small_model("EPS"), {**ONE, "batch_index": [5]}
    found = searching(model)
    result = guided(found.model, Pyramid(7), latent)
    best = found.search.runs[0].reports[0].best
    recipe = json.dumps(best.recipe.to_dict())
    assert best.index > 0
    for again in replays(model, recipe, Pyramid(7), latent, None, "euler"):
        assert torch.allclose(again, result, atol=1e-4)


def test_moves_from_a_noise_that_can_not_be_asked_come_back_in_the_same_workflow() -> None:
    model = small_model("EPS")
    found = searching(model, method=CLIMB)
    result = guided(found.model, DrawnBefore(7, (1, 4, 8, 8)), ONE)
    (report,) = found.search.runs[0].reports
    assert report.best.recipe.kind == "the workflow's own" and report.best.recipe.moves
    noise = DrawnBefore(7, (1, 4, 8, 8))
    for again in replays(model, recipes_json([report]), noise, ONE, noise, "euler"):
        assert torch.allclose(again, result, atol=1e-4)
    with pytest.raises(ValueError, match="Set the sampler back to that seed, from 8"):
        replays(model, recipes_json([report]), DrawnBefore(8, (1, 4, 8, 8)), ONE, None, "euler")


def test_a_recipe_of_an_objects_noise_needs_that_object() -> None:
    replay, source = (importlib.import_module(f"noise_search.search.{name}") for name in ("replay", "sampling.source"))
    recipes = parse_recipes('{"seed": 8, "moves": [], "noise": "Pyramid"}')
    for make in (lambda *more: replay.put_replay_on(small_model("EPS"), *more), source.RecipeNoise):
        with pytest.raises(ValueError, match=r"Replay Noise \(node 2\): .* kind Pyramid.* to the input `noise`"):
            make(recipes, "Replay Noise (node 2)", None)
        with pytest.raises(ValueError, match="kind Pyramid, and what is connected to `noise` is Uniform"):
            make(recipes, "Replay Noise (node 2)", Uniform(1))
    noise = source.RecipeNoise(parse_recipes('{"seed": 8, "moves": [], "noise": "the workflow\'s own"}'), "Replay")
    with pytest.raises(ValueError, match=r"Replay: the recipe's noise .* Connect the node"):
        noise.generate_noise(ONE)


def test_comfyuis_own_noise_at_the_input_changes_nothing() -> None:
    class Random(Pyramid):
        def generate_noise(self, latent: dict[str, Any]) -> Any:
            return host_draw(latent["samples"], self.seed, latent.get("batch_index"))

    for latent in (ONE, THREE, {**THREE, "batch_index": [100, 7, 80]}):
        model = small_model("EPS")
        found, plain = searching(model, Random(7)), searching(model)
        result = guided(found.model, Random(7), latent)
        assert torch.equal(result, guided(plain.model, Random(7), latent))
        assert recipes_json(found.search.runs[0].reports) == recipes_json(plain.search.runs[0].reports)
        assert "noise" not in recipes_json(plain.search.runs[0].reports)


def test_looking_at_noise_leaves_torchs_random_state() -> None:
    source = importlib.import_module("noise_search.search.sampling.source").NoiseSource
    for noise in (Uniform(7), Pyramid(7), ImageSeeds(7)):
        given = noise.generate_noise(THREE)
        before = torch.get_rng_state()
        source(given, 7, [given.shape], THREE, noise)
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("node", ["RandomSearch", "ZeroOrderSearch", "PathSearch"])
def test_the_nodes_take_the_noise(node: str) -> None:
    settings = {
        "RandomSearch": {"candidates": 4},
        "ZeroOrderSearch": {"iterations": 2, "neighbors": 2, "cosine": 0.9},
        "PathSearch": {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
    }[node]
    model = small_model("EPS")
    inputs = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": "", "noise": Pyramid(7)}
    searched, search = call(node, model=model, **inputs, **settings)
    result = guided(searched, Pyramid(7))
    recipe = recipes_json(search.runs[0].reports)
    _, again, seed = call("ReplayNoise", recipe=recipe, model=model, noise=Pyramid(3))
    assert torch.allclose(guided(again, Pyramid(50)), result, atol=1e-4)
    assert seed == json.loads(recipe)["seed"]
    with pytest.raises(ValueError, match=f"node {NODE_ID}.*kind Pyramid"):
        call("ReplayNoise", recipe=recipe, model=model)


def test_a_noise_that_the_recipe_does_not_name_is_not_used_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    noise, _, _ = call("ReplayNoise", recipe='{"seed": 7, "moves": []}', noise=Pyramid(7))
    assert torch.equal(noise.generate_noise(ONE), host_draw(ONE["samples"], 7))
    assert "the connected one is not used" in caplog.text
