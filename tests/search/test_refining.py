"""Auto Search around a given recipe: candidate 0 is its image, whatever led to that, and the others come of it."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from foreign_noises import Pyramid, Uniform
from node_calls import NODE_ID, call
from noise_search.search.records.recipe import ONE_PER_IMAGE, PLAIN, WORKFLOW, Move, Path, Recipe, Turn
from small_models import Brightness, SmallVAE, conditioning, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 10
TITLE = rf"^Auto Search \(node {NODE_ID}\): "
ON_A_PATH = Recipe(21, path=Path(0.7, (Turn(4, 0.8, 0.5), Turn(5, 0.6, 0.3)), finished=True))
RECIPES = {
    "a seed": Recipe(21),
    "the sampler's seed": Recipe(7),
    "moves": Recipe(21, (Move(3, 0.8), Move(4, 0.6))),
    "moves, refined": Recipe(21, (Move(3, 0.8),)).refined(5, 0.6).refined(6, 0.7),
    "a path": ON_A_PATH,
    "a path, refined": ON_A_PATH.refined(6, 0.7),
    "variety": Recipe(21, variety=0.4).refined(5, 0.6),
    "a wording": Recipe(21, wording="a cat").refined(5, 0.6),
    "per image": Recipe(21, kind=ONE_PER_IMAGE),
}


def text(recipe: Recipe) -> str:
    return json.dumps(recipe.to_dict())


def positives() -> Any:
    module = importlib.import_module("noise_search.search.sampling.wordings")
    return module.Wordings([module.Variant("a cat", conditioning(11))])


def refining(model: Any, recipe: Recipe | str, budget: int = 4, sampling: dict[str, Any] = {}, **given: Any) -> Any:  # noqa: B006
    """Of a KSampler behind the node: what it gives, the report, and the predictions that the network was asked for."""
    rows: list[int] = []
    hook = model.model.diffusion_model.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0])))
    settings = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": ""}
    refine = recipe if isinstance(recipe, str) else text(recipe)
    try:
        patched, search = call("AutoSearch", model=model, budget=budget, refine=refine, **(settings | given))
        result = sample(patched, **({"steps": STEPS} | sampling))
    finally:
        hook.remove()
    report = search.runs[-1].reports[0]
    return SimpleNamespace(latent=result, report=report, rows=sum(rows) / 2, patched=patched)


def replayed(model: Any, recipe: Recipe, sampling: dict[str, Any] = {}, **given: Any) -> Any:  # noqa: B006
    _, patched, _ = call("ReplayNoise", recipe=text(recipe), model=model, **given)
    return sample(patched, **({"steps": STEPS} | sampling))


def score(latent: Any) -> float:
    return float(Brightness().score(SmallVAE().decode(latent), [""]))


@pytest.mark.parametrize("solver", ["euler", "dpmpp_2m_sde"])
@pytest.mark.parametrize("kind", RECIPES)
def test_candidate_0_is_the_recipes_image_and_the_others_come_of_it(kind: str, solver: str) -> None:
    model, recipe, own = small_model("FLOW"), RECIPES[kind], {"sampler_name": solver}
    more = {"positives": positives()} if recipe.wording else {}
    found = refining(model, recipe, sampling=own, variety=0.2, **more)
    first, *others = found.report.candidates
    assert first.recipe == found.report.around == recipe
    assert first.score == pytest.approx(score(replayed(model, recipe, own, **more)), abs=1e-4)
    assert others
    assert all(one.recipe.way()[: len(recipe.way())] == recipe.way() for one in others)
    assert found.report.best.score >= first.score
    assert found.report.nfe == found.rows
    assert found.report.extra_nfe == 0
    assert found.rows - first.nfe <= 3 * STEPS
    assert first.nfe == pytest.approx(STEPS * recipe.trajectories, abs=2)
    assert torch.allclose(found.latent, replayed(model, found.report.best.recipe, own, **more), atol=1e-3)


@pytest.mark.parametrize("kind", ["moves", "a path, refined"])
def test_more_than_the_recipe_is_found(kind: str) -> None:
    """Over several seeds: by chance one search may find nothing."""
    model = small_model("FLOW")
    found = [refining(model, RECIPES[kind], budget=6, sampling={"seed": seed}).report for seed in range(3)]
    assert any(report.best.score > report.baseline.score for report in found)
    assert len({report.candidates[1].recipe for report in found}) == 3
    for report in found:
        assert report.summary.startswith("The search refined around a given recipe, whose image has a score of")
        assert report.to_dict()["around"] == report.winner()["around"] == RECIPES[kind].to_dict()


def test_the_turns_that_led_to_a_winner_are_not_taken_again() -> None:
    model = small_model("FLOW")
    first = refining(model, Recipe(7), budget=6).report
    child = next(one.recipe for one in first.candidates if one.is_finished and one.recipe.is_refined)
    second = refining(model, child, budget=6).report
    taken = {one.recipe.along.turns[-1].seed for one in first.candidates[1:]}
    assert taken.isdisjoint(one.recipe.along.turns[-1].seed for one in second.candidates[1:])


def test_a_budget_of_one_gives_the_recipes_image() -> None:
    model = small_model("FLOW")
    found = refining(model, RECIPES["moves, refined"], budget=1)
    assert len(found.report.candidates) == 1
    assert torch.allclose(found.latent, replayed(model, RECIPES["moves, refined"]), atol=1e-4)
    assert found.report.summary.endswith("Nothing was better than the given image.")


def masked() -> dict[str, Any]:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    return {"samples": torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), "noise_mask": mask}


def test_inside_a_mask_of_an_image_that_is_changed_a_little() -> None:
    model, sampling = small_model("FLOW"), {"latent": masked(), "denoise": 0.6}
    found = refining(model, RECIPES["moves, refined"], sampling=sampling, keep=3)
    assert len(found.report.kept.candidates) == 3
    assert found.report.nfe == found.rows
    unmasked = masked()["samples"][..., 4:]
    assert torch.allclose(found.latent[..., 4:], unmasked, atol=1e-3)
    again = replayed(model, found.report.best.recipe, {"latent": masked(), "denoise": 0.6})
    assert torch.allclose(found.latent, again, atol=1e-3)


def test_what_an_earlier_run_has_scored_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("history.ledger", "patch"))
    page = ledger.Page(None)
    monkeypatch.setattr(patch, "page_of", lambda *_: page)
    model, recipe = small_model("FLOW"), RECIPES["moves, refined"]
    first = refining(model, recipe)
    second = refining(model, recipe)
    assert second.report.best.recipe == first.report.best.recipe
    assert torch.allclose(first.latent, second.latent, atol=1e-4)
    assert second.rows <= STEPS * len(first.report.best.recipe.way()), "only the winner ran, along its way"
    assert second.rows == second.report.nfe
    more = refining(model, recipe, budget=8)
    known = {one.recipe for one in first.report.candidates}
    assert known < {one.recipe for one in more.report.candidates}
    assert more.report.nfe == more.rows


def test_keep_best_and_a_target_end_it() -> None:
    model = small_model("FLOW")
    found = refining(model, RECIPES["moves"], budget=50, target="-100")
    assert (found.report.stopped, found.report.best.index, len(found.report.candidates)) == ("target", 0, 1)
    found = refining(model, RECIPES["moves"], budget=500, patience=3)
    assert found.report.stopped == "patience"


def test_a_solver_whose_rows_go_one_by_one() -> None:
    model, recipe, own = small_model("EPS"), RECIPES["a path, refined"], {"sampler_name": "dpm_adaptive"}
    found = refining(model, recipe, sampling=own)
    assert found.report.nfe == found.rows
    assert len(found.report.candidates) > 1
    assert torch.allclose(found.latent, replayed(model, found.report.best.recipe, own), atol=1e-3)


def guided(patched: Any, noise: Any, seed: int = 5) -> Any:
    samplers = importlib.import_module("comfy.samplers")
    guider = samplers.CFGGuider(patched)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    latent = torch.zeros(1, 4, 8, 8)
    sigmas = samplers.calculate_sigmas(patched.get_model_object("model_sampling"), "simple", STEPS)
    with torch.inference_mode():
        start = noise.generate_noise({"samples": latent})
        return guider.sample(start, latent, samplers.sampler_object("euler"), sigmas, seed=seed)


@pytest.mark.parametrize(
    ("recipe", "noise", "connected"),
    [
        (Recipe(21, (Move(3, 0.6),), kind="Pyramid"), Pyramid(5), True),  # of the kind of this search
        (Recipe(21, (Move(3, 0.6),)), Pyramid(5), True),  # a stock sampler's, in a search of another kind
        (Recipe(5, (Move(3, 0.6),), kind=WORKFLOW), Pyramid(5), False),  # noise that nobody knows how to draw
        (Recipe(5, kind=PLAIN).refined(3, 0.6), Pyramid(5), False),
        (Recipe(21), Pyramid(5), False),
    ],
)
def test_recipes_of_other_noises(recipe: Recipe, noise: Any, connected: bool) -> None:
    model = small_model("FLOW")
    given = {"noise": noise} if connected else {}
    settings = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": ""}
    patched, search = call("AutoSearch", model=model, budget=4, refine=text(recipe), **settings, **given)
    result = guided(patched, noise)
    report = search.runs[-1].reports[0]
    _, replay, _ = call("ReplayNoise", recipe=text(recipe), model=model, **given)
    assert report.candidates[0].score == pytest.approx(score(guided(replay, noise)), abs=1e-4)
    _, replay, _ = call("ReplayNoise", recipe=text(report.best.recipe), model=model, **given)
    assert torch.allclose(result, guided(replay, noise), atol=1e-3)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("{", "this is not a recipe"),
        ("null", "null is not a recipe"),
        ('{"seed": 7}', "a recipe looks like"),
        (
            '[{"seed": 7, "moves": []}, {"seed": 8, "moves": []}]',
            "there are 2 recipes in `refine`, but it goes on from",
        ),
    ],
)
def test_a_text_that_is_no_recipe_is_refused(recipe: str, told: str) -> None:
    errors = importlib.import_module("noise_search.search.records.recipe_text")
    with pytest.raises(errors.RecipeError, match=TITLE + told):
        refining(small_model("FLOW"), recipe)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (Recipe(21, kind="Pyramid"), "the recipe's noise is of the kind Pyramid.*Connect the node"),
        (Recipe(21, kind=WORKFLOW), "workflow's own noise for the seed 21. Set the sampler back to that seed, from 7"),
        (Recipe(21, wording="a dog"), "the recipe's wording 'a dog' is none of the positives. Connect the Prompt Var"),
    ],
)
def test_a_recipe_that_this_workflow_can_not_make_is_refused(recipe: Recipe, told: str) -> None:
    with pytest.raises(ValueError, match=TITLE + ".*" + told):
        refining(small_model("FLOW"), recipe)


def test_a_noise_object_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=TITLE + "the recipe's noise is of the kind Pyramid, and what is connected"):
        refining(small_model("FLOW"), Recipe(21, kind="Pyramid"), noise=Uniform(7))


def test_a_batch_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match=TITLE + "`refine` holds the recipe of one image, but this sampler makes 2"):
        refining(small_model("FLOW"), Recipe(21), sampling={"latent": {"samples": torch.zeros(2, 4, 8, 8)}})


def test_a_path_that_begins_above_the_sampler_is_refused() -> None:
    with pytest.raises(ValueError, match=TITLE + "the recipe's path begins at noise level 0.7, but this sampler"):
        refining(small_model("FLOW"), ON_A_PATH, sampling={"latent": masked(), "denoise": 0.5})


@pytest.mark.parametrize("empty", ["", "  \n", '{"note": "The search is bypassed."}'])
def test_empty_is_a_search_as_ever(empty: str) -> None:
    report = refining(small_model("FLOW"), empty).report
    assert (report.around, report.candidates[0].recipe) == (None, Recipe(7))
