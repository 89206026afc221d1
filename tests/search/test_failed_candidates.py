"""Some candidates have no image that can be judged: they are failed, with the reason, and the search goes on."""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from failing import NAN, Careful, PickyVAE, SpoilingVAE, overflowing
from faults import METHODS, STEPS, searching, title
from faults import run as run_model
from node_calls import call
from noise_search.search.records.report import recipes_json
from small_models import Brightness, SmallVAE, best_report, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
SAMPLER, VAE = "the sampler gave NaN or infinite values", "the VAE gave NaN or infinite values"
COLOR, PICKY = "the image came out in one single color", "the VAE failed with ValueError: I do not like this one"
WRONG = {
    "network": SAMPLER,
    "vae nan": VAE,
    "vae infinite": VAE,
    "vae black": COLOR,
    "vae gray": COLOR,
    "vae raises": PICKY,
}
VALUES = {"vae nan": NAN, "vae infinite": float("inf"), "vae black": 0.0, "vae gray": 0.5}


def failing(wrong: str, method: str = "random", everything: bool = False, **settings: Any) -> Any:
    """A search in which some candidates fail, or all."""
    vae = PickyVAE() if wrong == "vae raises" else SpoilingVAE(VALUES[wrong], everything) if wrong in VALUES else None
    found = searching(method, vae=vae, verifier=settings.pop("verifier", Careful()), **settings)
    if wrong == "network":
        overflowing(found.stock, everything)
    return found


