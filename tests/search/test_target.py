"""A search that stops as soon as an image is good enough, in ComfyUI's own sampling."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import NODE_ID, call
from noise_search.search.records.target import HOLDS
from small_models import Brightness, SmallVAE, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6
METHODS = {
    "RandomSearch": {"candidates": 8},
    "ZeroOrderSearch": {"iterations": 3, "neighbors": 3, "cosine": 0.5},
    "PathSearch": {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
    "AutoSearch": {"budget": 8},
}
RACES = {"RandomSearch": {"candidates": 8, "pruning": "progressive"}, "AutoSearch": {"budget": 8}}


class Bright(Brightness):
    """Tells whether an image is brighter than a limit. The ones that are get low scores."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return self.score_with_details(images, prompts)[0]

    def score_with_details(self, images: Tensor, prompts: list[str]) -> Any:
        scores = super().score(images, prompts)
        told = [[{"text": "bright", "score": score, "holds": score >= self.limit}] for score in scores.tolist()]
        return scores - 10 * (scores >= self.limit).float(), told


def run(node: str = "RandomSearch", batch: int = 1, model: Any = None, steps: int = STEPS, **given: Any) -> Any:
    """latent: what the sampler gives; reports: one per image."""
    settings = {"vae": SmallVAE(), "verifier": Brightness(), "prompt": ""} | METHODS[node] | given
    patched, search = call(node, model=model or small_model("FLOW"), **settings)
    latent = sample(patched, latent={"samples": torch.zeros(batch, 4, 8, 8)}, steps=steps, cfg=1.0)
    return SimpleNamespace(latent=latent, reports=search.runs[-1].reports, report=search.runs[-1].reports[0])


def image_of(index: int) -> Tensor:
    """What the seed of a candidate gives without a search."""
    return sample(small_model("FLOW"), seed=7 + index, steps=STEPS, cfg=1.0)


def finished(report: Any) -> list[float]:
    return [one.score for one in report.candidates if one.is_finished]


def scores(**given: Any) -> list[float]:
    return [one.score for one in run(**given).report.candidates]


@pytest.mark.parametrize("node", METHODS)
def test_it_is_off_by_default_and_a_target_that_is_not_reached_changes_nothing(node: str) -> None:
    plain, high = run(node), run(node, target="1000")
    assert plain.report.target is None and "target" not in plain.report.to_dict()
    assert high.report.stopped == plain.report.stopped == "finished"
    assert high.report.to_dict()["target"] == 1000
    assert finished(high.report) == finished(plain.report) and torch.equal(high.latent, plain.latent)


