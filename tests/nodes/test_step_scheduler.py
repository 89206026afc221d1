"""Schedules on a MODEL and as SIGMAS, in ComfyUI's own sampling."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import call
from small_models import Brightness, SmallVAE, best_report, conditioning, plan_of, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
KINDS = ("EPS", "V_PREDICTION", "EDM", "FLOW")
LATENT = torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8)
FIXED = {"mode": "fixed"}


def scheduled(model: Any, steps: int = 6, scheduler: str = "karras", denoise: float = 1.0, **mode: Any) -> Any:
    """The node's outputs by name."""
    outputs = call(
        "StepScheduler", model=model, scheduler=scheduler, steps=steps, denoise=denoise, mode=FIXED | mode
    )  # fmt: skip
    return SimpleNamespace(
        **dict(zip(("model", "sigmas", "steps", "plot", "plan", "candidates"), outputs, strict=True))
    )


def adaptive(model: Any, tolerance: float = 0.05, max_steps: int = 40, **settings: Any) -> Any:
    mode = {"mode": "adaptive", "tolerance": tolerance, "max_steps": max_steps, "cfg": 2.0}
    mode |= {"positive": POSITIVE, "negative": NEGATIVE, "latent": {"samples": torch.zeros(1, 4, 8, 8)}}
    names = {"steps", "scheduler", "denoise"}
    own = {name: settings.pop(name) for name in names & set(settings)}
    return scheduled(model, **own, **(mode | settings))


POSITIVE, NEGATIVE = conditioning(1), conditioning(2)


def custom(model: Any, sigmas: Tensor, latent: Tensor | None = None, seed: int = 7, add_noise: bool = True) -> Tensor:
    """What SamplerCustomAdvanced samples."""
    extras = importlib.import_module("comfy_extras.nodes_custom_sampler")
    guider = extras.CFGGuider.execute(model, POSITIVE, NEGATIVE, 2.0).result[0]
    noise = (extras.RandomNoise.execute(seed) if add_noise else extras.DisableNoise.execute()).result[0]
    sampler = extras.KSamplerSelect.execute("euler").result[0]
    samples = torch.zeros(1, 4, 8, 8) if latent is None else latent
    with torch.inference_mode():
        return extras.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, {"samples": samples}).result[0][
            "samples"
        ]


def names() -> list[str]:
    return importlib.import_module("noise_search.search.steps.schedules").names()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 20, 1500])
def test_schedules_fall_strictly_to_0_or_are_refused(kind: str, steps: int) -> None:
    schedules = importlib.import_module("noise_search.search.steps.schedules")
    model = small_model(kind)
    for name in schedules.names():
        for denoise in (1.0, 0.5):
            try:
                made = schedules.schedule(model, name, steps, denoise)
            except schedules.ScheduleError as error:
                assert name in str(error)
                continue
            assert (made.sigmas[1:] < made.sigmas[:-1]).all() and made.sigmas[-1] == 0
            assert (made.steps == steps) == (made.remark == "")


def test_a_scheduler_that_has_fewer_steps_is_reported() -> None:
    made = scheduled(small_model("EPS"), 1500, "beta")
    assert made.steps < 1500
    assert f"1500 were asked for, but beta has {made.steps}" in made.plan


@pytest.mark.parametrize("kind", KINDS)
def test_a_fixed_schedule_is_basic_schedulers(kind: str) -> None:
    model = small_model(kind)
    basic = importlib.import_module("comfy_extras.nodes_custom_sampler").BasicScheduler
    for denoise in (1.0, 0.7):
        made = scheduled(model, 9, "beta", denoise)
        assert torch.equal(made.sigmas, basic.execute(model, "beta", 9, denoise).result[0])


def test_a_distilled_model_runs_its_few_steps() -> None:
    model = small_model("EPS")
    lcm = importlib.import_module("comfy_extras.nodes_model_advanced").ModelSamplingDiscrete().patch(
        model, "lcm", zsnr=False
    )[0]  # fmt: skip
    for steps in (1, 2, 4, 8):
        made = scheduled(lcm, steps, "sgm_uniform")
        assert made.steps == steps and float(made.sigmas[0]) == pytest.approx(14.6, rel=0.01)


