"""Patches on MODEL: with each of ComfyUI's own, a candidate is what its seed gives alone."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

import tiny_files
from small_models import CONTEXT, SmallVAE, best_report, conditioning, raced, sample, search, small_model, small_unet

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 5
LATENT = {"samples": torch.zeros(1, 4, 16, 16)}
# (file in comfy_extras, class of the node, settings that are not the default)
APART = [  # that treat the rows of a batch each for itself
    ("nodes_apg", "APG", {}),
    ("nodes_attention_multiply", "UNetSelfAttentionMultiply", {"q": 1.5}),
    ("nodes_attention_multiply", "UNetCrossAttentionMultiply", {"q": 1.5}),
    ("nodes_cfg", "CFGNorm", {}),
    ("nodes_cfg", "CFGNorm", {"pre_cfg": True}),
    ("nodes_cfg", "CFGZeroStar", {}),
    ("nodes_custom_sampler", "CFGOverride", {}),
    ("nodes_eps", "EpsilonScaling", {"scaling_factor": 1.1}),
    ("nodes_freelunch", "FreeU", {}),
    ("nodes_freelunch", "FreeU_V2", {}),
    ("nodes_fresca", "FreSca", {"scale_low": 0.8}),
    ("nodes_model_advanced", "ModelSamplingAuraFlow", {}),
    ("nodes_model_advanced", "ModelSamplingContinuousEDM", {}),
    ("nodes_model_advanced", "ModelSamplingContinuousV", {}),
    ("nodes_model_advanced", "ModelSamplingDiscrete", {"zsnr": True}),
    ("nodes_model_advanced", "ModelSamplingSD3", {}),
    ("nodes_model_advanced", "RescaleCFG", {}),
    ("nodes_model_downscale", "PatchModelAddDownscale", {}),
    ("nodes_nag", "NAGuidance", {}),
    ("nodes_pag", "PerturbedAttentionGuidance", {}),
    ("nodes_sag", "SelfAttentionGuidance", {}),
    ("nodes_tcfg", "TCFG", {}),
]
MIXING = [
    ("nodes_apg", "APG", {"momentum": -0.5}),
    ("nodes_easycache", "EasyCacheNode", {}),
    ("nodes_easycache", "LazyCacheNode", {}),
    ("nodes_eps", "TemporalScoreRescaling", {}),
    ("nodes_hypertile", "HyperTile", {"tile_size": 32, "swap_size": 4}),
    ("nodes_lumina2", "RenormCFG", {}),
    ("nodes_mahiro", "Mahiro", {}),
    ("nodes_perpneg", "PerpNeg", {}),
    ("nodes_tomesd", "TomePatchModel", {}),
]
named = pytest.mark.parametrize(("file", "name", "settings"), [*APART, *MIXING])


def patched(file: str, name: str, settings: dict[str, Any], model: Any = None) -> Any:
    node = getattr(importlib.import_module(f"comfy_extras.{file}"), name)
    values: dict[str, Any] = {"model": model or small_unet()}
    for inputs in node.INPUT_TYPES().values():
        for key, (kind, *options) in inputs.items():
            if kind == "CONDITIONING":
                values[key] = conditioning(9)
            elif options and "default" in options[0]:
                values[key] = options[0]["default"]
            elif kind == "COMBO" or isinstance(kind, list):
                values[key] = kind[0] if isinstance(kind, list) else options[0]["options"][0]
    made = getattr(node(), node.FUNCTION)(**(values | settings))
    return getattr(made, "args", made)[0]


def sampled(model: Any, seed: int = 3) -> torch.Tensor:
    return sample(model, seed=seed, latent=LATENT, steps=STEPS)


def is_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


@named
def test_a_candidate_is_what_its_seed_gives_alone(file: str, name: str, settings: dict[str, Any]) -> None:
    model = patched(file, name, settings)
    assert not is_close(sampled(model), sampled(small_unet())), "the patch does something"
    for found in (search(model, candidates=4), raced(model)):
        result = sampled(found.model)
        assert is_close(result, sampled(model, seed=best_report(found).best.recipe.seed))


@pytest.mark.parametrize(("file", "name", "settings"), MIXING)
def test_a_patch_may_also_come_after_the_search(file: str, name: str, settings: dict[str, Any]) -> None:
    found = raced(small_unet())
    result = sampled(patched(file, name, settings, found.model))
    seed = best_report(found).best.recipe.seed
    assert is_close(result, sampled(patched(file, name, settings), seed))


@named
def test_candidates_share_predictions_where_nothing_mixes_them(file: str, name: str, settings: dict[str, Any]) -> None:
    model = patched(file, name, settings)
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _network, given: rows.append(len(given[0])))
    sampled(model)
    alone = max(rows)
    sampled(search(model, candidates=4).model)
    assert max(rows) == alone * (1 if (file, name, settings) in MIXING else 4)


def perp_neg(model: Any, seed: int) -> torch.Tensor:
    """Sampled under the host's Perp-Neg Guider."""
    guider = importlib.import_module("comfy_extras.nodes_perpneg").Guider_PerpNeg(model)
    guider.set_conds(conditioning(1), conditioning(2), conditioning(9))
    guider.set_cfg(2.0, 1.0)
    samplers = importlib.import_module("comfy.samplers")
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", STEPS)
    noise = importlib.import_module("comfy.sample").prepare_noise(LATENT["samples"], seed)
    with torch.inference_mode():
        return guider.sample(noise, LATENT["samples"], samplers.sampler_object("euler"), sigmas, seed=seed)


