"""Verifiers, VAEs and samplers that go wrong in the middle of a search: what, where and whose it is, never a score."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from faults import METHODS, run, searching, title
from node_calls import call
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, best_report, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
NAN, INFINITY = float("nan"), float("inf")


class Wrong(Brightness):
    """Answers with what `spoil` makes of the right scores, from the `since`-th question on."""

    name = "grumpy"

    def __init__(self, spoil: Callable[[Tensor], Any], since: int = 1):
        super().__init__()
        self.spoil, self.since = spoil, since

    def score(self, images: Tensor, prompts: list[str]) -> Any:
        scores = super().score(images, prompts)
        return self.spoil(scores) if len(self.asked) >= self.since else scores


class WrongVAE(SmallVAE):
    """Gives what `spoil` makes of the right images."""

    def __init__(self, spoil: Callable[[Tensor], Any]):
        super().__init__()
        self.spoil = spoil

    def decode(self, latents: Tensor) -> Any:
        return self.spoil(super().decode(latents))


def with_last(value: float) -> Callable[[Tensor], Tensor]:
    return lambda values: torch.cat([values[:-1], torch.full_like(values[-1:], value)])


def fails(values: Tensor) -> None:
    raise RuntimeError("the weights are gone")


ANSWERS = {
    "raises": (fails, "grumpy failed on candidate 0 to candidate 5: RuntimeError: the weights are gone"),
    "nan": (with_last(NAN), "grumpy returned nan for candidate 5, which is not a score"),
    "infinity": (with_last(INFINITY), "grumpy returned inf for candidate 5"),
    "minus infinity": (with_last(-INFINITY), "grumpy returned -inf for candidate 5"),
    "too few": (lambda scores: scores[1:], "grumpy returned 5 scores for 6 images (candidate 0 to candidate 5)"),
    "two each": (lambda scores: torch.stack([scores, scores], 1), "grumpy returned 12 scores for 6 images (candidate"),
    "a mean": (lambda scores: scores.mean(), "grumpy returned 1 scores for 6 images (candidate 0 to candidate 5)"),
    "a map": (lambda scores: scores.reshape(6, 1, 1).expand(6, 4, 4), "grumpy returned 96 scores for 6 images"),
    "complex": (
        lambda scores: scores + 1j,
        "grumpy returned a Tensor for candidate 0 to candidate 5, which is not a number",
    ),
    "nothing": (lambda scores: None, "grumpy returned a NoneType for candidate 0 to candidate 5, which is not"),
    "words": (lambda scores: ["fine"] * 6, "grumpy returned a list for candidate 0 to candidate 5, which is not"),
    "by name": (
        lambda scores: {"score": scores},
        "grumpy returned a dict for candidate 0 to candidate 5, which is not",
    ),
    "a generator": (
        lambda scores: (s for s in scores),
        "grumpy returned a generator for candidate 0 to candidate 5, which",
    ),
    "no end": (lambda scores: [10**400] * 6, "grumpy returned a list for candidate 0 to candidate 5, which is not"),
}


@pytest.mark.parametrize("wrong", ANSWERS)
def test_an_answer_that_is_no_score_ends_the_search_and_names_node_verifier_and_candidate(wrong: str) -> None:
    spoil, message = ANSWERS[wrong]
    found = searching(verifier=Wrong(spoil))
    with pytest.raises(RuntimeError) as raised:
        run(found.model)
    assert str(raised.value).startswith(f"Random Search (node 12): {message}")
    assert found.search.runs == []


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.float64])
def test_numbers_of_any_kind_are_scores(dtype: torch.dtype) -> None:
    found = searching(verifier=Wrong(lambda scores: (100 * scores).to(dtype)))
    run(found.model)
    assert len({candidate.score for candidate in best_report(found).candidates}) > 1


@pytest.mark.parametrize("method", METHODS)
def test_a_verifier_that_goes_wrong_on_the_way_ends_a_search_of_any_method(method: str) -> None:
    asked = searching(method)
    run(asked.model)
    last = len(asked.calls["verifier"].sizes)
    for since in {2, last} - {1} if last > 1 else {1}:
        found = searching(method, verifier=Wrong(with_last(NAN), since))
        with pytest.raises(
            RuntimeError, match=r"grumpy returned nan for candidate \d+, which is not a score"
        ) as raised:
            run(found.model)
        assert str(raised.value).startswith(f"{title(method)}: ")
        assert found.search.runs == []


def test_in_a_batch_the_error_says_of_which_image() -> None:
    found = searching(verifier=Wrong(with_last(NAN)))
    with pytest.raises(RuntimeError, match="grumpy returned nan for candidate 5 of image 1,"):
        run(found.model, latent={"samples": torch.zeros(2, 4, 8, 8)})


IMAGES = {
    "raises": (fails, "the VAE failed on candidate 0 to candidate 5: RuntimeError: the weights are gone"),
    "nan": (lambda images: images * NAN, "the VAE gave NaN or infinite values for candidate 0, as some do"),
    "infinity": (lambda images: images / 0, "the VAE gave NaN or infinite values for candidate 0, as some do"),
    "too few": (lambda images: images[1:], "the VAE gave values of shape [5, 8, 8, 3] for candidate 0 to candidate 5"),
    "no batch": (lambda images: images[0], "the VAE gave values of shape [8, 8, 3] for candidate 0 to candidate 5"),
    "gray": (lambda images: images[..., :1], "the VAE gave values of shape [6, 8, 8, 1] for candidate 0 to candidate"),
    "sound": (lambda images: images.flatten(1), "the VAE gave values of shape [6, 192] for candidate 0 to candidate 5"),
    "a list": (list, "the VAE gave a list for candidate 0 to candidate 5, not a tensor of images"),
    "an array": (lambda images: images.numpy(), "the VAE gave a ndarray for candidate 0 to candidate 5, not a tensor"),
    "nothing": (lambda images: None, "the VAE gave a NoneType for candidate 0 to candidate 5, not a tensor of images"),
}


@pytest.mark.parametrize("wrong", IMAGES)
def test_what_is_no_image_ends_the_search_and_names_node_vae_and_candidate(wrong: str) -> None:
    spoil, message = IMAGES[wrong]
    found = searching(vae=WrongVAE(spoil))
    with pytest.raises(RuntimeError) as raised:
        run(found.model)
    assert str(raised.value).startswith(f"Random Search (node 12): {message}")
    assert found.calls["verifier"].sizes == []
    assert found.search.runs == []


@pytest.mark.parametrize("method", METHODS)
def test_nan_from_the_model_is_the_samplers_not_the_vaes_or_the_verifiers(method: str) -> None:
    found = searching(method)
    found.stock.model.diffusion_model.leave.weight[0, 0, 0, 0] = NAN
    with pytest.raises(RuntimeError, match="the sampler gave NaN or infinite values for candidate 0;") as raised:
        run(found.model)
    assert str(raised.value).startswith(f"{title(method)}: ")
    assert found.calls["vae"].sizes == []


class Hanging(Brightness):
    """Takes its time."""

    seconds = 0.05

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        time.sleep(self.seconds)
        return super().score(images, prompts)


@pytest.mark.parametrize("method", METHODS)
def test_a_verifier_that_hangs_past_the_limit_is_reported_when_it_returns(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can end somebody else's code in this process; what can be done is to stop asking, and to say so."""
    verifier = Hanging()
    found = searching(method, verifier=verifier, max_seconds=Hanging.seconds / 5, batch_size=2)
    plenty = searching(method, batch_size=2)
    run(plenty.model)
    run(found.model)
    report = best_report(found)
    assert report.seconds.scoring >= Hanging.seconds
    if method not in ("pruned", "look ahead"):  # a race is one round
        assert report.stopped == "time"
        assert sum(verifier.asked) < sum(plenty.verifier.asked)
    (said,) = [record.getMessage() for record in caplog.records if "max_seconds" in record.getMessage()]
    assert said.startswith(f"{title(method)} took ")
    assert f"{report.seconds.scoring:.1f} s scoring" in said


