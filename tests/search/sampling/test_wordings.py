"""Candidates drawn from seed and wording both, in ComfyUI's own sampling."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import NODE_ID, call
from small_models import Brightness, SmallVAE, conditioning, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6
TEXTS = {"a cat": 11, "a kitten, long": 12}
METHODS = {
    "RandomSearch": {"candidates": 10},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 3, "cosine": 0.5},
    "PathSearch": {"paths": 3, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
    "AutoSearch": {"budget": 8},
}
PRUNED = {"candidates": 6, "pruning": "progressive"}


def encoded(text: str) -> Any:
    """The longer text has more tokens."""
    (entry,) = conditioning(TEXTS[text])
    return [[entry[0].repeat(1, 2, 1) if "long" in text else entry[0], entry[1]]]


def positives() -> Any:
    module = importlib.import_module("noise_search.search.sampling.wordings")
    return module.Wordings([module.Variant(text, encoded(text)) for text in TEXTS])


def run(node: str = "RandomSearch", batch: int = 1, model: Any = None, own: Any = None, **given: Any) -> Any:
    """latent: what the sampler gives; reports: one per image; rows: that the network has seen at once."""
    model = model or small_model("FLOW")
    rows: list[int] = []
    hook = model.model.diffusion_model.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    settings = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": "", "positives": positives()}
    patched, search = call(node, model=model, **(settings | METHODS[node] | given))
    latent = {"samples": torch.zeros(batch, 4, 8, 8)}
    result = sample(patched, latent=latent, steps=STEPS, positive=own)
    hook.remove()
    runs = search.runs[-1].reports
    return SimpleNamespace(latent=result, reports=runs, report=runs[0], rows=rows)


def wordings(report: Any) -> list[str]:
    return [candidate.recipe.wording for candidate in report.candidates]


def score(latent: Tensor) -> float:
    return float(Brightness().score(SmallVAE().decode(latent), [""]))


def stock(recipe: Any) -> Tensor:
    """What a KSampler gives for the seed, with that wording as its prompt."""
    positive = encoded(recipe.wording) if recipe.wording else None
    return sample(small_model("FLOW"), seed=recipe.seed, steps=STEPS, positive=positive)


@pytest.mark.parametrize("batch_size", [1, 3, 0])
def test_each_candidate_is_what_its_seed_gives_with_its_wording(batch_size: int) -> None:
    found = run(batch_size=batch_size)
    assert wordings(found.report)[:3] == ["", *TEXTS]
    for one in found.report.candidates:
        assert one.score == pytest.approx(score(stock(one.recipe)), abs=1e-5), one.recipe
        assert one.recipe.seed == 7 + one.index
    assert torch.allclose(found.latent, stock(found.report.best.recipe), atol=1e-5)


def test_batch_size_changes_nothing_and_candidates_of_one_wording_share_a_prediction() -> None:
    alone, together = run(batch_size=1), run(batch_size=4)
    assert wordings(alone.report) == wordings(together.report)
    assert [one.score for one in alone.report.candidates] == pytest.approx(
        [one.score for one in together.report.candidates], abs=1e-5
    )
    assert max(together.rows) > max(alone.rows)
    assert sum(together.rows) == sum(alone.rows) == 2 * together.report.nfe


@pytest.mark.parametrize("node", METHODS)
def test_every_method_draws_wordings_and_its_winner_is_made_again(node: str) -> None:
    model = small_model("FLOW")
    found = run(node, model=model)
    assert len(set(wordings(found.report))) > 1
    assert found.report.candidates[0].recipe.wording == ""
    recipe = next(one.recipe for one in found.report.candidates if one.is_finished and one.recipe.wording)
    for told in (recipe, found.report.best.recipe):
        _, replaying, _ = call("ReplayNoise", recipe=json.dumps(told.to_dict()), model=model, positives=positives())
        again = sample(replaying, steps=STEPS)
        assert told != found.report.best.recipe or torch.allclose(again, found.latent, atol=1e-4)
        expected = next(one.score for one in found.report.candidates if one.recipe == told and one.is_finished)
        assert score(again) == pytest.approx(expected, abs=1e-4)
    assert found.report.to_dict()["candidates"][1]["recipe"].get("wording") == (wordings(found.report)[1] or None)
    assert any("another wording" in note for note in found.report.notes)


def test_what_goes_on_from_a_candidate_has_its_wording() -> None:
    report = run("PathSearch").report
    by_way = {one.recipe: one.recipe for one in report.candidates}
    later = [one.recipe for one in report.candidates if one.recipe.before() is not None]
    assert later and all(recipe.before() in by_way for recipe in later)
    assert {recipe.wording for recipe in later} != {""}


def test_in_a_race_all_wordings_start_together() -> None:
    plain = run(**PRUNED, positives=None).report
    found = run(**PRUNED)
    assert set(wordings(found.report)) == {"", *TEXTS}
    assert len(found.report.candidates) == len(plain.candidates)
    assert found.report.nfe == sum(found.rows) / 2 == plain.nfe
    for one in found.report.candidates:
        if one.is_finished:
            assert one.score == pytest.approx(score(stock(one.recipe)), abs=1e-5)


def test_images_of_a_batch_have_wordings_of_their_own() -> None:
    reports = run(batch=2).reports
    assert wordings(reports[0])[:3] == wordings(reports[1])[:3] == ["", *TEXTS]
    assert wordings(reports[0]) == wordings(run(batch=2, batch_size=1).reports[0])
    for image, report in enumerate(reports):
        for one in report.candidates[:3]:
            positive = encoded(one.recipe.wording) if one.recipe.wording else None
            latent = {"samples": torch.zeros(2, 4, 8, 8)}
            alone = sample(small_model("FLOW"), seed=one.recipe.seed, steps=STEPS, positive=positive, latent=latent)
            assert one.score == pytest.approx(score(alone[image : image + 1]), abs=1e-5)


def test_a_search_shifts_to_wordings_that_score_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are those of a wording, whatever the image."""
    evaluate = importlib.import_module("noise_search.search.evaluate")
    found = evaluate.Evaluator._candidate

    def liking(self: Any, recipes: Any, *given: Any) -> Any:
        one, extra = found(self, recipes, *given), {"a cat": 0.0, "": -1.0}
        likes = extra.get(recipes[0].wording, -2.0) + 0.1 * (recipes[0].seed % 3)
        return replace(one, scores={"brightness": likes})

    monkeypatch.setattr(evaluate.Evaluator, "_candidate", liking)
    said = wordings(run(candidates=24).report)
    assert said.count("a cat") > 14 and len(set(said)) == 3


