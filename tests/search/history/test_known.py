"""A search whose beginning an earlier run has scored: only the rest runs, and the result is the same."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from failing import SpoilingVAE, overflowing
from node_calls import call
from small_models import Brightness, SmallVAE, best_report, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 6
NEAR = {"neighbors": 3, "cosine": 0.9}
METHODS = {
    "random": ("RandomSearch", {"candidates": 8}, {"candidates": 5}),
    "drafts": ("RandomSearch", {"candidates": 8, "search_steps": 3}, {"candidates": 5, "search_steps": 3}),
    "zero-order": ("ZeroOrderSearch", {"iterations": 3} | NEAR, {"iterations": 2} | NEAR),
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One page for every search of the test, as if the graph around them were the same."""
    patch = importlib.import_module("noise_search.search.patch")
    page = importlib.import_module("noise_search.search.history.ledger").Page(None)
    monkeypatch.setattr(patch, "page_of", lambda *_: page)
    return page


def run(
    node: str,
    batch: int = 1,
    verifier: Any = None,
    sampler_name: str = "euler",
    cached: bool = False,
    spoil: Callable[[Any], Any] = lambda model: model,
    **settings: Any,
) -> SimpleNamespace:
    """latent: what the sampler gives; reports: one per image; rows: that the network has seen.

    cached: under a cache that makes candidates run one by one. spoil: what is done to the MODEL.
    """
    model = spoil(small_model("FLOW"))
    rows: list[int] = []
    forward = model.model.diffusion_model.forward
    model.model.diffusion_model.forward = lambda x, *given, **named: (rows.append(len(x)), forward(x, *given, **named))[
        1
    ]
    inputs = {"vae": SmallVAE(), "verifier": verifier or Brightness(), "prompt": ""}
    if cached:
        lazy = importlib.import_module("comfy_extras.nodes_easycache").LazyCacheNode
        model = lazy.execute(model, 0.0, 0.1, 0.95, False)[0]
    patched, search = call(node, model=model, **(inputs | settings))
    latent = {"samples": torch.zeros(batch, 4, 8, 8)}
    latent = sample(patched, latent=latent, steps=STEPS, cfg=1.0, sampler_name=sampler_name)
    return SimpleNamespace(latent=latent, reports=search.runs[-1].reports, rows=sum(rows))


def scores(found: SimpleNamespace) -> list[list[float]]:
    return [[candidate.score for candidate in report.candidates] for report in found.reports]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 2])
