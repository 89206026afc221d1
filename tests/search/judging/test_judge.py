"""Which frames of a video a verifier sees, and what becomes of their scores."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.search.pictures.thumbnail import from_pil
from small_models import SmallVAE, best_report, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
FRAMES, SIDE = 9, 4


def judging() -> Any:
    return importlib.import_module("noise_search.search.judging.judge")


class Watching:
    """Scores an image by the mean of its red, and keeps what it has seen."""

    name, needs_prompt = "watching", False

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.seen.append(images)
        return images[..., 0].mean((1, 2))


class Comparing(Watching):
    """Scores by how far an image is from its prediction."""

    level = 0.4

    def score_with_prediction(self, images: Tensor, predictions: Tensor, prompts: list[str]) -> Tensor:
        self.seen.append(predictions)
        return (images - predictions).mean((1, 2, 3))


def videos(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 16, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def judge(verifier: Any, latents: Tensor, frames: int, predictions: Any = None) -> Any:
    decides = judging().Judge(SmallVAE(16, dims=3), verifier, "", [latents.shape], frames)
    return decides.judge(latents, lambda row: f"candidate {row}", predictions)


def decoded(latents: Tensor) -> Tensor:
    return SmallVAE(16, dims=3).decode(latents)


@pytest.mark.parametrize(
    "frames, wanted, expected",
    [
        (9, 3, [0, 4, 8]),
        (10, 4, [0, 3, 6, 9]),
        (81, 8, [0, 11, 23, 34, 46, 57, 69, 80]),
        (9, 2, [0, 8]),
        (9, 1, [4]),
        (3, 3, [0, 1, 2]),
        (3, 8, [0, 1, 2]),
        (3, 0, [0, 1, 2]),
        (1, 8, [0]),
    ],
)
def test_frames_are_evenly_spaced_with_the_first_and_the_last(frames: int, wanted: int, expected: list[int]) -> None:
    assert judging().spread(frames, wanted) == expected


def test_no_frame_is_taken_twice_and_distances_differ_by_one_at_most() -> None:
    for length in range(2, 40):
        for wanted in range(2, length + 1):
            chosen = judging().spread(length, wanted)
            distances = {after - before for before, after in pairwise(chosen)}
            assert (len(chosen), chosen[0], chosen[-1]) == (wanted, 0, length - 1)
            assert min(distances) >= 1
            assert max(distances) - min(distances) <= 1


def test_the_verifier_sees_these_frames_and_the_score_is_their_mean() -> None:
    verifier, latents = Watching(), videos(2)
    judged = judge(verifier, latents, 3)
    shown = decoded(latents)[:, [0, 4, 8]]
    assert torch.equal(torch.cat(verifier.seen), shown.flatten(0, 1))
    expected = shown[..., 0].mean((1, 2, 3)).tolist()
    assert [scores["watching"] for scores in judged.scores] == pytest.approx(expected)


class Parts(Watching):
    """Tells of one part: the brightness."""

    def score_with_details(self, images: Tensor, prompts: list[str]) -> Any:
        scores = self.score(images, prompts)
        return scores, [[{"text": "bright", "score": score, "holds": score > 0}] for score in scores.tolist()]


def test_the_details_of_a_video_are_those_of_its_weakest_frame() -> None:
    latents, frames = videos(3), [0, 4, 8]
    told = judge(Parts(), latents, 3).details
    weakest = decoded(latents)[:, frames][..., 0].mean((2, 3)).min(1).values
    assert [one["watching"][0]["score"] for one in told] == pytest.approx(weakest.tolist())
    assert all(one.keys() == {"watching"} and len(one["watching"]) == 1 for one in told)


def test_predictions_are_those_of_the_same_frames() -> None:
    verifier, latents, x0 = Comparing(), videos(2), videos(2, seed=1)
    judged = judge(verifier, latents, 3, {Comparing.level: x0})
    chosen = [0, 4, 8]
    assert torch.equal(torch.cat(verifier.seen), decoded(x0)[:, chosen].flatten(0, 1))
    expected = (decoded(latents) - decoded(x0))[:, chosen].mean((1, 2, 3, 4)).tolist()
    assert [scores["watching"] for scores in judged.scores] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("frames", [0, 2])
def test_the_picture_of_a_video_is_its_middle_frame(frames: int) -> None:
    latents = videos(2)
    for picture, video in zip(judge(Watching(), latents, frames).pictures, decoded(latents)):
        assert torch.allclose(from_pil(picture), video[FRAMES // 2].clamp(0, 1), atol=1 / 255)


@pytest.mark.parametrize("dims, together", [(2, 16), (3, 1)])
def test_only_a_few_are_there_as_images(dims: int, together: int) -> None:
    """Of 40 images never more than 16, of videos one; scores, pictures and names stay in their order."""
    latents = torch.rand(40, 16, SIDE, SIDE) if dims == 2 else torch.rand(40, 16, FRAMES, SIDE, SIDE)
    made: list[weakref.ref[Tensor]] = []

    class Decodes(SmallVAE):
        def decode(self, latent: Tensor) -> Tensor:
            images = super().decode(latent)
            made.append(weakref.ref(images))
            assert sum(len(there()) for there in made if there() is not None) <= together
            return images

    class Brightness(Watching):
        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            return images.mean((1, 2, 3))

    verifier = Brightness()
    judged = judging().Judge(Decodes(16, dims=dims), verifier, "", [latents.shape]).judge(latents, str)
    images = SmallVAE(16, dims=dims).decode(latents)
    expected = images.flatten(1).mean(1).tolist()
    assert [scores["watching"] for scores in judged.scores] == pytest.approx(expected, abs=1e-6)
    shown = images if dims == 2 else images[:, FRAMES // 2]
    assert [from_pil(picture).shape for picture in judged.pictures] == [image.shape for image in shown]
    latents[30] = torch.nan
    judged = judging().Judge(SmallVAE(16, dims=dims), verifier, "", [latents.shape]).judge(latents, str)
    assert [at for at, reason in enumerate(judged.failed) if reason] == [30]
    assert (judged.scores[30], judged.pictures[30]) == ({}, None)
    sound = [scores["watching"] for scores in judged.scores if scores]
    assert sound == pytest.approx(expected[:30] + expected[31:], abs=1e-6)


def test_an_error_names_the_candidate_of_the_frame() -> None:
    class Blind(Watching):
        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            self.seen.append(images)
            return torch.tensor([0.0, 0.0, float("nan") if len(self.seen) == 2 else 0.0])

    error = importlib.import_module("noise_search.verifiers.base").VerifierError
    with pytest.raises(error, match="watching returned nan for candidate 1,"):
        judge(Blind(), videos(2), 3)


def test_a_search_over_videos_judges_so_many_frames_a_candidate() -> None:
    found = search(
        small_model("FLOW", channels=16, dims=3), candidates=4, vae=SmallVAE(16, dims=3), verifier=Watching(), frames=2
    )
    sample(found.model, latent={"samples": torch.zeros(1, 16, 5, 8, 8)})
    seen = torch.cat(found.verifier.seen)
    assert len(seen) == 4 * 2
    expected = seen[..., 0].mean((1, 2)).reshape(4, 2).mean(1).tolist()
    assert [candidate.score for candidate in best_report(found).candidates] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["FLOW", "EPS"])
def test_a_prediction_that_would_be_the_image_itself_is_refused(kind: str) -> None:
    """With 2 steps the last one begins at level 0.5 of a flow model: its prediction is the result."""
    found = search(small_model(kind), candidates=2, verifier=Comparing())
    with pytest.raises(
        ValueError, match=r"\(node 1\): watching compares .* at noise level 0\.4, but the last step begins"
    ):
        sample(found.model, steps=2)
    sample(found.model, steps=10)
    assert len(best_report(found).candidates) == 2


class OnlyDecodes:
    """A VAE of another pack. make: what `decode` gives, of the right images."""

    def __init__(self, make: Callable[[Tensor, Tensor], Any] = lambda images, latents: images):
        self._make = make
        self._vae = SmallVAE(16, dims=3)

    def decode(self, latents: Tensor) -> Any:
        if latents.ndim == 4:
            return self._make(self._vae.decode(latents.unsqueeze(2))[:, 0], latents)
        return self._make(self._vae.decode(latents), latents)


def one_at_a_time(images: Tensor, latents: Tensor) -> Tensor:
    if len(latents) > 1:
        raise RuntimeError("this engine has a batch size of 1")
    return images


def writes_into_the_latent(images: Tensor, latents: Tensor) -> Tensor:
    latents.mul_(0)
    return images


DECODES = {
    "nothing else": lambda images, latents: images,
    "frames in a row": lambda images, latents: images.flatten(0, -4) if images.ndim == 5 else images,
    "a frame each": lambda images, latents: images if images.ndim == 5 else images.unsqueeze(1),
    "one at a time": one_at_a_time,
    "only the first": lambda images, latents: images[:1],
    "with transparency": lambda images, latents: torch.cat([images, images[..., :1]], -1),
    "in half precision": lambda images, latents: images.half(),
    "and writes": writes_into_the_latent,
}


@pytest.mark.parametrize("frames", [0, 1, 5])
@pytest.mark.parametrize("decodes", DECODES)
def test_a_vae_needs_nothing_but_decode(decodes: str, frames: int) -> None:
    """frames: 0 for images."""
    draw = torch.Generator().manual_seed(1)
    latents = torch.rand((4, 16, frames, 8, 8) if frames else (4, 16, 8, 8), generator=draw)
    before = latents.clone()
    pattern = importlib.import_module("small_models").Brightness()
    judge = judging().Judge(OnlyDecodes(DECODES[decodes]), pattern, "", [latents.shape])
    assert judge.misfit() is None
    judged = judge.judge(latents, str)
    expected = judging().Judge(SmallVAE(16, dims=3 if frames else 2), pattern, "", [latents.shape]).judge(before, str)
    assert [score["brightness"] for score in judged.scores] == pytest.approx(
        [score["brightness"] for score in expected.scores], abs=1e-3
    )
    assert judged.failed == [""] * 4
    assert torch.equal(latents, before), "the winner is made of these"


def test_a_vae_that_takes_one_at_a_time_is_given_several_only_once(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def decode(images: Tensor, latents: Tensor) -> Tensor:
        asked.append(len(latents))
        return one_at_a_time(images, latents)

    judge = judging().Judge(OnlyDecodes(decode), Watching(), "", [(1, 16, 8, 8)])
    with caplog.at_level("INFO"):
        for _ in range(3):
            judge.judge(torch.rand(5, 16, 8, 8), str)
    assert asked == [5, *[1] * 15]
    assert caplog.text.count("takes one latent at a time") == 1


@pytest.mark.parametrize(
    "vae", [None, object(), "a name", SimpleNamespace(decode=None)], ids=lambda vae: type(vae).__name__
)
def test_what_does_not_decode_is_no_vae(vae: Any) -> None:
    misfit = judging().Judge(vae, Watching(), "", [(1, 16, 8, 8)]).misfit()
    assert f"The vae input holds a {type(vae).__name__}, without decode()" in misfit


def test_a_vae_may_say_a_part_of_what_it_is() -> None:
    channels = SimpleNamespace(decode=len, latent_channels=4)
    assert judging().Judge(channels, Watching(), "", [(1, 4, 8, 8)]).misfit() is None
    assert "4 channels" in judging().Judge(channels, Watching(), "", [(1, 16, 8, 8)]).misfit()
    video = SimpleNamespace(decode=len, latent_dim=3)
    assert judging().Judge(video, Watching(), "", [(1, 4, 5, 8, 8)]).misfit() is None
    assert "does not fit" in judging().Judge(video, Watching(), "", [(1, 4, 8, 8)]).misfit()


def test_a_prediction_that_can_not_be_decoded_fails_its_candidate() -> None:
    class Comparing(Watching):
        level = 0.5

        def score_with_prediction(self, images: Tensor, predictions: Tensor, prompts: list[str]) -> Tensor:
            assert torch.isfinite(predictions).all()
            return (images - predictions).flatten(1).mean(1)

    latents, x0 = torch.rand(4, 16, 8, 8), torch.rand(4, 16, 8, 8)
    x0[1] = float("nan")
    latents[2] = float("inf")
    judged = judging().Judge(SmallVAE(16), Comparing(), "", [latents.shape]).judge(latents, str, {0.5: x0})
    assert [bool(reason) for reason in judged.failed] == [False, True, True, False]
    expected = (SmallVAE(16).decode(latents) - SmallVAE(16).decode(x0)).flatten(1).mean(1)
    assert [judged.scores[at]["watching"] for at in (0, 3)] == pytest.approx([expected[0].item(), expected[3].item()])


def video_judges() -> Any:
    return importlib.import_module("noise_search.verifiers.video")


def test_a_video_counts_by_its_worst_frame_where_a_verifier_says_so() -> None:
    latents = videos(3)
    judged = judge(video_judges().by_worst_frame(Watching()), latents, 3)
    worst = decoded(latents)[:, [0, 4, 8]][..., 0].mean((2, 3)).min(1).values
    assert [scores["watching"] for scores in judged.scores] == pytest.approx(worst.tolist())


class Whole(Watching):
    """Judges a video by its length and its first frame."""

    name = "whole"

    def score_videos(self, videos: Tensor, prompts: list[str]) -> Any:
        self.seen.append(videos)
        return videos[:, 0].mean((1, 2, 3)), [[] for _ in videos]


def test_a_verifier_of_videos_sees_all_frames_together_beside_one_of_images() -> None:
    whole, frames, latents = Whole(), Watching(), videos(2)
    ensemble = importlib.import_module("noise_search.verifiers.ensemble").Ensemble
    judged = judge(ensemble([whole, frames]), latents, 3)
    seen = decoded(latents)
    assert torch.equal(torch.cat(whole.seen), seen)
    assert torch.equal(torch.cat(frames.seen), seen[:, [0, 4, 8]].flatten(0, 1))
    assert [list(scores) for scores in judged.scores] == [["whole", "watching"]] * 2
    assert [scores["whole"] for scores in judged.scores] == pytest.approx(seen[:, 0].mean((1, 2, 3)).tolist())
