"""Small images judge candidates on their way only where they rank as whole ones do; who finishes is judged whole."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from small_models import Brightness, SmallVAE, best_report, raced, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 12


class LinearVAE(SmallVAE):
    """Half the size is the mean of whole pixels. sides: of all latents that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.sides: list[int] = []

    def decode(self, latents: Tensor) -> Tensor:
        self.sides += [latents.shape[-1]] * len(latents)
        return (0.5 + latents[:, :3] / 50).movedim(1, -1)


class BigVAE(LinearVAE):
    """Says that a latent of 8 x 8 is an image of 512 x 512, of which half is enough for a verifier."""

    def spacial_compression_decode(self) -> int:
        return 64


class Upper(Brightness):
    """How much brighter the upper half is."""

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.asked.append(len(images))
        middle = images.shape[1] // 2
        return images[:, :middle].mean((1, 2, 3)) - images[:, middle:].mean((1, 2, 3))


class Contrary(Upper):
    """Ranks small images the other way round."""

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return super().score(images, prompts) * (1 if images.shape[1] == 8 else -1)


class Dear(Upper):
    pace = "coarse"


class OnlyWhole(BigVAE):
    def decode(self, latents: Tensor) -> Tensor:
        if latents.shape[-1] < 8:
            raise ValueError("too small")
        return super().decode(latents)


def judged(vae: Any, verifier: Any = None, **settings: Any) -> Any:
    found = raced(small_model("FLOW"), vae=vae, verifier=verifier or Upper(), **settings)
    sample(found.model, steps=STEPS)
    return best_report(found)


def test_small_images_judge_from_the_second_time_on_and_whole_ones_those_that_finish() -> None:
    plain, vae = judged(LinearVAE()), BigVAE()
    report = judged(vae)
    starts, finished = len(report.candidates), [one for one in report.candidates if one.is_finished]
    assert vae.sides[: 2 * starts] == [8] * starts + [4] * starts
    assert vae.sides[2 * starts :].count(8) == len(finished) and vae.sides.count(4) > starts
    assert report.best.score == pytest.approx(plain.best.score, abs=1e-6)
    assert report.best.recipe == plain.best.recipe
    assert "half the size" in report.notes[-1] and "rank correlation" in report.notes[-1]
    assert not plain.notes


@pytest.mark.parametrize("vae, verifier", [(BigVAE, Contrary), (OnlyWhole, Upper)], ids=["contrary", "fails"])
def test_small_images_that_do_not_rank_alike_never_judge(vae: Any, verifier: Any) -> None:
    plain, big = judged(LinearVAE()), vae()
    report = judged(big, verifier())
    assert report.candidates == plain.candidates
    assert big.sides.count(4) in (0, len(report.candidates)) and not report.notes


def test_where_a_score_is_dear_it_is_asked_for_once() -> None:
    vae, verifier = BigVAE(), Dear()
    judged(vae, verifier)
    assert 4 not in vae.sides and sum(verifier.asked) == len(vae.sides)


def test_looks_ahead_are_judged_so_too() -> None:
    vae = BigVAE()
    report = judged(vae, pruning="look ahead")
    assert 4 in vae.sides and report.notes


def test_each_image_of_a_batch_has_to_rank_alike() -> None:
    early = importlib.import_module("noise_search.search.judging.early")
    assert early.spearman([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60]) == pytest.approx(1)
    assert early.spearman([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]) == pytest.approx(-1)
    assert early.spearman([1, 1, 1, 1, 1, 1], [6, 5, 4, 3, 2, 1]) == 0
    assert early.spearman([1, 2, 3, 4, 5, float("-inf")], [1, 2, 3, 4, 5, 6]) == 0  # too few are left
    assert early.spearman([1, 2, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]) == pytest.approx(0.9856, abs=1e-4)  # by hand: ties

    judging = importlib.import_module("noise_search.search.judging.judge")
    small = importlib.import_module("noise_search.search.judging.small_images")

    class SecondWorse(Upper):
        """Of small images the odd rows, which are the second image's, are ranked the other way round."""

        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            flip = torch.ones(len(images))
            flip[1::2] = 1 if images.shape[1] == 8 else -1
            return super().score(images, prompts) * flip

    latents = torch.randn(12, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for verifier, is_small in ((Upper(), True), (SecondWorse(), False)):
        whole = judging.Judge(BigVAE(), verifier, "", [latents.shape])
        judge = early.EarlyJudge(whole, small.SmallImages(small.HalfSize(whole.vae), "half"), 2)
        judge.judge(latents, list(range(12)), str)
        assert judge.is_small == is_small
