"""Parts that are not ComfyUI's own: whatever they do to candidates that share a call, a candidate is what its seed
gives alone; and those that do nothing to them share."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.search.methods.zero_order import ZeroOrder
from small_models import (
    Brightness,
    SmallVAE,
    best_report,
    conditioning,
    made_plan,
    raced,
    sample,
    search,
    small_unet,
)

pytestmark = pytest.mark.usefixtures("comfy")
STEPS, CANDIDATES = 6, 5
LATENT = {"samples": torch.zeros(1, 4, 8, 8)}
Patch = Callable[[Any], None]


def harmless(model: Any) -> None:
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 0.9)


def evening(model: Any) -> None:
    """Guidance with one number for the whole batch."""
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] / args["denoised"].std())


def sharing_keys(model: Any) -> None:
    """Attention in which every image sees the first one."""

    def attention(q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> tuple[Tensor, ...]:
        sides = len(extra["cond_or_uncond"])
        first = [torch.cat([side[:1].expand_as(side) for side in part.chunk(sides)]) for part in (k, v)]
        return q, torch.cat([k, first[0]], 1), torch.cat([v, first[1]], 1)

    model.set_model_attn1_patch(attention)


def replacing_block(model: Any) -> None:
    """A block of the network that leans every image to the mean of all."""
    model.set_model_output_block_patch(lambda h, skip, _options: (h + 0.2 * h.mean(0, keepdim=True), skip))


def wrapping(kind: str) -> Patch:
    def patch(model: Any) -> None:
        def wrapper(executor: Any, *args: Any, **more: Any) -> Any:
            out = executor(*args, **more)
            if isinstance(out, list):
                return [one / (one.abs().max() + 1e-3) for one in out]
            return out / out.abs().max()

        model.add_wrapper_with_key(kind, "another", wrapper)

    return patch


def taking_over(model: Any) -> None:
    """The network's own forward, which rolls a little of each image into the next."""
    forward = model.model.diffusion_model.forward

    def rolling(x: Tensor, *args: Any, **more: Any) -> Tensor:
        out = forward(x, *args, **more)
        return out + 0.1 * out.roll(1, 0) if len(x) > 2 else out

    model.add_object_patch("diffusion_model.forward", rolling)


def by_place(place: int) -> Patch:
    """Something is done to the image at one place of the batch only."""

    def patch(model: Any) -> None:
        def change(args: dict[str, Any]) -> Tensor:
            out = args["denoised"].clone()
            out[place : place + 1] *= 0.5
            return out

        model.set_model_sampler_post_cfg_function(change)

    return patch


def remembering(model: Any) -> None:
    """Gives half of what it gave at the step before."""
    held: list[Tensor] = []
    model.add_callback_with_key("on_pre_run", "another", lambda *_: held.clear())

    def blend(args: dict[str, Any]) -> Tensor:
        out = args["denoised"]
        held.append((out + held[-1]) / 2 if held else out)
        return held[-1]

    model.set_model_sampler_post_cfg_function(blend)


def late(model: Any) -> None:
    """Mixes candidates in the last steps only."""

    def change(args: dict[str, Any]) -> Tensor:
        out = args["denoised"]
        return out - out.mean() if float(args["sigma"].max()) < 1 else out

    model.set_model_sampler_post_cfg_function(change)


def one_image(model: Any) -> None:
    forward = model.model.diffusion_model.forward

    def refusing(x: Tensor, *args: Any, **more: Any) -> Tensor:
        if len(x) > 1:
            raise RuntimeError("one image at a time")
        return forward(x, *args, **more)

    model.add_object_patch("diffusion_model.forward", refusing)


def one_level(model: Any) -> None:
    """Compares the noise level of the call, which is one number for one image."""
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * (0.9 if args["sigma"] > 2 else 1.0))


def evening_at_the_end(model: Any) -> None:
    """Around the whole call, after its last prediction."""

    def wrapper(executor: Any, *args: Any, **more: Any) -> Tensor:
        out = executor(*args, **more)
        return out / out.std()

    model.add_wrapper_with_key("outer_sample", "another", wrapper)