def test_a_search_within_its_limit_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run(searching(max_seconds=1000.0).model)
        run(searching(verifier=Hanging()).model)
    assert "max_seconds" not in caplog.text


def test_the_lowest_score_there_is_stays_one_as_the_mean_of_a_videos_frames() -> None:
    lowest = torch.finfo(torch.float32).min
    model, vae = small_model("FLOW", channels=16, dims=3), SmallVAE(16, dims=3)
    found = search(model, candidates=2, vae=vae, verifier=Wrong(lambda scores: torch.full_like(scores, lowest)))
    run(found.model, latent={"samples": torch.zeros(1, 16, 3, 8, 8)})
    assert [candidate.score for candidate in best_report(found).candidates] == [lowest, lowest]


def test_a_solver_that_writes_into_its_schedule_writes_into_a_copy() -> None:
    """uni_pc puts 0.001 in the place of 0: what is judged would be a prediction, and a path would have a step more."""
    seen: list[Tensor] = []

    class WatchingVAE(SmallVAE):
        def decode(self, latents: Tensor) -> Tensor:
            seen.append(latents)
            return super().decode(latents)

    model = small_model("EPS")
    found = search(model, candidates=2, vae=WatchingVAE())
    result = run(found.model, sampler_name="uni_pc")
    assert any(torch.equal(latent, result[0]) for latents in seen for latent in latents), "the image itself is judged"
    paths = [searching("paths", batch_size=size) for size in (0, 1)]
    for each in paths:
        run(each.model, sampler_name="uni_pc")
    replaying = call("ReplayNoise", recipe=recipes_json([best_report(paths[0])]), model=paths[0].stock)[1]
    assert torch.allclose(run(replaying, sampler_name="uni_pc"), run(paths[0].model, sampler_name="uni_pc"), atol=1e-4)


def test_a_schedule_on_a_model_outlives_a_solver_that_writes_into_it() -> None:
    model = small_model("EPS")
    sigmas, again = (torch.tensor([10.0, 3.0, 1.0, 0.0]) for _ in range(2))
    on_model = importlib.import_module("noise_search.search.steps.on_model")
    scheduled = on_model.put_schedule_on(model, sigmas, "a schedule")
    run(scheduled, sampler_name="uni_pc", steps=3)
    assert torch.equal(sigmas, again)


def test_a_path_of_one_step_has_each_candidates_own_step_noise() -> None:
    together, alone = (searching("paths", batch_size=size) for size in (0, 1))
    for found in (together, alone):
        run(found.model, sampler_name="dpmpp_2m_sde", steps=1)
    expected = [candidate.score for candidate in best_report(alone).candidates]
    assert [candidate.score for candidate in best_report(together).candidates] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("batch_size", [0, 1])
@pytest.mark.parametrize("method", ["random", "paths"])
def test_finalists_of_a_batch_have_each_their_own_step_noise(method: str, batch_size: int) -> None:
    latent = {"samples": torch.zeros(3, 4, 8, 8)}
    found = searching(method, batch_size=batch_size, search_steps=3)
    winners = run(found.model, latent=latent, sampler_name="euler_ancestral")
    reports = found.search.runs[0].reports
    assert len({report.best.recipe for report in reports}) > 1
    replaying = call("ReplayNoise", recipe=recipes_json(reports), model=found.stock)[1]
    assert torch.allclose(run(replaying, latent=latent, sampler_name="euler_ancestral"), winners, atol=1e-4)