@pytest.mark.parametrize("scheduler", ["align_your_steps", "gits", "sd_turbo"])
def test_schedules_published_for_stable_diffusion_are_refused_for_flow_models(scheduler: str) -> None:
    assert scheduled(small_model("EPS"), 6, scheduler).steps == 6
    with pytest.raises(ValueError, match=f"{scheduler} was made for Stable Diffusion"):
        scheduled(small_model("FLOW"), 6, scheduler)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"denoise": 0.0}, "denoise is 0, but it has to be above 0"),
        ({"mode": "budget", "nfe": 0, "candidates": 0}, "nfe is 0"),
        ({"mode": "budget", "nfe": 3, "candidates": 4}, "3 NFE do not pay for one step of 4 candidates"),
        ({"mode": "budget", "nfe": 9, "candidates": -1}, "candidates is -1"),
        ({"mode": "budget", "nfe": 90, "candidates": 2, "sampler_name": "dpm_adaptive"}, "chooses its steps itself"),
    ],
)
def test_impossible_settings_are_refused_with_the_reason(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scheduled(small_model("FLOW"), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": 0.0}, "tolerance is 0, but it has to be above 0"),
        ({"max_steps": 1}, "max_steps is 1, but it has to be at least 2"),
        ({"denoise": 0.0}, "denoise is 0"),
        ({"steps": 0, "count": "steps"}, "steps is 0"),
    ],
)
def test_impossible_adaptive_settings_are_refused_with_the_reason(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adaptive(small_model("FLOW"), **settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("denoise", [1.0, 0.5])
@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "uni_pc"])
def test_ksampler_with_the_model_makes_what_the_sigmas_make(kind: str, denoise: float, sampler_name: str) -> None:
    """uni_pc: the host's KSampler leaves out a sigma of its own schedule for it."""
    model = small_model(kind)
    made = scheduled(model, 6, "karras" if denoise == 1 else "normal", denoise)
    comfy_sample, samplers = (importlib.import_module(f"comfy.{name}") for name in ("sample", "samplers"))
    noise = comfy_sample.prepare_noise(LATENT, 7)
    with torch.inference_mode():
        expected = comfy_sample.sample_custom(
            model, noise, 2.0, samplers.sampler_object(sampler_name), made.sigmas, POSITIVE, NEGATIVE, LATENT, seed=7
        )  # fmt: skip
    for steps, scheduler in ((20, "simple"), (6, "beta"), (3, "ddim_uniform")):
        settings = {"steps": steps, "scheduler": scheduler, "sampler_name": sampler_name}
        got = sample(made.model, latent={"samples": LATENT}, positive=POSITIVE, negative=NEGATIVE, **settings)
        assert torch.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_start_and_end_step_count_the_schedules_steps(kind: str) -> None:
    model = small_model(kind)
    made = scheduled(model, 8, "karras")
    sigmas = made.sigmas
    advanced = {"steps": 8, "scheduler": "simple", "positive": POSITIVE, "negative": NEGATIVE}
    first = sample(made.model, start_step=0, last_step=5, force_full_denoise=False, **advanced)
    assert torch.allclose(first, custom(model, sigmas[:6]), atol=1e-5)
    rest = sample(
        made.model, latent={"samples": first}, disable_noise=True, start_step=5, last_step=10000, **advanced
    )  # fmt: skip
    assert torch.allclose(rest, custom(model, sigmas[5:], latent=first, add_noise=False), atol=1e-5)
    whole = custom(model, sigmas)
    assert torch.allclose(rest, whole, atol=1e-4)
    middle = sample(made.model, latent={"samples": LATENT}, start_step=2, last_step=6, **advanced)
    assert torch.allclose(middle, custom(model, sigmas[2:7], latent=LATENT), atol=1e-5)
    forced = sample(made.model, start_step=0, last_step=5, force_full_denoise=True, **advanced)
    ended = torch.cat([sigmas[:5], torch.zeros(1)])
    assert torch.allclose(forced, custom(model, ended), atol=1e-5)


def test_a_sampler_of_another_number_of_steps_keeps_its_noise_levels() -> None:
    model = small_model("FLOW")
    made = scheduled(model, 5, "karras")
    halves = {"steps": 10, "scheduler": "simple", "positive": POSITIVE, "negative": NEGATIVE}
    first = sample(made.model, start_step=0, last_step=5, force_full_denoise=False, **halves)
    above = torch.tensor([*[s for s in made.sigmas.tolist() if s > 0.5], 0.5])
    assert torch.allclose(first, custom(model, above), atol=1e-4)


def test_the_samplers_own_denoise_is_kept() -> None:
    model = small_model("FLOW")
    made = scheduled(model, 8, "simple")
    got = sample(made.model, latent={"samples": LATENT}, denoise=0.5, positive=POSITIVE, negative=NEGATIVE, steps=20)
    assert torch.allclose(got, custom(model, made.sigmas[4:], latent=LATENT), atol=1e-5)


@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
def test_model_and_sigmas_together_are_the_same_as_either(kind: str) -> None:
    model = small_model(kind)
    made = scheduled(model, 6, "karras")
    split = made.sigmas[2:]
    assert torch.equal(custom(made.model, made.sigmas), custom(model, made.sigmas))
    assert torch.equal(custom(made.model, split, latent=LATENT), custom(model, split, latent=LATENT))