MIXING: dict[str, Patch] = {
    "guidance by a number of the batch": evening,
    "attention to the first image": sharing_keys,
    "a block that takes a mean": replacing_block,
    "wrapper around apply_model": wrapping("apply_model"),
    "wrapper around the network": wrapping("diffusion_model"),
    "wrapper around the conditions": wrapping("calc_cond_batch"),
    "wrapper around the prediction": wrapping("predict_noise"),
    "the network's own forward": taking_over,
    "the third image of a batch": by_place(2),
    "the second image of a batch": by_place(1),
    "only in the last steps": late,
    "only at the end": evening_at_the_end,
    "one image at a time": one_image,
    "one noise level at a time": one_level,
}


def made(patch: Patch) -> Any:
    model = small_unet().clone()
    patch(model)
    return model


def sampled(model: Any, seed: int = 3, cfg: float = 2.0) -> Tensor:
    return sample(model, seed=seed, latent=LATENT, steps=STEPS, cfg=cfg)


def is_close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


@pytest.mark.parametrize("kind", MIXING)
def test_a_candidate_is_what_its_seed_gives_alone(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """With cfg 1, so that one image is one row of the network."""
    caplog.set_level(logging.INFO)
    model = made(MIXING[kind])
    for run in (search, raced):
        found = run(model, candidates=CANDIDATES)
        result = sampled(found.model, cfg=1.0)
        report = best_report(found)
        assert is_close(result, sampled(model, seed=report.best.recipe.seed, cfg=1.0))
        assert "candidates can only run one by one" in caplog.text
        assert any("candidates can only run one by one" in note for note in report.notes)
        caplog.clear()
    scores = [best_report(one).candidates for one in alone_and_together(model)]
    for alone, together in zip(*scores, strict=True):
        assert alone.score == pytest.approx(together.score, rel=1e-4, abs=1e-6)


def alone_and_together(model: Any) -> list[Any]:
    runs = [search(model, candidates=CANDIDATES, batch_size=size) for size in (1, CANDIDATES)]
    for found in runs:
        sampled(found.model, cfg=1.0)
    return runs


@pytest.mark.parametrize("patch", [harmless, remembering])
@pytest.mark.parametrize("run", [search, raced])
def test_what_keeps_candidates_apart_is_seen_to(patch: Patch, run: Any) -> None:
    model = made(patch)
    found = run(model, candidates=CANDIDATES)
    result = sampled(found.model)
    assert is_close(result, sampled(model, seed=best_report(found).best.recipe.seed))


def test_a_stranger_that_does_no_harm_costs_one_trajectory() -> None:
    """Candidates then share calls, two by two with the unconditional side."""
    model = made(harmless)
    rows: list[int] = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _network, given: rows.append(len(given[0])))
    found = search(model, candidates=CANDIDATES)
    sampled(found.model)
    report = best_report(found)
    assert max(rows) == 2 * CANDIDATES
    assert report.nfe == (CANDIDATES + 1) * STEPS == sum(rows) / 2
    assert [candidate.nfe for candidate in report.candidates] == [STEPS] * CANDIDATES
    assert report.extra_nfe == STEPS


def test_stock_parts_cost_nothing_more() -> None:
    found = search(small_unet(), candidates=CANDIDATES)
    sampled(found.model)
    assert best_report(found).nfe == CANDIDATES * STEPS


