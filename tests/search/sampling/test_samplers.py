"""Every sampler of the host: the winner's seed in the stock sampler gives the same image, whatever ran beside it."""

from __future__ import annotations

import importlib

import pytest
import torch

from small_models import best_report, sample, search, small_model

SAMPLERS = importlib.import_module("comfy.samplers").SAMPLER_NAMES
KINDS = ("FLOW", "EPS", "V_PREDICTION", "EDM")


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_winners_seed_gives_the_same_latent(comfy, kind: str, name: str) -> None:
    model = small_model(kind)
    found = search(model, candidates=4)
    result = sample(found.model, sampler_name=name)
    report = best_report(found)
    stock = sample(model, seed=report.best.recipe.seed, sampler_name=name)
    assert torch.isfinite(result).all()
    assert torch.allclose(result, stock, atol=2e-4 * max(1.0, stock.abs().max()))
    assert report.best.score >= report.baseline.score


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_candidate_equals_its_seed_alone(comfy, name: str) -> None:
    model = small_model("EPS")
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    latent = {"samples": torch.full((1, 4, 8, 8), 0.3), "noise_mask": mask}
    together, alone = (search(model, candidates=4, batch_size=size) for size in (4, 1))
    results = [sample(found.model, latent=latent, sampler_name=name, denoise=0.7) for found in (together, alone)]
    assert torch.allclose(*results, atol=2e-4 * max(1.0, results[0].abs().max()))
    scores = [[candidate.score for candidate in best_report(found).candidates] for found in (together, alone)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