@pytest.mark.parametrize("node", METHODS)
def test_the_first_image_to_reach_it_wins_and_nothing_runs_after_it(node: str) -> None:
    of_all = [one for one in run(node, batch_size=1).report.candidates if one.is_finished]
    target = sorted(one.score for one in of_all)[len(of_all) // 2]
    first = next(one for one in of_all if one.score >= target)
    report = run(node, batch_size=1, target=target).report
    assert (report.stopped, report.best.recipe) == ("target", first.recipe)
    reached = [one for one in report.candidates if one.reached]
    assert reached[0] is report.best and report.best.is_finished
    assert all(one.round <= report.best.round for one in report.candidates)
    if node in ("RandomSearch", "ZeroOrderSearch"):
        assert report.candidates[-1] is report.best
        assert report.nfe == STEPS * (1 + report.best.index)


@pytest.mark.parametrize("batch_size", [1, 3, 0])
def test_the_same_one_wins_however_many_run_together(batch_size: int) -> None:
    every = scores()
    target = sorted(every)[3]  # five reach it
    first = next(at for at, score in enumerate(every) if score >= target)
    found = run(batch_size=batch_size, target=target - 1e-5)
    assert found.report.best.index == first
    assert torch.allclose(found.latent, image_of(first), atol=1e-5)


@pytest.mark.parametrize("node", RACES)
def test_what_is_still_on_its_way_does_not_reach_it(node: str) -> None:
    """The predictions of a race score what they like."""

    class Early(Brightness):
        """Likes whatever it is shown before the last time."""

        def __init__(self, times: float) -> None:
            super().__init__()
            self.times = times

        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            scores = super().score(images, prompts)
            return scores + 100 * (len(self.asked) < self.times)

    settings = RACES[node] | {"budget": 4} if node == "AutoSearch" else RACES[node]
    counting = Early(0)
    run(node, verifier=counting, **settings)
    report = run(node, verifier=Early(len(counting.asked)), target="50", **settings).report
    assert report.stopped == "finished" and max(one.score for one in report.candidates) > 50
    assert not any(one.reached for one in report.candidates)


@pytest.mark.parametrize("node", RACES)
def test_a_race_ends_the_search_when_a_finisher_reaches_it(node: str) -> None:
    plain = run(node, **RACES[node]).report
    low = min(finished(plain))
    report = run(node, target=low, **RACES[node]).report
    assert report.stopped == "target" and report.best.is_finished
    assert report.best == next(one for one in report.candidates if one.reached)


def test_a_draft_is_no_image_and_its_full_one_is() -> None:
    drafts = {"search_steps": 3, "batch_size": 1}
    plain = run(steps=8, **drafts).report
    full = [one for one in plain.candidates if one.is_finished]
    assert len(full) == 3
    low = min(one.score for one in plain.candidates) - 1
    report = run(steps=8, target=low, **drafts).report
    assert (report.stopped, len(report.candidates)) == ("target", 8 + 1)
    assert report.best.repeats == full[0].repeats and report.best.recipe == full[0].recipe
    assert not any(one.reached for one in report.candidates[:8])
    middle = sorted(one.score for one in full)[-1]
    report = run(steps=8, target=middle, **drafts).report
    assert report.best.score == pytest.approx(middle)


def test_each_image_of_a_batch_has_to_reach_it() -> None:
    plain = run(batch=2, batch_size=1).reports
    firsts = []
    target = min(sorted(finished(report))[-2] for report in plain) - 1e-5
    for report in plain:
        firsts.append(next(one.index for one in report.candidates if one.score >= target))
    found = run(batch=2, batch_size=1, target=target)
    assert [report.best.index for report in found.reports] == firsts
    assert [report.stopped for report in found.reports] == ["target"] * 2
    assert {len(report.candidates) for report in found.reports} == {1 + max(firsts)}


def test_all_requirements_have_to_hold_and_then_the_score_does_not_matter() -> None:
    every = scores()
    limit = sorted(every)[-2]
    first = next(at for at, score in enumerate(every) if score >= limit)
    found = run(verifier=Bright(limit - 1e-5), batch_size=1, target=HOLDS)
    assert (found.report.stopped, found.report.best.index) == ("target", first)
    assert found.report.best.score < min(finished(found.report)[:first], default=0)
    assert found.report.to_dict()["target"] == HOLDS and found.report.to_dict()["candidates"][first]["reached"] is True
    assert first > 0 and torch.allclose(found.latent, image_of(first), atol=1e-5)


def test_in_an_ensemble_what_holds_counts_but_not_of_one_held_out() -> None:
    ensemble = importlib.import_module("noise_search.verifiers.ensemble").Ensemble
    limit = sorted(scores())[-2] - 1e-5
    alone = run(verifier=Bright(limit), batch_size=1, target=HOLDS).report
    found = run(verifier=ensemble([Brightness(), Bright(limit)]), batch_size=1, target=HOLDS).report
    assert (found.stopped, found.best.index) == ("target", alone.best.index)
    with pytest.raises(
        ValueError, match=f'Random Search \\(node {NODE_ID}\\): target is "{HOLDS}", but ensemble gives'
    ):
        run(verifier=ensemble([Brightness()], held_out=Bright(limit)), target=HOLDS)


@pytest.mark.parametrize(
    ("target", "verifier", "message"),
    [
        ("soon", Brightness, "target is 'soon', but it has to be a score, such as 0.9, or \"all requirements hold\""),
        ("nan", Brightness, "target is 'nan', but it has to be a score"),
        (HOLDS, Brightness, 'target is "all requirements hold", but brightness gives a number only'),
    ],
)
def test_a_target_that_is_none_is_refused_by_name(target: str, verifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"Random Search \(node {NODE_ID}\): {message}") as raised:
        run(verifier=verifier(), target=target)
    assert type(raised.value) is ValueError


def test_a_score_of_an_ensemble_is_no_target() -> None:
    ensemble = importlib.import_module("noise_search.verifiers.ensemble").Ensemble
    with pytest.raises(ValueError, match="scores of an ensemble compare candidates with each other"):
        run(verifier=ensemble([Brightness()]), target=0.5)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One page for every search of the test, as if the graph around them were the same."""
    page = importlib.import_module("noise_search.search.history.ledger").Page(None)
    monkeypatch.setattr(importlib.import_module("noise_search.search.patch"), "page_of", lambda *_: page)
    return page


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("before", [{}, {"target": "1000"}])
def test_of_what_an_earlier_run_has_scored_the_same_one_wins(before: dict[str, Any]) -> None:
    every = run(**before).report
    target = sorted(finished(every))[3] - 1e-5
    first = next(one for one in every.candidates if one.score >= target)
    again = run(target=target, batch_size=1)
    assert (again.report.stopped, again.report.best.index) == ("target", first.index)
    assert again.report.nfe == STEPS, "the winner's image alone"
    assert torch.allclose(again.latent, image_of(first.index), atol=1e-5)


@pytest.mark.usefixtures("page")
def test_a_search_that_stopped_goes_on_with_a_higher_target() -> None:
    first = run(verifier=Bright(-100), batch_size=1, target=HOLDS).report
    assert (first.stopped, len(first.candidates)) == ("target", 1)
    more = run(verifier=Bright(-100), batch_size=1, candidates=4).report
    assert (more.stopped, len(more.candidates), more.nfe) == ("finished", 4, 3 * STEPS + (more.best.index == 0) * STEPS)


@pytest.mark.parametrize("node", METHODS)
def test_the_winner_is_made_again_from_its_recipe(node: str) -> None:
    model = small_model("FLOW")
    target = sorted(finished(run(node, model=model).report))[-1] - 1e-4
    found = run(node, model=model, target=target)
    assert found.report.stopped == "target"
    recipe = json.dumps(found.report.to_dict()["best"]["recipe"])
    (_, replaying, _) = call("ReplayNoise", recipe=recipe, model=model)
    assert torch.allclose(sample(replaying, steps=STEPS, cfg=1.0), found.latent, atol=1e-4)


def test_a_failed_candidate_reaches_nothing() -> None:
    class Spoiling(SmallVAE):
        def decode(self, latents: Tensor) -> Tensor:
            images = super().decode(latents)
            return images * float("nan") if len(self.decoded) == 1 else images

    report = run(vae=Spoiling(), batch_size=1, target="-1000").report
    assert report.candidates[0].failed and not report.candidates[0].reached
    assert (report.stopped, report.best.index) == ("target", 1)