@pytest.mark.parametrize(("patch", "wasted"), [(harmless, 0), (evening, 0)])
def test_what_was_found_out_is_kept_with_the_scores(patch: Patch, wasted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run, also one that asks for more, pays nothing for it."""
    page = importlib.import_module("noise_search.search.history.ledger").Page(None)
    monkeypatch.setattr(importlib.import_module("noise_search.search.patch"), "page_of", lambda *_: page)
    model = made(patch)
    sampled(search(model, candidates=CANDIDATES).model)
    more = search(model, candidates=2 * CANDIDATES)
    sampled(more.model)
    report = best_report(more)
    assert report.nfe - report.extra_nfe == CANDIDATES * STEPS
    assert report.extra_nfe in (wasted, STEPS)  # a winner of the first run is made once more


def test_one_at_a_time_by_wish_proves_nothing() -> None:
    found = search(made(harmless), candidates=CANDIDATES, batch_size=1)
    sampled(found.model)
    assert best_report(found).nfe == CANDIDATES * STEPS


def test_a_batch_is_one_candidate() -> None:
    """What images of the user's own batch do to each other they do without a search as well."""
    model, latent = made(sharing_keys), {"samples": torch.zeros(2, 4, 8, 8)}
    found = search(model, candidates=4)
    result = sample(found.model, seed=3, latent=latent, steps=STEPS)
    for image, report in enumerate(found.search.runs[-1].reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, steps=STEPS)
        assert is_close(result[image], stock[image])


def climbed(patch: Patch, neighbors: int) -> tuple[Any, list[Any], Tensor]:
    """Two images, which move to other noises each; the model, what is reported and the result."""
    model, latent = made(patch), {"samples": torch.zeros(2, 4, 8, 8)}
    put_on = importlib.import_module("noise_search.search.patch").put_on
    plan = made_plan("Zero-Order Search (node 1)", ZeroOrder(iterations=4, neighbors=neighbors, cosine=0.8))
    patched, record = put_on(model, plan, SmallVAE(), Brightness(), "")
    result = sample(patched, seed=5, latent=latent, steps=STEPS)
    return model, record.runs[0].reports, result


def replayed(model: Any, recipe: Any) -> Tensor:
    patched = importlib.import_module("noise_search.search.replay").put_replay_on(model, [recipe], "Replay Noise")
    return sample(patched, seed=9, latent={"samples": torch.zeros(2, 4, 8, 8)}, steps=STEPS)


@pytest.mark.parametrize("neighbors", [1, 2, 3])
@pytest.mark.parametrize("patch", [evening, sharing_keys])
def test_images_that_change_each_other_have_no_recipe_each(patch: Patch, neighbors: int) -> None:
    """Also where too few candidates run at once to prove that they do."""
    model, reports, result = climbed(patch, neighbors)
    candidates = [one for report in reports for one in report.candidates]
    assert {one.recipe is None for one in candidates} == {True, False}
    for image, report in enumerate(reports):
        assert any(note.startswith("No seed and no recipe gives these images again") for note in report.notes)
        if report.best.recipe is not None:
            assert is_close(replayed(model, report.best.recipe)[image], result[image])


def test_images_that_do_not_have_one_each() -> None:
    model, reports, result = climbed(harmless, neighbors=3)
    for image, report in enumerate(reports):
        assert is_close(replayed(model, report.best.recipe)[image], result[image])
        assert report.notes == ()


def test_an_error_that_one_alone_makes_too_is_the_hosts_to_report() -> None:
    def broken(model: Any) -> None:
        def fail(_args: dict[str, Any]) -> Tensor:
            raise RuntimeError("this never works")

        model.set_model_sampler_post_cfg_function(fail)

    with pytest.raises(RuntimeError, match="this never works"):
        sampled(search(made(broken), candidates=CANDIDATES).model)


def test_out_of_memory_asks_for_fewer_and_counts_what_it_has_spent() -> None:
    model = made(harmless)
    rows: list[int] = []

    def little(_network: Any, given: tuple[Any, ...]) -> None:
        if len(given[0]) > 4:
            raise torch.cuda.OutOfMemoryError("injected")
        rows.append(len(given[0]))

    model.model.diffusion_model.register_forward_pre_hook(little)
    for run in (search, raced):
        rows.clear()
        found = run(model, candidates=CANDIDATES)
        result = sampled(found.model)
        assert max(rows) == 4
        assert best_report(found).nfe == sum(rows) / 2
        assert is_close(result, sampled(model, seed=best_report(found).best.recipe.seed))


def custom(model: Any, solver: Any, seed: int = 3) -> Tensor:
    """Sampled with a SAMPLER object."""
    samplers = importlib.import_module("comfy.samplers")
    guider = samplers.CFGGuider(model)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", STEPS)
    noise = importlib.import_module("comfy.sample").prepare_noise(LATENT["samples"], seed)
    with torch.inference_mode():
        return guider.sample(noise, LATENT["samples"], solver, sigmas, seed=seed)


def solver(step_noise: Callable[[Tensor], Tensor]) -> Any:
    """Euler with some noise at each step but the last."""

    def sample_noisy(model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, **_: Any) -> Tensor:
        for sigma, after in pairwise(sigmas):
            denoised = model(x, sigma * x.new_ones(len(x)), **(extra_args or {}))
            x = x + (x - denoised) / sigma * (after - sigma)
            x = x + 0.1 * after * step_noise(x)
        return x

    return importlib.import_module("comfy.samplers").KSAMPLER(sample_noisy)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_solver_of_another_pack_that_draws_noise_by_the_seed(batch_size: int) -> None:
    own = solver(torch.randn_like)
    model = small_unet()
    found = search(model, candidates=4, batch_size=batch_size)
    result = custom(found.model, own)
    assert is_close(result, custom(model, own, best_report(found).best.recipe.seed))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_solver_whose_noise_does_not_follow_the_seed_claims_none(batch_size: int) -> None:
    generator = torch.Generator()
    generator.seed()
    own = solver(lambda x: torch.randn(x.shape, generator=generator))
    found = search(small_unet(), candidates=4, batch_size=batch_size)
    custom(found.model, own)
    assert {candidate.recipe for candidate in best_report(found).candidates} == {None}
    assert any("does not follow the seed" in note for note in best_report(found).notes)


@pytest.mark.parametrize("run", [search, raced])
def test_it_claims_none_either_where_candidates_can_not_share_for_another_reason(run: Any) -> None:
    generator = torch.Generator()
    generator.seed()
    own = solver(lambda x: torch.randn(x.shape, generator=generator))
    found = run(made(one_level), candidates=4)
    custom(found.model, own)
    assert {candidate.recipe for candidate in best_report(found).candidates} == {None}


def test_a_solver_that_has_nothing_but_sample() -> None:
    class Bare:
        def sample(self, *args: Any, **more: Any) -> Tensor:
            return importlib.import_module("comfy.samplers").ksampler("euler").sample(*args, **more)

    model = small_unet()
    found = search(model, candidates=4)
    result = custom(found.model, Bare())
    assert is_close(result, custom(model, Bare(), best_report(found).best.recipe.seed))


def along_paths(own: Any) -> Any:
    """The report of a search over paths with this solver."""
    paths = importlib.import_module("noise_search.search.methods.paths").PathSearch(2, 2, 0.11, 0.78, 0.81)
    patch = importlib.import_module("noise_search.search.patch")
    model, found = patch.put_on(small_unet(), made_plan("Path Search", paths), SmallVAE(), Brightness(), "")
    custom(model, own)
    return found.runs[-1].reports[0]


def test_what_one_stretch_of_a_path_does_not_show_of_a_solver_another_has_shown() -> None:
    """A short stretch has its noise after the last prediction, where it can not be seen."""
    generator = torch.Generator()
    generator.seed()
    report = along_paths(solver(lambda x: torch.randn(x.shape, generator=generator)))
    assert {candidate.recipe for candidate in report.candidates} == {None}


def test_a_path_does_not_turn_back_where_the_latent_has_grown() -> None:
    def grow(model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, **_: Any) -> Tensor:
        for sigma, after in pairwise(sigmas):
            x = x + (x - model(x, sigma * x.new_ones(len(x)), **(extra_args or {}))) / sigma * (after - sigma)
        return torch.nn.functional.interpolate(x, scale_factor=2)

    with pytest.raises(ValueError, match=r"Path Search: this sampler changes the size of the latent.*Random Search"):
        along_paths(importlib.import_module("comfy.samplers").KSAMPLER(grow))


def test_rows_that_only_the_proof_still_needs_are_counted_when_it_fails() -> None:
    """What is cut in a race is predicted on for the proof; then that fails, in the last steps."""
    model = made(late)
    rows: list[int] = []
    model.model.diffusion_model.register_forward_hook(lambda _network, given, _out: rows.append(len(given[0])))
    latent = {"samples": torch.zeros(3, 4, 8, 8)}
    for candidates in (3, 6):
        rows.clear()
        found = raced(model, candidates=candidates)
        sample(found.model, seed=3, latent=latent, steps=STEPS)
        assert sum(report.nfe for report in found.search.runs[-1].reports) == sum(rows) / 2
