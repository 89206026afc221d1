"""Candidates that are pruned on the way: what survives is untouched, what is paid is what was computed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from noise_search.search.methods.pruning import plan as plan_races
from small_models import Brightness, SmallVAE, best_report, conditioning, raced, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 12


def rows_computed(model: Any) -> list[int]:
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _module, arguments: rows.append(len(arguments[0])))
    return rows


@pytest.mark.parametrize("kind", ["FLOW", "EPS"])
@pytest.mark.parametrize(
    "name",
    [
        "euler",
        "heun",
        "dpmpp_2m",
        "uni_pc",
        "euler_ancestral",
        "dpmpp_2m_sde",
        "lms",
        "euler_cfg_pp",
        "dpmpp_2m_cfg_pp",
    ],
)
def test_a_survivor_equals_its_seed_alone(kind: str, name: str) -> None:
    model = small_model(kind)
    found = raced(model)
    result = sample(found.model, sampler_name=name, steps=STEPS)
    report = best_report(found)
    assert any(not candidate.is_finished for candidate in report.candidates)
    stock = sample(model, seed=report.best.recipe.seed, sampler_name=name, steps=STEPS)
    assert torch.allclose(result, stock, atol=1e-4 * max(1.0, float(stock.abs().max())))
    assert report.best.score == max(candidate.score for candidate in report.candidates if candidate.is_finished)


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_sde"])
@pytest.mark.parametrize("batch_size", [0, 1, 3])
def test_nfe_is_what_the_network_computed(name: str, batch_size: int) -> None:
    model = small_model("EPS")
    found = raced(model, batch_size=batch_size)
    rows = rows_computed(model)
    sample(found.model, sampler_name=name, steps=STEPS)
    report = best_report(found)
    assert report.nfe == sum(rows) / 2
    assert max(rows) <= 2 * (batch_size or 8)
    if name == "euler":
        assert report.nfe == sum(race.cost for race in plan_races(6, STEPS))
        assert report.nfe <= 6 * STEPS
    assert len(report.candidates) > 6


def test_batch_sizes_stop_the_same_candidates() -> None:
    model = small_model("FLOW")
    stopped = []
    for size in (1, 4, 0):
        found = raced(model, batch_size=size)
        sample(found.model, steps=STEPS)
        stopped.append([candidate.stopped_at_step for candidate in best_report(found).candidates])
    assert stopped[0] == stopped[1] == stopped[2]


@pytest.mark.parametrize("entries", [1, 2])
def test_every_image_of_a_batch_has_a_race_of_its_own(entries: int) -> None:
    model, latent = small_model("EPS", pooled=5), {"samples": torch.zeros(2, 4, 8, 8)}
    told = {"positive": conditioning(1, entries, pooled=5), "negative": conditioning(2, 1, pooled=5)}
    found = raced(model)
    rows = rows_computed(model)
    result = sample(found.model, latent=latent, steps=STEPS, **told)
    reports = found.search.runs[0].reports
    stopped = [[candidate.stopped_at_step for candidate in report.candidates] for report in reports]
    assert stopped[0] != stopped[1]
    assert sum(report.nfe for report in reports) == sum(rows) / 2
    for item, report in enumerate(reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, steps=STEPS, **told)
        assert torch.allclose(result[item], stock[item], atol=1e-3)


def test_a_sampler_that_runs_one_by_one_is_not_pruned(caplog: pytest.LogCaptureFixture) -> None:
    model = small_model("EPS")
    found, plain = raced(model, candidates=4), search(model, candidates=4)
    results = [sample(each.model, sampler_name="dpm_adaptive") for each in (found, plain)]
    assert torch.allclose(*results, atol=1e-4)
    assert len(best_report(found).candidates) == 4
    assert "no pruning" in caplog.text


def test_what_a_stopped_candidate_was_judged_by_is_its_prediction() -> None:
    seen: list[torch.Tensor] = []

    class Watching(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            seen.append(images)
            return super().score(images, prompts)

    found = raced(small_model("FLOW"), verifier=Watching())
    sample(found.model, steps=STEPS)
    report = best_report(found)
    assert len(seen[0]) == len(report.candidates), "the first cut judges every start"
    finished = [candidate for candidate in report.candidates if candidate.is_finished]
    assert sum(map(len, seen[-1:])) == len(finished), "the last question is about the finishers"


def test_nothing_to_prune_with_one_candidate() -> None:
    model = small_model("EPS")
    found = raced(model, candidates=1)
    assert torch.equal(sample(found.model, steps=STEPS), sample(model, steps=STEPS))


def test_a_search_after_a_pruned_one_is_whole_again() -> None:
    model = small_model("EPS")
    found = raced(model)
    sample(found.model, steps=STEPS)
    first = best_report(found).best
    sample(found.model, steps=STEPS)
    assert best_report(found).best == first


def test_those_that_could_not_be_judged_on_the_way_may_finish_and_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Their early scores are minus infinity, which no page takes."""

    class Late(SmallVAE):
        """Sees nothing in more than two, nor in each of those alone."""

        count = 0

        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            self.count = len(latents) if len(latents) > 1 else self.count
            return super().decode(latents) * (torch.nan if self.count > 2 else 1)

    ledger, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("history.ledger", "patch"))
    page = ledger.Page(tmp_path / "page.jsonl")
    monkeypatch.setattr(patch, "page_of", lambda *_: page)
    found = raced(small_model("FLOW"), vae=Late())
    sample(found.model, steps=STEPS)
    finished = [one for one in best_report(found).candidates if one.is_finished]
    assert len(finished) == 2 and all(one.early is None for one in finished)
    assert len(ledger.Page(tmp_path / "page.jsonl").entries) == len(best_report(found).candidates)
