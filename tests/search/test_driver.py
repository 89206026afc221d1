"""The driver in ComfyUI's own sampling: cost, memory, batches, masks, latents of any rank, errors, interruption."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from small_models import (
    Brightness,
    SmallVAE,
    best_report,
    conditioning,
    pair_model,
    plan_of,
    raced,
    sample,
    search,
    small_model,
)

pytestmark = pytest.mark.usefixtures("comfy")


class Counting:
    """Counts the rows that reach the network, and may fail when there are too many at once."""

    def __init__(self, model: Any, most: int | None = None):
        self.rows: list[int] = []
        self.most = most
        model.model.diffusion_model.register_forward_pre_hook(self._count)

    def _count(self, _module: Any, arguments: tuple[Any, ...]) -> None:
        rows = len(arguments[0])
        if self.most is not None and rows > self.most:
            raise torch.cuda.OutOfMemoryError("injected")
        self.rows.append(rows)


@pytest.mark.parametrize("cfg", [1.0, 3.0])
@pytest.mark.parametrize("name", ["euler", "heun", "dpm_2", "dpmpp_sde", "dpm_adaptive"])
def test_nfe_is_what_the_network_computed(name: str, cfg: float) -> None:
    model = small_model("EPS")
    found = search(model, candidates=3, batch_size=2)
    counting = Counting(model)
    sample(found.model, sampler_name=name, cfg=cfg)
    assert best_report(found).nfe == sum(counting.rows) / (1 if cfg == 1 else 2)


def test_heun_pays_twice_a_step_but_once_for_the_last() -> None:
    found = search(small_model("EPS"), candidates=2)
    sample(found.model, sampler_name="heun", steps=6)
    assert [candidate.nfe for candidate in best_report(found).candidates] == [11, 11]


@pytest.mark.parametrize("most", [1, 4])
@pytest.mark.parametrize("name", ["euler", "dpmpp_2m_cfg_pp"])
def test_out_of_memory_halves_the_batch_and_keeps_the_winner(name: str, most: int) -> None:
    """Also for solvers that look at the unconditional predictions of all candidates."""
    model = small_model("FLOW")
    calm = search(model, candidates=8, batch_size=8)
    expected = sample(calm.model, sampler_name=name)
    counting = Counting(model, most=2 * most)
    found = search(model, candidates=8, batch_size=8)
    result = sample(found.model, sampler_name=name)
    assert torch.allclose(result, expected, atol=1e-5)
    assert best_report(found).best.index == best_report(calm).best.index
    assert max(counting.rows) == 2 * most
    assert best_report(found).nfe == sum(counting.rows) / 2


def test_out_of_memory_with_one_candidate_is_the_hosts_to_report() -> None:
    model = small_model("FLOW")
    Counting(model, most=0)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        sample(search(model, candidates=4).model)


def test_out_of_memory_while_scoring_asks_about_fewer_images() -> None:
    class Hungry(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            if len(images) > 2:
                raise torch.cuda.OutOfMemoryError("injected")
            return super().score(images, prompts)

    model = small_model("FLOW")
    found = search(model, candidates=6, verifier=Hungry(), batch_size=6)
    sample(found.model)
    plain = search(model, candidates=6, batch_size=6)
    sample(plain.model)
    assert best_report(found).best.index == best_report(plain).best.index
    assert max(found.verifier.asked) <= 2


def test_batch_sizes_give_the_same_scores() -> None:
    model = small_model("FLOW")
    scores = []
    for size in (1, 3, 0):
        found = search(model, candidates=7, batch_size=size)
        sample(found.model)
        scores.append([candidate.score for candidate in best_report(found).candidates])
    assert scores[1] == pytest.approx(scores[0], abs=1e-6)
    assert scores[2] == pytest.approx(scores[0], abs=1e-6)


def test_candidate_0_is_the_image_without_search() -> None:
    model = small_model("EPS")
    found = search(model, candidates=1)
    assert torch.equal(sample(found.model), sample(model))
    assert best_report(found).best.recipe.seed == 7


def test_search_finds_something_better() -> None:
    found = search(small_model("EPS"), candidates=12)
    sample(found.model)
    report = best_report(found)
    assert report.best.index != 0
    assert report.best.score > report.baseline.score
    assert report.best.recipe.seed == 7 + report.best.index


@pytest.mark.parametrize("name", ["euler", "euler_ancestral", "dpmpp_sde", "dpm_adaptive"])
def test_a_batch_is_searched_image_by_image(name: str) -> None:
    model, latent = small_model("EPS"), {"samples": torch.zeros(3, 4, 8, 8)}
    found = search(model, candidates=5)
    result = sample(found.model, latent=latent, sampler_name=name)
    reports = found.search.runs[0].reports
    assert len(reports) == 3
    assert len({report.best.index for report in reports}) > 1
    for item, report in enumerate(reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, sampler_name=name)
        assert torch.allclose(result[item], stock[item], atol=1e-3)


def test_a_latent_taken_from_a_batch_keeps_its_noise() -> None:
    model, latent = small_model("EPS"), {"samples": torch.zeros(2, 4, 8, 8), "batch_index": [3, 1]}
    found = search(model, candidates=4)
    result = sample(found.model, latent=latent)
    for item, report in enumerate(found.search.runs[0].reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent)
        assert torch.allclose(result[item], stock[item], atol=1e-4)


def test_noise_from_the_workflow_is_candidate_0_without_recipe() -> None:
    model = small_model("FLOW")
    found = search(model, candidates=3)
    noise, latent = torch.full((1, 4, 8, 8), 0.1), torch.zeros(1, 4, 8, 8)
    with torch.inference_mode():
        importlib.import_module("comfy.sample").sample(
            found.model, noise, 4, 1.0, "euler", "simple", conditioning(1), conditioning(2), latent, seed=9
        )
    assert [candidate.recipe and candidate.recipe.seed for candidate in best_report(found).candidates] == [None, 10, 11]


def test_a_mask_keeps_what_it_protects() -> None:
    mask, samples = torch.zeros(1, 1, 8, 8), torch.full((1, 4, 8, 8), 0.4)
    mask[..., 4:] = 1
    found = search(small_model("FLOW"), candidates=4)
    result = sample(found.model, latent={"samples": samples, "noise_mask": mask}, denoise=0.8)
    assert torch.allclose(result[..., :4], samples[..., :4], atol=1e-5)
    assert not torch.allclose(result[..., 4:], samples[..., 4:], atol=0.05)


def test_models_that_see_the_mask() -> None:
    model = small_model("EPS", concat=True)
    latent = {"samples": torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))}
    latent["noise_mask"] = (latent["samples"][:, :1] > 0).float()
    found = search(model, candidates=4)
    result = sample(found.model, latent=latent)
    for item, report in enumerate(found.search.runs[0].reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent)
        assert torch.allclose(result[item], stock[item], atol=1e-4)


@pytest.mark.parametrize("entries", [2, 3])
@pytest.mark.parametrize("items", [1, 2])
def test_conditioning_that_differs_by_item(items: int, entries: int) -> None:
    model, latent = small_model("EPS", pooled=5), {"samples": torch.zeros(items, 4, 8, 8)}
    told = {"positive": conditioning(1, entries, pooled=5), "negative": conditioning(2, 1, pooled=5)}
    together, alone = (search(model, candidates=4, batch_size=size) for size in (4, 1))
    for found in (together, alone):
        sample(found.model, latent=latent, **told)
    for ours, theirs in zip(together.search.runs[0].reports, alone.search.runs[0].reports, strict=True):
        expected = [candidate.score for candidate in theirs.candidates]
        assert [candidate.score for candidate in ours.candidates] == pytest.approx(expected, abs=1e-6)


def test_video_latents() -> None:
    model = small_model("FLOW", channels=16, dims=3)
    latent = {"samples": torch.zeros(1, 16, 3, 8, 8)}
    found = search(model, candidates=4, vae=SmallVAE(16, dims=3))
    result = sample(found.model, latent=latent)
    stock = sample(model, seed=best_report(found).best.recipe.seed, latent=latent)
    assert torch.allclose(result, stock, atol=1e-5)
    assert sum(found.verifier.asked) == 4 * 3, "every frame is judged"


@pytest.mark.parametrize("name", ["euler", "euler_ancestral"])
def test_latents_of_several_parts(name: str) -> None:
    nested = importlib.import_module("comfy.nested_tensor").NestedTensor
    model = pair_model()
    latent = {"samples": nested([torch.zeros(2, 4, 8, 8), torch.zeros(2, 2, 8)])}
    found = search(model, candidates=4)
    result = sample(found.model, latent=latent, sampler_name=name).unbind()
    for item, report in enumerate(found.search.runs_of(latent["samples"])[0].reports):
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, sampler_name=name).unbind()
        for ours, theirs in zip(result, stock, strict=True):
            assert torch.allclose(ours[item], theirs[item], atol=1e-4)


def test_leftover_noise_is_judged_by_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("EPS")
    found = search(model, candidates=4)
    staged = {"start_step": 0, "last_step": 3, "force_full_denoise": False}
    result = sample(found.model, **staged)
    predicted: list[torch.Tensor] = []
    previews = importlib.import_module("latent_preview")
    monkeypatch.setattr(previews, "prepare_callback", lambda *_: lambda step, x0, x, steps: predicted.append(x0))
    for candidate in best_report(found).candidates:
        stock = sample(model, seed=candidate.recipe.seed, **staged)
        assert candidate.score == pytest.approx(score_of(model.model.process_latent_out(predicted[-1])), abs=1e-5)
        assert candidate.score != pytest.approx(score_of(stock), abs=1e-3), "the latent still has noise in it"
        if candidate is best_report(found).best:
            assert torch.allclose(result, stock, atol=1e-3)


def score_of(latent: torch.Tensor) -> float:
    return float(Brightness().score(SmallVAE().decode(latent), [""]))


def test_a_second_stage_passes_through() -> None:
    model = small_model("EPS")
    found = search(model, candidates=4)
    counting = Counting(model)
    staged = {"disable_noise": True, "start_step": 3, "latent": {"samples": torch.ones(1, 4, 8, 8)}}
    assert torch.equal(sample(found.model, **staged), sample(model, **staged))
    assert found.search.runs == []
    assert len(counting.rows) == 2 * 3


def test_the_same_model_in_two_samplers_keeps_both_reports() -> None:
    found = search(small_model("EPS"), candidates=3)
    first, second = sample(found.model, seed=1), sample(found.model, seed=100)
    assert [run.reports[0].seed for run in found.search.runs_of(first)] == [1]
    assert [run.reports[0].seed for run in found.search.runs_of(second)] == [100]


def test_old_reports_give_way_to_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("noise_search.search.results"), "CANDIDATES_KEPT", 7)
    found = search(small_model("EPS"), candidates=3)
    for seed in (1, 100, 200):
        sample(found.model, seed=seed)
    assert [run.reports[0].seed for run in found.search.runs] == [100, 200]


def test_of_a_latent_that_changed_since_all_searches_are_reported() -> None:
    found = search(small_model("EPS"), candidates=3)
    first = sample(found.model, seed=1)
    assert [run.reports[0].seed for run in found.search.runs_of(first + 1)] == [1], "the only one it can be of"
    sample(found.model, seed=100)
    assert [run.reports[0].seed for run in found.search.runs_of(first + 1)] == [1, 100]


def test_custom_samplers_get_the_winners_prediction_too() -> None:
    custom = importlib.import_module("comfy_extras.nodes_custom_sampler")
    samplers = importlib.import_module("comfy.samplers")
    model = small_model("EPS")
    found = search(model, candidates=4)

    def run(patched: Any, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        guider = samplers.CFGGuider(patched)
        guider.set_conds(conditioning(1), conditioning(2))
        guider.set_cfg(2.0)
        sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 5)
        with torch.inference_mode():
            out = custom.SamplerCustomAdvanced.execute(
                custom.Noise_RandomNoise(seed),
                guider,
                samplers.sampler_object("euler_ancestral"),
                sigmas,
                {"samples": torch.zeros(1, 4, 8, 8)},
            )
        return out[0]["samples"], out[1]["samples"]

    result = run(found.model, 3)
    stock = run(model, best_report(found).best.recipe.seed)
    for ours, theirs in zip(result, stock, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_one_progress_bar_over_the_whole_search(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = importlib.import_module("comfy.utils")
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, **_: seen.append((value, total)))
    monkeypatch.setattr(utils.ProgressBar, "_last", None, raising=False)
    found = search(small_model("EPS"), candidates=6, batch_size=2)
    sample(found.model, steps=5)
    assert {total for _, total in seen} == {30}
    assert [value for value, _ in seen] == sorted(value for value, _ in seen)
    assert seen[-1] == (30, 30)


def test_interrupt_ends_within_a_step() -> None:
    management = importlib.import_module("comfy.model_management")
    model = small_model("EPS")
    found = search(model, candidates=6, batch_size=2)
    calls: list[int] = []

    def interrupt(_module: Any, arguments: tuple[Any, ...]) -> None:
        calls.append(len(arguments[0]))
        if len(calls) == 8:
            management.interrupt_current_processing(True)

    model.model.diffusion_model.register_forward_pre_hook(interrupt)
    with pytest.raises(management.InterruptProcessingException):
        sample(found.model, steps=5)
    assert len(calls) == 8
    assert found.search.runs == []
    sample(found.model, steps=5)
    assert len(best_report(found).candidates) == 6, "the same model searches again afterwards"


def test_a_time_limit_ends_the_search_after_a_round() -> None:
    found = search(small_model("EPS"), candidates=50, batch_size=2, max_seconds=1e-6)
    sample(found.model)
    report = best_report(found)
    assert report.stopped == "time"
    assert len(report.candidates) == 2


def test_patience_ends_a_search_that_finds_nothing_better() -> None:
    class Declining(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            self.asked.append(len(images))
            return torch.full((len(images),), -float(len(self.asked)))

    found = search(small_model("EPS"), candidates=50, batch_size=2, verifier=Declining(), patience=5)
    sample(found.model)
    report = best_report(found)
    assert report.stopped == "patience"
    assert len(report.candidates) == 6
    assert report.best.index == 0


class Redness(Brightness):
    name = "redness"

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        return (images[..., 0] - images[..., 1]).flatten(1).mean(1)


@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
def test_an_ensemble_ranks_the_whole_search_whatever_ran_together(kind: str) -> None:
    ensembles = importlib.import_module("noise_search.verifiers.ensemble")
    model, reports, results = small_model(kind), [], []
    for size in (1, 3, 9):
        verifier = ensembles.Ensemble([Brightness(), Redness()])
        found = search(model, candidates=9, batch_size=size, verifier=verifier)
        results.append(sample(found.model))
        reports.append(best_report(found))
    assert len({report.best.index for report in reports}) == 1
    assert torch.allclose(results[0], results[2], atol=1e-4)
    first = reports[0]
    expected = ensembles.Ensemble([Brightness(), Redness()]).combine(
        {name: [candidate.scores[name] for candidate in first.candidates] for name in ("brightness", "redness")}
    )
    assert [candidate.score for candidate in first.candidates] == pytest.approx(expected)
    stock = sample(model, seed=first.best.recipe.seed)
    assert torch.allclose(results[0], stock, atol=1e-4)


class Consistent:
    """How little an image differs from what was predicted at a level."""

    name, needs_prompt, level = "consistent", False, 0.5

    def __init__(self) -> None:
        self.pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        raise AssertionError("it was given images alone")

    def score_with_prediction(
        self, images: torch.Tensor, predictions: torch.Tensor, prompts: list[str]
    ) -> torch.Tensor:
        self.pairs.append((images, predictions))
        return -(images - predictions).abs().flatten(1).mean(1)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_verifier_may_see_what_was_predicted_on_the_way(batch_size: int) -> None:
    model = small_model("FLOW")
    verifier = Consistent()
    found = search(model, candidates=4, batch_size=batch_size, verifier=verifier)
    sample(found.model, steps=10)
    predicted = torch.cat([predictions for _, predictions in verifier.pairs])
    assert predicted.shape == (4, 8, 8, 3)
    kept: list[torch.Tensor] = []
    comfy_sample = importlib.import_module("comfy.sample")
    with torch.inference_mode():
        latent = torch.zeros(1, 4, 8, 8)
        comfy_sample.sample(
            model, comfy_sample.prepare_noise(latent, 7), 10, 2.0, "euler", "simple", conditioning(1), conditioning(2),
            latent, seed=7, callback=lambda step, x0, x, total: kept.append(x0),
        )  # fmt: skip
    at_half = kept[5]  # sigmas 1, .9, .. : the last step that starts at 0.5 or above
    expected = torch.sigmoid(model.model.process_latent_out(at_half)[:, :3]).movedim(1, -1)
    assert torch.allclose(predicted[:1], expected, atol=1e-5)


def test_a_verifier_of_predictions_does_not_go_with_pruning() -> None:
    patch = importlib.import_module("noise_search.search.patch")
    plan = plan_of(4, "progressive")
    model, _ = patch.put_on(small_model("FLOW"), plan, SmallVAE(), Consistent(), "")
    with pytest.raises(ValueError, match="Use Random Search without pruning"):
        sample(model)


def test_caches_on_the_model_start_afresh_for_every_candidate() -> None:
    easycache = importlib.import_module("comfy_extras.nodes_easycache")
    model = small_model("FLOW")
    cached = easycache.LazyCacheNode.execute(model, 0.5, 0.1, 0.95, False)[0]
    counting = Counting(model)
    found = search(cached, candidates=8, batch_size=1)
    result = sample(found.model, steps=12)
    assert sum(counting.rows) < 2 * 8 * 12, "the cache has something to do"
    stock = sample(cached, seed=best_report(found).best.recipe.seed, steps=12)
    assert best_report(found).best.index > 0
    assert torch.allclose(result, stock, atol=1e-5)


def test_a_schedule_without_steps_passes_through() -> None:
    model = small_model("EPS")
    found = search(model)
    noise = torch.randn(1, 4, 8, 8)
    results = [custom_sample(one, noise, torch.tensor([1.0])) for one in (found.model, model)]
    assert torch.equal(*results)
    assert found.search.runs == []


@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
def test_no_noise_and_an_empty_latent_run_as_without_a_search(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    model = small_model(kind)
    found = search(model)
    assert torch.equal(sample(found.model, disable_noise=True), sample(model, disable_noise=True))
    assert found.search.runs == []
    (line,) = [record for record in caplog.records if "without a search" in record.message]
    assert line.levelname == "WARNING"
    assert "enable add_noise" in line.message


@pytest.mark.parametrize("name", ["noise by hand", "an inverted image"])
def test_noise_in_the_latent_is_passed_over(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = small_model("EPS")
    draw = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    noisy = draw * 14.6 if name == "noise by hand" else 0.2 + draw.cumsum(-1)
    found = search(model)
    given = {"disable_noise": True, "latent": {"samples": noisy}}
    assert torch.equal(sample(found.model, **given), sample(model, **given))
    assert found.search.runs == []
    (line,) = [record for record in caplog.records if "without a search" in record.message]
    assert line.levelname == "INFO"
    assert line.message.startswith("Random Search (node 1): ")


@pytest.mark.parametrize("vae", [SmallVAE(16), SmallVAE(4, dims=1), SmallVAE(4, dims=3)])
def test_a_vae_that_does_not_fit_is_refused_before_sampling(vae: SmallVAE) -> None:
    model = small_model("EPS")
    counting = Counting(model)
    with pytest.raises(ValueError, match="VAE"):
        sample(search(model, vae=vae).model)
    assert counting.rows == []


def test_a_batch_that_is_one_video_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("EPS")
    counting, found = Counting(model), search(model)
    monkeypatch.setattr(importlib.import_module("comfy.model_base"), "SVD_img2vid", type(model.model))
    with pytest.raises(ValueError, match=r"Random Search \(node 1\): .* one video.* Search Loop Open"):
        sample(found.model, latent={"samples": torch.zeros(4, 4, 8, 8)})
    assert counting.rows == []


def test_a_second_search_on_a_model_is_refused() -> None:
    patch = importlib.import_module("noise_search.search.patch")
    found = search(small_model("EPS"))
    with pytest.raises(ValueError, match="already has a search"):
        patch.put_on(found.model, plan_of(2), SmallVAE(), Brightness(), "")


def test_a_report_without_a_search_says_what_to_do() -> None:
    found = search(small_model("EPS"))
    assert found.search.runs_of(torch.zeros(1)) == []
    assert "has not searched" in found.search.why_not


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda images: torch.full((len(images),), float("nan")), "grumpy returned nan for candidate 0"),
        (lambda images: torch.full((len(images),), float("-inf")), "grumpy returned -inf for candidate 0"),
        (lambda images: torch.zeros(len(images) + 1), "grumpy returned 4 scores for 3 images"),
        (lambda images: 1 / 0, "grumpy failed on candidate 0 to candidate 2: ZeroDivisionError"),
    ],
)
def test_a_verifier_that_fails_is_an_error_that_names_it(answer: Any, message: str) -> None:
    class Grumpy(Brightness):
        name = "grumpy"

        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            return answer(images)

    found = search(small_model("EPS"), candidates=3, batch_size=3, verifier=Grumpy())
    with pytest.raises(RuntimeError, match=message):
        sample(found.model)
    assert found.search.runs == []


def custom_sample(model: Any, noise: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    samplers = importlib.import_module("comfy.samplers")
    with torch.inference_mode():
        return importlib.import_module("comfy.sample").sample_custom(
            model,
            noise,
            1.0,
            samplers.sampler_object("euler"),
            sigmas,
            conditioning(1),
            conditioning(2),
            noise * 0,
            seed=1,
        )


class Parts(Brightness):
    """Tells of two parts, of which the second holds of bright images only."""

    def score_with_details(self, images: torch.Tensor, prompts: list[str]) -> Any:
        scores = self.score(images, prompts)
        told = [
            [
                {"text": "an image", "score": 1.0, "holds": True},
                {"text": "bright", "score": score, "holds": score > 0},
            ]
            for score in scores.tolist()
        ]
        return scores, told


@pytest.mark.parametrize("start", [search, raced])
def test_what_a_verifier_tells_of_parts_is_in_the_report(start: Any) -> None:
    found = start(small_model("FLOW"), candidates=4, verifier=Parts())
    sample(found.model)
    report = best_report(found).to_dict()
    for one in report["candidates"]:
        (first, second) = one["details"]["brightness"]
        assert (first["text"], second["holds"]) == ("an image", one["score"] > 0)
        assert second["score"] == pytest.approx(one["score"])
    plain = start(small_model("FLOW"), candidates=4)
    sample(plain.model)
    assert best_report(plain).best == replace(best_report(found).best, details={})
