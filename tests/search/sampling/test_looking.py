"""Looks ahead: they cost what is said, show what the latent becomes, and leave the trajectory as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from noise_search.search.methods.look_ahead import look_plan
from small_models import Brightness, SmallVAE, best_report, conditioning, raced, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 12
SHARING = (
    "euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 dpm_2 dpm_2_ancestral lms "
    "dpmpp_2s_ancestral dpmpp_sde dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde dpmpp_3m_sde ddpm lcm ipndm ipndm_v deis "
    "res_multistep res_multistep_cfg_pp gradient_estimation er_sde seeds_2 sa_solver ddim uni_pc uni_pc_bh2"
).split()


def looking(model: Any, **settings: Any) -> Any:
    return raced(model, pruning="look ahead", **settings)


def rows_computed(model: Any) -> list[int]:
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _module, arguments: rows.append(len(arguments[0])))
    return rows


@pytest.mark.parametrize("kind", ["FLOW", "EPS", "V_PREDICTION"])
@pytest.mark.parametrize("name", SHARING)
def test_a_survivor_equals_its_seed_alone_and_every_prediction_is_counted(kind: str, name: str) -> None:
    model = small_model(kind)
    found = looking(model)
    rows = rows_computed(model)
    result = sample(found.model, sampler_name=name, steps=STEPS)
    report = best_report(found)
    assert report.nfe == sum(rows) / 2
    assert any(candidate.stopped_at_step for candidate in report.candidates)
    stock = sample(model, seed=report.best.recipe.seed, sampler_name=name, steps=STEPS)
    assert torch.allclose(result, stock, atol=1e-4 * max(1.0, float(stock.abs().max())))


@pytest.mark.parametrize("batch_size", [0, 1, 3])
def test_it_costs_what_was_planned(batch_size: int) -> None:
    model = small_model("FLOW")
    found = looking(model, batch_size=batch_size)
    rows = rows_computed(model)
    sample(found.model, steps=STEPS)
    assert best_report(found).nfe == sum(race.cost for race in look_plan(6, STEPS)) == sum(rows) / 2
    assert max(rows) <= 2 * (batch_size or 8)


@pytest.mark.parametrize("kind", ["FLOW", "EPS"])
def test_a_look_is_the_image_that_a_plain_solver_ends_with_in_so_many_steps(kind: str) -> None:
    seen: list[torch.Tensor] = []

    class Watching(SmallVAE):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            seen.append(latents)
            return super().decode(latents)

    model = small_model(kind)
    found = looking(model, vae=Watching())
    sample(found.model, seed=3, steps=STEPS)
    cut = look_plan(6, STEPS)[0].cuts[0]
    sigmas = model.get_model_object("model_sampling")
    import comfy.samplers

    schedule = comfy.samplers.calculate_sigmas(sigmas, "simple", STEPS)
    first = cut.step - 1
    middle = first + round((STEPS - first) / 2)
    short = torch.cat([schedule[: first + 1], schedule[middle : middle + 1], schedule[-1:]])
    import comfy.sample

    latent = torch.zeros(1, 4, 8, 8)
    alone = comfy.sample.sample_custom(
        model, comfy.sample.prepare_noise(latent, 3), 2.0, comfy.samplers.sampler_object("euler"), short,
        conditioning(1), conditioning(2), latent, seed=3,
    )  # fmt: skip
    assert torch.allclose(seen[0][0], alone[0], atol=1e-4 * max(1.0, float(alone.abs().max())))


def test_what_is_outside_of_a_mask_stays_in_looks() -> None:
    seen: list[torch.Tensor] = []

    class Watching(SmallVAE):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            seen.append(latents)
            return super().decode(latents)

    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    image = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    latent = {"samples": image, "noise_mask": mask}
    model = small_model("EPS")
    found = looking(model, vae=Watching())
    result = sample(found.model, latent=latent, steps=STEPS)
    report = best_report(found)
    stock = sample(model, seed=report.best.recipe.seed, latent=latent, steps=STEPS)
    assert torch.allclose(result, stock, atol=1e-4 * max(1.0, float(stock.abs().max())))
    for latents in seen:
        assert torch.allclose(latents[..., 4:], image[..., 4:].expand(len(latents), -1, -1, -1), atol=1e-4)


def test_images_of_a_batch_look_by_themselves() -> None:
    model, latent = small_model("EPS", pooled=5), {"samples": torch.zeros(2, 4, 8, 8)}
    told = {"positive": conditioning(1, 2, pooled=5), "negative": conditioning(2, 1, pooled=5)}
    found = looking(model)
    rows = rows_computed(model)
    result = sample(found.model, latent=latent, steps=STEPS, **told)
    reports = found.search.runs[0].reports
    assert sum(report.nfe for report in reports) == sum(rows) / 2
    for item, report in enumerate(reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, steps=STEPS, **told)
        assert torch.allclose(result[item], stock[item], atol=1e-3)


def test_batch_sizes_stop_the_same_candidates() -> None:
    model = small_model("FLOW")
    stopped = []
    for size in (1, 4, 0):
        found = looking(model, batch_size=size, verifier=Brightness())
        sample(found.model, steps=STEPS)
        stopped.append([candidate.stopped_at_step for candidate in best_report(found).candidates])
    assert stopped[0] == stopped[1] == stopped[2]