def test_what_hangs_on_the_positive_stays() -> None:
    """A mask on the user's own conditioning is on every wording."""
    mask = {"mask": torch.cat([torch.ones(1, 8, 4), torch.zeros(1, 8, 4)], dim=2), "mask_strength": 1.0}
    (entry,) = conditioning(1)
    found = run(own=[[entry[0], {**entry[1], **mask}]], candidates=3)
    for one in found.report.candidates:
        (said,) = encoded(one.recipe.wording) if one.recipe.wording else conditioning(1)
        alone = sample(
            small_model("FLOW"), seed=one.recipe.seed, steps=STEPS, positive=[[said[0], {**said[1], **mask}]]
        )
        assert one.score == pytest.approx(score(alone), abs=1e-5)


def test_two_positive_conditionings_are_an_error_of_the_search() -> None:
    with pytest.raises(ValueError, match=rf"Random Search \(node {NODE_ID}\): positives take the place of one.*has 2"):
        run(own=[*conditioning(1), *conditioning(3)])


@pytest.mark.parametrize("given", [{}, {"positives": True}])
def test_a_recipe_with_a_wording_says_what_it_needs(given: dict[str, Any]) -> None:
    recipe = json.dumps({"seed": 7, "moves": [], "wording": "a dog"})
    others = {"positives": positives()} if given else {}
    _, replaying, _ = call("ReplayNoise", recipe=recipe, model=small_model("FLOW"), **others)
    with pytest.raises(ValueError, match=rf"Replay Noise \(node {NODE_ID}\): the recipe's wording 'a dog' is none of"):
        sample(replaying, steps=STEPS)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One page for every search of the test, as if the graph around them were the same."""
    page = importlib.import_module("noise_search.search.history.ledger").Page(None)
    monkeypatch.setattr(importlib.import_module("noise_search.search.patch"), "page_of", lambda *_: page)
    return page


@pytest.mark.usefixtures("page")
def test_a_search_with_wordings_goes_on_where_it_was() -> None:
    few = run(candidates=6, batch_size=1)
    more = run(candidates=10)
    assert wordings(more.report)[:6] == wordings(few.report)
    again = STEPS if more.report.best.index < 6 else 0
    assert more.report.nfe == 4 * STEPS + again
    assert torch.allclose(more.latent, stock(more.report.best.recipe), atol=1e-5)


@pytest.mark.usefixtures("page")
def test_another_text_encoder_s_wordings_are_other_candidates() -> None:
    run(candidates=3)
    module = importlib.import_module("noise_search.search.sampling.wordings")
    others = module.Wordings([module.Variant(text, conditioning(40 + seed)) for text, seed in TEXTS.items()])
    report = run(candidates=3, positives=others).report
    assert report.nfe >= 2 * STEPS, "only the sampler's own is known"


def test_with_a_target_and_drafts_a_wording_wins_as_well() -> None:
    every = run().report
    target = max(one.score for one in every.candidates if one.recipe.wording) - 1e-5
    found = run(target=target, batch_size=1)
    first = next(one for one in every.candidates if one.score >= target)
    assert (found.report.stopped, found.report.best.recipe) == ("target", first.recipe)
    drafted = run(search_steps=3)
    assert torch.allclose(drafted.latent, stock(drafted.report.best.recipe), atol=1e-5)


def test_texts_of_positives_differ() -> None:
    module = importlib.import_module("noise_search.search.sampling.wordings")
    for texts in (["a", "a"], [""]):
        with pytest.raises(ValueError, match="have to differ"):
            module.Wordings([module.Variant(text, []) for text in texts])
