"""Search Report gives out the candidate of a rank, and the best as a batch, without running again."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import call
from small_models import Brightness, SmallVAE, best_report, pair_model, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6
METHODS = {
    "RandomSearch": {"candidates": 7},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 3, "cosine": 0.3},
    "PathSearch": {"paths": 3, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
    "AutoSearch": {"budget": 8},
}


class Darkness(Brightness):
    name = "darkness"

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return -images.mean((1, 2, 3))


def searching(method: str = "RandomSearch", model: Any = None, keep: int = 4, **settings: Any) -> SimpleNamespace:
    inputs = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": "", "keep": keep}
    patched, record = call(method, model=model or small_model("FLOW"), **(inputs | METHODS[method] | settings))
    return SimpleNamespace(model=patched, search=record)


def report(found: SimpleNamespace, samples: Any, **given: Any) -> tuple[Any, ...]:
    return call("SearchReport", latent={"samples": samples}, search=found.search, **given)


def why(blocked: Any) -> str:
    """Of an output that is an error where it is used."""
    assert isinstance(blocked, importlib.import_module("comfy_execution.graph").ExecutionBlocker)
    return blocked.message


@pytest.mark.parametrize("method", METHODS)
def test_every_kept_latent_is_what_its_recipe_replays(method: str) -> None:
    model = small_model("FLOW")
    found = searching(method, model)
    winner = sample(found.model)
    shown = best_report(found)
    best = report(found, winner)[7]["samples"]
    assert len(best) == len(shown.kept.candidates) == 4
    assert torch.equal(best[0], winner[0])
    for index, latent in zip(shown.kept.candidates, best, strict=True):
        recipe = json.dumps(shown.candidates[index].recipe.to_dict())
        again = sample(call("ReplayNoise", recipe=recipe, model=model)[1])
        assert torch.allclose(latent, again[0], atol=1e-4), index


def test_a_rank_is_the_place_by_score_with_latent_recipe_and_json() -> None:
    model = small_model("FLOW")
    found = searching(model=model, keep=7)
    winner = sample(found.model)
    order = sorted(best_report(found).candidates, key=lambda one: -one.score)
    for rank, one in enumerate(order, start=1):
        latent, _, _, _, recipe, _, text, _ = report(found, winner, rank=rank)
        assert json.loads(recipe) == one.recipe.to_dict()
        stock = sample(model, seed=json.loads(recipe)["seed"])
        assert torch.allclose(latent["samples"], stock, atol=1e-4)
        told = json.loads(text)
        assert told["best"]["index"] == order[0].index
        assert told.get("taken", {"rank": 1})["rank"] == rank
        assert told["kept"]["megabytes"] == pytest.approx(7 * 4 * 8 * 8 * 4 / 1e6, abs=1e-3)


def test_without_keep_the_batch_is_the_winner_and_nothing_is_told() -> None:
    found = searching(keep=1)
    winner = sample(found.model)
    outputs = report(found, winner)
    assert outputs[7]["samples"] is winner
    assert "kept" not in json.loads(outputs[6])
    assert found.search.runs[0].kept == []


def test_a_rank_that_was_not_kept_says_what_to_do_and_has_its_recipe() -> None:
    found = searching(keep=2)
    winner = sample(found.model)
    outputs = report(found, winner, rank=5)
    fifth = sorted(best_report(found).candidates, key=lambda one: -one.score)[4]
    message = why(outputs[0])
    assert f"the latent of rank 5 (candidate {fifth.index}) was not kept, only those of the ranks 1, 2." in message
    assert "Raise `keep`" in message and "Search Report (node 12)" in message
    assert json.loads(outputs[4]) == fifth.recipe.to_dict()
    assert len(outputs[7]["samples"]) == 2


def test_a_rank_that_no_candidate_has_is_refused() -> None:
    found = searching(keep=2)
    winner = sample(found.model)
    with pytest.raises(ValueError, match=r"rank is 8, but 7 candidates have run to their end\. Choose .* 1 to 7"):
        report(found, winner, rank=8)


def test_each_image_of_a_batch_has_its_own() -> None:
    model = small_model("FLOW")
    found = searching(model=model, keep=3)
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    winners = sample(found.model, latent=latent)
    reports = found.search.runs[0].reports
    second = report(found, winners, rank=2)
    for image, (told, recipe) in enumerate(zip(reports, json.loads(second[4]), strict=True)):
        assert told.ranked()[1].recipe.to_dict() == recipe
        alone = sample(model, seed=recipe["seed"], latent=latent)
        assert torch.allclose(second[0]["samples"][image], alone[image], atol=1e-4)
    best = second[7]["samples"]
    assert len(best) == 6
    assert torch.equal(best[0], winners[0]) and torch.equal(best[3], winners[1])


@pytest.mark.parametrize("side_by_side", [1, 3])
@pytest.mark.parametrize("judge", [[Brightness], [Brightness, Darkness]])
def test_what_is_kept_does_not_depend_on_how_many_run_side_by_side(side_by_side: int, judge: list[Any]) -> None:
    ensemble = importlib.import_module("noise_search.verifiers.ensemble")

    def run(batch_size: int) -> tuple[tuple[int, ...], Tensor]:
        verifier = judge[0]() if len(judge) == 1 else ensemble.Ensemble([one() for one in judge])
        found = searching(keep=3, batch_size=batch_size, verifier=verifier, candidates=9)
        samples = sample(found.model)
        return best_report(found).kept.candidates, report(found, samples)[7]["samples"]

    (one, latents), (other, others) = run(side_by_side), run(0)
    assert one == other
    assert torch.allclose(latents, others, atol=1e-4)


def test_drafts_keep_what_ran_in_full() -> None:
    model = small_model("FLOW")
    found = searching(model=model, keep=6, search_steps=2)
    winner = sample(found.model)
    shown = best_report(found)
    assert len(shown.kept.candidates) == len(shown.ranked()) == 3
    assert all(shown.candidates[index].repeats is not None for index in shown.kept.candidates)
    stock = sample(model, seed=shown.ranked()[2].recipe.seed)
    assert torch.allclose(report(found, winner, rank=3)[0]["samples"], stock, atol=1e-4)


def test_a_target_keeps_what_had_run_when_it_was_reached() -> None:
    found = searching(keep=4, target="-1", batch_size=3)
    sample(found.model)
    shown = best_report(found)
    assert shown.stopped == "target"
    assert shown.kept.candidates[0] == shown.best.index
    assert set(shown.kept.candidates) <= {one.index for one in shown.candidates}


def test_a_nested_latent_comes_out_nested() -> None:
    nested = importlib.import_module("comfy.nested_tensor").NestedTensor
    latent = {"samples": nested([torch.zeros(1, 4, 8, 8), torch.zeros(1, 2, 8)])}
    model = pair_model()
    found = searching(model=model, keep=3, candidates=4)
    winner = sample(found.model, latent=latent)
    second, *_, best = report(found, winner, rank=2)
    assert [part.shape[0] for part in best["samples"].unbind()] == [3, 3]
    stock = sample(model, seed=best_report(found).ranked()[1].recipe.seed, latent=latent)
    for mine, theirs in zip(second["samples"].unbind(), stock.unbind(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def test_the_mask_of_each_image_goes_with_it() -> None:
    found = searching(keep=2)
    winners = sample(found.model, latent={"samples": torch.zeros(2, 4, 8, 8)})
    masks = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    given = {"samples": winners, "noise_mask": masks, "batch_index": [0, 1]}
    best = call("SearchReport", latent=given, search=found.search)[7]
    assert best["noise_mask"].flatten(1).mean(1).tolist() == [0, 0, 1, 1]
    assert "batch_index" not in best


def test_what_is_no_sampler_result_says_where_to_connect() -> None:
    found = searching(keep=3)
    samples = sample(found.model)
    image = SmallVAE().decode(samples)
    outputs = call("SearchReport", latent=image, search=found.search, rank=2)
    assert "Put Search Report between that sampler and VAE Decode" in why(outputs[0])
    assert "Put Search Report between that sampler and VAE Decode" in why(outputs[7])


def test_latents_of_earlier_runs_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    results = importlib.import_module("noise_search.search.results")
    monkeypatch.setattr(results, "LATENTS_KEPT", 3 * 4 * 8 * 8 * 4 * 2 - 1)  # a byte less than those of two runs
    found = searching(keep=3)
    before, now = sample(found.model, seed=1), sample(found.model, seed=50)
    assert len(report(found, now)[7]["samples"]) == 3
    assert "made room" in why(report(found, before)[7])
    assert "was not kept" in why(report(found, before, rank=2)[0])


def test_keep_is_checked() -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        searching(keep=0)