def test_a_guider_that_sums_over_the_batch() -> None:
    model = small_unet()
    for found in (search(model, candidates=4), raced(model)):
        result = perp_neg(found.model, seed=3)
        assert is_close(result, perp_neg(model, seed=best_report(found).best.recipe.seed))


def test_noise_that_the_call_shuffles_by_its_seed() -> None:
    windows = importlib.import_module("comfy.context_windows")
    model = small_model("FLOW", channels=16, dims=3)
    windows.create_sampler_sample_wrapper(model)
    model.model_options["context_handler"] = windows.IndexListContextHandler(
        windows.get_matching_context_schedule("standard_static"),
        windows.get_matching_fuse_method("pyramid"),
        context_length=4,
        context_overlap=1,
        dim=2,
        freenoise=True,
    )
    latent = {"samples": torch.zeros(1, 16, 10, 4, 4)}
    found = search(model, candidates=4, vae=SmallVAE(16, 3))
    result = sample(found.model, latent=latent)
    best = best_report(found).best
    assert best.index > 0
    assert is_close(result, sample(model, seed=best.recipe.seed, latent=latent))


def test_a_cache_of_what_the_first_step_saw_in_a_reference_image() -> None:
    load = importlib.import_module("comfy.sd").load_diffusion_model_state_dict
    with torch.inference_mode():
        plain = load(tiny_files.flux2(CONTEXT))
    reference = torch.randn((1, 128, 4, 4), generator=torch.Generator().manual_seed(6))
    positive = [[tensor, told | {"reference_latents": [reference]}] for tensor, told in conditioning(1)]
    told = {"positive": positive, "negative": positive, "latent": {"samples": torch.zeros(1, 128, 4, 4)}, "cfg": 1.0}
    model = patched("nodes_flux", "FluxKVCache", {}, plain)
    assert not is_close(sample(model, **told), sample(plain, **told)), "the patch does something"
    for found in (search(model, candidates=4, vae=SmallVAE(128)), raced(model, vae=SmallVAE(128))):
        result = sample(found.model, **told)
        assert is_close(result, sample(model, seed=best_report(found).best.recipe.seed, **told))


def test_pruning_says_what_it_is_that_mixes_candidates(caplog: pytest.LogCaptureFixture) -> None:
    found = raced(patched("nodes_mahiro", "Mahiro", {}))
    sampled(found.model)
    assert "Random Search (node 1): no pruning, because with Mahiro candidates can only run one by one." in caplog.text
    assert all(candidate.is_finished for candidate in best_report(found).candidates)