@pytest.mark.parametrize("seed", [7, 8])
@pytest.mark.parametrize("wrong", WRONG)
def test_the_search_goes_on_with_the_others(wrong: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    clean = searching(candidates=12)
    run_model(clean.model, seed=seed)
    expected = [candidate.score for candidate in best_report(clean).candidates]
    found = failing(wrong, candidates=12)
    with caplog.at_level(logging.INFO):
        latent = run_model(found.model, seed=seed)
    report = best_report(found)
    failed = [one.index for one in report.candidates if one.failed]
    assert 0 < len(failed) < 12
    assert {report.candidates[index].failed for index in failed} == {WRONG[wrong]}
    sound = {index: score for index, score in enumerate(expected) if index not in failed}
    assert {one.index: one.score for one in report.candidates if not one.failed} == pytest.approx(sound, abs=1e-6)
    assert report.best.index == max(sound, key=sound.__getitem__)
    assert torch.isfinite(latent).all()
    assert report.nfe == 12 * STEPS, "failed ones are paid for"
    assert (
        f"Random Search (node 12): {len(failed)} of 12 candidates failed: {WRONG[wrong]} for candidate" in caplog.text
    )


@pytest.mark.parametrize("wrong", ["network", "vae nan", "vae black"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on(method: str, wrong: str) -> None:
    for seed in range(4):
        found = failing(wrong, method)
        try:
            latent = run_model(found.model, seed=seed)
        except RuntimeError as error:
            assert f"{title(method)}: {WRONG[wrong]} for candidate 0" in str(error)
            continue
        report = best_report(found)
        assert not report.best.failed and torch.isfinite(latent).all()
        for one in report.candidates:
            back = one.recipe.before() if one.recipe.path else None
            gone_on_from = [each for each in report.candidates if back is not None and each.recipe == back]
            assert not any(each.failed for each in gone_on_from)
        replaying = call("ReplayNoise", recipe=recipes_json([report]), model=found.stock)[1]
        assert torch.allclose(run_model(replaying, seed=seed), latent, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrong", ["network", "vae nan"])
def test_when_all_fail_the_error_says_why_and_what_helps(method: str, wrong: str) -> None:
    found = failing(wrong, method, everything=True)
    help_words = {"network": "Try a lower CFG", "vae nan": "start ComfyUI with --fp32-vae"}
    with pytest.raises(RuntimeError, match=f"{WRONG[wrong]} for candidate 0.*{help_words[wrong]}") as raised:
        run_model(found.model)
    assert str(raised.value).startswith(f"{title(method)}: ")
    assert "candidates failed" in str(raised.value)
    assert found.search.runs == []


def test_a_search_in_which_all_fail_does_not_run_to_its_end() -> None:
    found = failing("network", candidates=100, everything=True, batch_size=2)
    with pytest.raises(RuntimeError, match="8 of 8 candidates failed"):
        run_model(found.model)


class Chosen(SmallVAE):
    """NaN for the candidates of these numbers, as they come."""

    def __init__(self, numbers: set[int]):
        super().__init__()
        self.numbers, self.known = numbers, {}

    def decode(self, latents: Tensor) -> Tensor:
        images = super().decode(latents).clone()
        for image, latent in zip(images, latents, strict=True):
            if self.known.setdefault(tuple(latent.flatten().tolist()), len(self.known)) in self.numbers:
                image.fill_(NAN)
        return images


@pytest.mark.parametrize("batch_size", [0, 1])
@pytest.mark.parametrize(
    ("numbers", "goes_on"),
    [({0}, True), ({0, 1, 2}, True), ({0, 1, 2, 3}, False), ({1, 2, 3, 4, 5}, True), ({0, 1, 2, 3, 4, 5}, False)],
)
def test_it_ends_with_an_error_when_that_without_search_and_most_others_failed(
    numbers: set[int], goes_on: bool, batch_size: int
) -> None:
    found = searching(vae=Chosen(numbers), batch_size=batch_size)
    if not goes_on:
        with pytest.raises(RuntimeError, match=rf"{VAE} for candidate 0, as some do.* {len(numbers)} of 6 candidates"):
            run_model(found.model)
        return
    run_model(found.model)
    report = best_report(found)
    assert {one.index for one in report.candidates if one.failed} == numbers
    assert (report.baseline is None) == (0 in numbers)
    assert f"{len(numbers)} of 6 candidates failed: {VAE} for candidate" in report.to_dict()["failed"]


def test_one_candidate_alone_that_fails_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="1 of 1 candidates failed"):
        run_model(searching(vae=Chosen({0}), candidates=1).model)


def test_of_a_batch_each_image_has_its_own_failures() -> None:
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    for method in METHODS:
        found = searching(method, vae=Chosen({3, 4, 8}))
        winners = run_model(found.model, latent=latent)
        reports = found.search.runs[0].reports
        assert torch.isfinite(winners).all() and not any(report.best.failed for report in reports)
        assert any(one.failed for report in reports for one in report.candidates)
    with pytest.raises(RuntimeError, match="for candidate 0 of image 1"):
        run_model(searching(vae=Chosen({1, 3, 5, 7, 9})).model, latent=latent)


@pytest.mark.parametrize("failing_ones", [{4, 5}, {6, 7, 8}, {5, 7}])
def test_in_a_batch_a_path_that_can_not_go_on_does_not_end_those_of_the_other_images(failing_ones: set[int]) -> None:
    """Of image 0 the latents 2, 4 and of image 1 the latents 3, 5 are the first of the paths, and so on."""
    found = searching("paths", vae=Chosen(failing_ones))
    run_model(found.model, latent={"samples": torch.zeros(2, 4, 8, 8)})
    one, other = found.search.runs[0].reports
    assert len(one.candidates) == len(other.candidates)
    assert all(any(seen.is_finished and seen.index for seen in report.candidates) for report in (one, other))


def test_the_draft_of_the_image_without_search_may_fail_without_it() -> None:
    found = searching("drafts", vae=Chosen({0}))
    run_model(found.model)
    report = best_report(found)
    assert report.candidates[0].failed and report.baseline is not None and report.baseline.repeats == 0


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_where_everything_is_one_color_that_may_be_what_was_asked_for(value: float) -> None:
    found = searching(vae=SpoilingVAE(value, everything=True))
    run_model(found.model)
    assert not any(one.failed for one in best_report(found).candidates)


@pytest.mark.parametrize("batch_size", [0, 1, 2])
def test_one_color_fails_whenever_a_picture_comes(batch_size: int) -> None:
    class First(Chosen):
        def decode(self, latents: Tensor) -> Tensor:
            return super().decode(latents).nan_to_num()

    found = searching(vae=First({0, 1}), batch_size=batch_size)
    run_model(found.model)
    report = best_report(found)
    assert [one.failed for one in report.candidates] == [COLOR, COLOR, "", "", "", ""]
    assert [one["score"] is None for one in report.to_dict()["candidates"]] == [True, True, *[False] * 4]


def test_an_ensemble_ranks_those_that_did_not_fail() -> None:
    ensemble = importlib.import_module("noise_search.verifiers.ensemble").Ensemble

    class Darkness(Careful):
        name = "darkness"

        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            return -images.flatten(1).mean(1)

    for method in METHODS.keys() - {"pruned", "look ahead", "auto"}:  # in a race others are judged first
        found = searching(method, vae=Chosen({0, 3}), verifier=ensemble([Careful(), Darkness()]))
        run_model(found.model)
        report = best_report(found)
        shares = [one.score for one in report.candidates if one.is_finished]
        assert not report.best.failed and all(0 <= share <= 1 for share in shares)
        read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert read["candidates"][0]["score"] is None and read["candidates"][0]["failed"] == VAE


def test_patience_counts_failed_ones_as_no_better() -> None:
    found = searching(vae=Chosen({1, 2, 3}), candidates=20, patience=3, batch_size=1)
    run_model(found.model)
    report = best_report(found)
    assert (len(report.candidates), report.stopped) == (4, "patience")


def test_a_vae_that_spoils_neighbours_in_a_batch_is_asked_again_alone() -> None:
    """What the seed alone gives is what counts."""

    class Mixing(SmallVAE):
        def decode(self, latents: Tensor) -> Tensor:
            images = super().decode(latents)
            return images if len(images) == 1 else images * NAN

    found, clean = searching(vae=Mixing()), searching()
    for each in (found, clean):
        run_model(each.model)
    assert [one.score for one in best_report(found).candidates] == pytest.approx(
        [one.score for one in best_report(clean).candidates], abs=1e-6
    )


def test_a_verifier_that_fails_is_an_error_also_beside_failed_candidates() -> None:
    class Wrong(Brightness):
        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            return super().score(images, prompts) * NAN

    with pytest.raises(RuntimeError, match="brightness returned nan for candidate 1, which is not a score"):
        run_model(searching(vae=Chosen({0}), verifier=Wrong()).model)


def test_a_picture_of_a_report_has_failed_ones_last() -> None:
    found = search(small_model("EPS"), candidates=6, vae=Chosen({1, 2}))
    latent = {"samples": run_model(found.model)}
    _, plot, pictures, scores, *_ = call("SearchReport", latent=latent, search=found.search)
    assert (len(plot), len(pictures), len(scores)) == (1, 6, 6)
    assert [score == -float("inf") for score in scores] == [False, True, True, False, False, False]