def test_a_longer_search_runs_only_what_is_new(page: Any, method: str, batch: int) -> None:
    node, longer, shorter = METHODS[method]
    run(node, batch, **shorter)
    second = run(node, batch, **longer)
    page.forget()
    fresh = run(node, batch, **longer)
    assert torch.allclose(second.latent, fresh.latent, atol=1e-4)
    for mine, theirs in zip(scores(second), scores(fresh), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert second.rows < fresh.rows
    for report, whole in zip(second.reports, fresh.reports, strict=True):
        assert report.nfe + report.earlier_nfe == whole.nfe + report.extra_nfe
        assert report.extra_nfe in (0, STEPS)
    assert sum(report.nfe for report in second.reports) == second.rows


def test_a_search_that_was_interrupted_goes_on(page: Any) -> None:
    class Tired(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            if sum(self.asked) >= 4:
                raise importlib.import_module("comfy.model_management").InterruptProcessingException
            return super().score(images, prompts)

    with pytest.raises(importlib.import_module("comfy.model_management").InterruptProcessingException):
        run("RandomSearch", candidates=8, batch_size=2, verifier=Tired())
    found = run("RandomSearch", candidates=8, batch_size=2)
    (report,) = found.reports
    assert report.earlier_nfe == 4 * STEPS
    assert found.rows == report.nfe == 4 * STEPS + report.extra_nfe


def test_the_same_search_again_makes_only_the_winner(page: Any) -> None:
    first, second = run("RandomSearch", candidates=8), run("RandomSearch", candidates=8)
    assert second.rows == STEPS
    assert torch.allclose(first.latent, second.latent, atol=1e-4)
    report = second.reports[0].to_dict()
    assert report["nfe"] == {"search": STEPS, "total": 9 * STEPS}
    assert report["best"] == first.reports[0].to_dict()["best"]


def test_winners_of_a_batch_are_made_with_their_own_step_noise_where_candidates_run_alone(page: Any) -> None:
    settings = {"candidates": 8, "sampler_name": "euler_ancestral", "cached": True}
    first, again = (run("RandomSearch", 3, **settings) for _ in range(2))
    winners = {report.best.index for report in first.reports}
    assert len(winners) > 1
    assert torch.allclose(again.latent, first.latent, atol=1e-4)
    assert again.rows == len(winners) * 3 * STEPS


@pytest.mark.parametrize("candidates", [3, 8])
def test_a_pruned_race_is_known_as_a_whole_or_runs(page: Any, candidates: int) -> None:
    first = run("RandomSearch", candidates=8, pruning="progressive")
    second = run("RandomSearch", candidates=candidates, pruning="progressive")
    page.forget()
    fresh = run("RandomSearch", candidates=candidates, pruning="progressive")
    assert torch.allclose(second.latent, fresh.latent, atol=1e-4)
    assert scores(second)[0] == pytest.approx(scores(fresh)[0], abs=1e-5)
    assert second.rows == (STEPS if candidates == 8 else fresh.rows) and first.rows > STEPS
    assert [c.stopped_at_step for c in second.reports[0].candidates] == [
        c.stopped_at_step for c in fresh.reports[0].candidates
    ]


def test_a_path_search_begins_again_and_says_why(page: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4}
    with caplog.at_level(logging.INFO):
        first = run("PathSearch", **settings)
        assert "It runs again" not in caplog.text
        second = run("PathSearch", **settings)
    assert caplog.text.count("It runs again, because what follows on a path needs the latents") == 1
    assert scores(first)[0] == pytest.approx(scores(second)[0], abs=1e-6)
    assert torch.allclose(first.latent, second.latent, atol=1e-5)


def test_when_the_winner_is_not_what_it_was_all_run_again(page: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Other(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            return 1 - super().score(images, prompts)

    run("RandomSearch", candidates=8)
    changed = run("RandomSearch", candidates=8, verifier=Other())
    assert "All candidates run again" in caplog.text
    page.forget()
    fresh = run("RandomSearch", candidates=8, verifier=Other())
    assert torch.allclose(changed.latent, fresh.latent, atol=1e-5)
    assert scores(changed)[0] == pytest.approx(scores(fresh)[0], abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_a_verifier_that_has_another_name_now_are_not_used(page: Any, method: str) -> None:
    """As after an update of the pack that it comes from."""

    class Renamed(Brightness):
        name = "brightness 2"

    node, settings, _ = METHODS[method]
    before = run(node, **settings)
    after = run(node, verifier=Renamed(), **settings)
    assert (after.rows, scores(after)) == (before.rows, scores(before))
    assert run(node, verifier=Renamed(), **settings).rows < before.rows


def test_keep_best_does_not_stop_the_winner_from_being_made(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("RandomSearch", candidates=8)
    watch = importlib.import_module("noise_search.search.board.watch").Watch
    monkeypatch.setattr(watch, "stop_asked", True)
    found = run("RandomSearch", candidates=8)
    assert found.rows == STEPS and found.reports[0].best.is_finished


def test_keep_best_while_new_candidates_run_makes_a_winner_of_an_earlier_run(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = run("RandomSearch", candidates=8).reports[0].best.index
    watch = importlib.import_module("noise_search.search.board.watch").Watch
    asked = iter([False] * 4)  # seen enough in the middle of the first new candidates
    monkeypatch.setattr(watch, "stop_asked", property(lambda self: next(asked, True)))
    found = run("RandomSearch", candidates=30, batch_size=2)
    report = found.reports[0]
    assert (report.stopped, report.best.index, len(report.candidates)) == ("user", best, 8)
    assert found.rows == report.nfe and STEPS < report.nfe < 3 * STEPS


def test_a_noise_of_the_workflow_keeps_having_no_recipe(page: Any) -> None:
    source = importlib.import_module("noise_search.search.sampling.source")
    run("RandomSearch", candidates=4)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "_recognise", lambda *_: "It is unknown.")
        found = run("RandomSearch", candidates=4)
    assert [candidate.recipe is None for candidate in found.reports[0].candidates] == [True, False, False, False]


def test_earlier_runs_are_asked_once_for_each_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("noise_search.search.history.known").Known
    asked, find = [], known.find
    monkeypatch.setattr(known, "find", lambda self, recipes, *more: asked.append(recipes) or find(self, recipes, *more))
    found = search(small_model("FLOW"), candidates=23, batch_size=2)
    sample(found.model, steps=2)
    assert len(best_report(found).candidates) == len(asked) == len(set(asked)) == 23


FAILING = {"network": {"spoil": overflowing}, "vae": {"vae": SpoilingVAE()}}


@pytest.mark.parametrize("wrong", FAILING)
def test_what_failed_does_not_run_again(page: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (run("RandomSearch", candidates=12, **FAILING[wrong]) for _ in range(2))
    reasons = [one.failed for one in first.reports[0].candidates]
    assert any(reasons) and [one.failed for one in second.reports[0].candidates] == reasons
    assert second.rows == STEPS, "only the winner"
    monkeypatch.setattr(importlib.import_module("noise_search.search.host.starting").args, "fp32_vae", True)
    third = run("RandomSearch", candidates=12, **FAILING[wrong])
    assert third.rows == STEPS * (sum(map(bool, reasons)) + 1), "with other options they may not fail"


@pytest.mark.parametrize(("batch", "pruning"), [(1, "progressive"), (2, "none"), (2, "progressive")])
def test_failed_ones_of_a_race_and_of_a_batch_are_known(page: Any, batch: int, pruning: str) -> None:
    settings = {"candidates": 10, "pruning": pruning, "vae": SpoilingVAE()}
    first, second = (run("RandomSearch", batch, **settings) for _ in range(2))
    assert second.rows < first.rows
    for one, other in zip(first.reports, second.reports, strict=True):
        assert [seen.failed for seen in one.candidates] == [seen.failed for seen in other.candidates]