def searching(model: Any, method: str) -> tuple[Any, Any]:
    inputs = {"model": model, "vae": SmallVAE(), "verifier": Brightness(), "prompt": ""}
    own = {
        "RandomSearch": {"candidates": 4},
        "ZeroOrderSearch": {"iterations": 2, "neighbors": 2, "cosine": 0.9},
        "PathSearch": {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
    }
    return call(method, **inputs, **own[method])


@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
@pytest.mark.parametrize("method", ["RandomSearch", "ZeroOrderSearch", "PathSearch"])
def test_searches_run_the_schedule_wherever_the_node_stands(kind: str, method: str) -> None:
    model = small_model(kind)
    made = scheduled(model, 6, "karras")
    with_sigmas, searched = searching(model, method)
    expected = custom(with_sigmas, made.sigmas)
    wanted = searched.runs[0].reports[0]
    for patched, record in (
        searching(made.model, method),
        (lambda found: (scheduled(found[0], 6, "karras").model, found[1]))(searching(model, method)),
    ):
        got = sample(patched, steps=20, positive=POSITIVE, negative=NEGATIVE)
        report = record.runs[0].reports[0]
        assert torch.allclose(got, expected, atol=1e-5)
        assert (report.sampler_steps, report.nfe, report.best.index) == (6, wanted.nfe, wanted.best.index)


def test_the_last_of_two_schedules_counts() -> None:
    model = small_model("FLOW")
    twice = scheduled(scheduled(model, 9, "simple").model, 5, "beta")
    assert torch.equal(
        sample(twice.model, positive=POSITIVE, negative=NEGATIVE), custom(model, scheduled(model, 5, "beta").sigmas)
    )


class Counting:
    """Counts the predictions of a model."""

    def __init__(self, model: Any):
        self.calls = 0
        inner = model.model.diffusion_model.forward

        def forward(*args: Any, **kwargs: Any) -> Tensor:
            self.calls += 1
            return inner(*args, **kwargs)

        model.model.diffusion_model.forward = forward


def test_a_pilot_is_flown_once_for_a_model_and_its_conditioning_and_counted() -> None:
    model = small_model("FLOW")
    count = Counting(model)
    first = adaptive(model)
    pilot = count.calls
    assert f"the pilot took {pilot} NFE" in first.plan
    again = adaptive(model, tolerance=0.02, max_steps=12)
    assert count.calls == pilot and "cost nothing" in again.plan
    assert again.steps > first.steps or again.steps == 12
    adaptive(model, cfg=3.0)
    assert count.calls > pilot
    now = count.calls
    adaptive(model, denoise=0.5)
    assert count.calls > now
    now = count.calls
    adaptive(model.clone())
    assert count.calls > now


@pytest.mark.parametrize("kind", KINDS)
def test_an_adaptive_schedule_has_the_steps_the_tolerance_takes(kind: str) -> None:
    model = small_model(kind)
    top = float(model.get_model_object("model_sampling").sigma_max)
    six = adaptive(model, count="steps", steps=6)
    assert six.steps == 6 and float(six.sigmas[0]) == pytest.approx(top, rel=1e-5)
    assert (six.sigmas[1:] < six.sigmas[:-1]).all() and six.sigmas[-1] == 0
    capped = adaptive(model, tolerance=1e-6, max_steps=7)
    assert capped.steps == 7 and "but max_steps is 7" in capped.plan
    loose = adaptive(model, tolerance=1.0)
    assert loose.steps <= adaptive(model, tolerance=0.1).steps <= 40


def test_a_pilot_of_a_searching_model_does_not_search() -> None:
    model = small_model("FLOW")
    patch = importlib.import_module("noise_search.search.patch")
    searches, record = patch.put_on(model, plan_of(4), SmallVAE(), Brightness(), "")
    made = adaptive(searches)
    assert record.runs == []
    sample(made.model, positive=POSITIVE, negative=NEGATIVE)
    report = best_report(SimpleNamespace(search=record))
    assert report.sampler_steps == made.steps


@pytest.mark.parametrize(("sampler_name", "each"), [("euler", 10), ("heun", 19), ("dpmpp_2s_ancestral", 19)])
def test_a_budget_knows_what_a_solver_costs(sampler_name: str, each: int) -> None:
    model = small_model("FLOW")
    made = scheduled(model, mode="budget", nfe=4 * each, candidates=4, sampler_name=sampler_name, scheduler="simple")
    assert made.steps == 10 and made.candidates == 4
    searches, record = call(
        "RandomSearch", model=made.model, vae=SmallVAE(), verifier=Brightness(), prompt="", candidates=made.candidates
    )  # fmt: skip
    sample(searches, sampler_name=sampler_name)
    assert record.runs[0].reports[0].nfe == 4 * each


def test_a_budget_left_to_decide_says_what_it_decided() -> None:
    made = scheduled(small_model("FLOW"), mode="budget", nfe=160, candidates=0, scheduler="simple")
    assert f"{made.candidates} candidates of {made.steps} steps (simple)" in made.plan
    assert made.candidates * made.steps <= 160


def test_the_plot_is_a_picture() -> None:
    made = scheduled(small_model("FLOW"))
    assert made.plot.shape[0] == 1 and made.plot.shape[-1] == 3
    assert 0 <= float(made.plot.min()) < float(made.plot.max()) <= 1


def test_the_pilot_takes_an_empty_latent_made_for_another_model() -> None:
    model = small_model("FLOW")
    latent = {"samples": torch.zeros(1, 16, 4, 4), "downscale_ratio_spacial": 16}
    sizes = []
    model.model.diffusion_model.register_forward_pre_hook(lambda net, inputs: sizes.append(inputs[0].shape[1:]))
    adaptive(model, latent=latent)
    assert set(sizes) == {(4, 8, 8)}
