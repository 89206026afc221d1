"""Clips that are made up: what moves evenly wins against what flickers, stands still, stutters and jumps."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.verifiers.base import WORST, VerifierError, ask, judges_videos, over_frames, parts
from noise_search.verifiers.ensemble import Ensemble

FRAMES, SIDE = 24, 96


def module() -> Any:
    return importlib.import_module("noise_search.verifiers.video")


def clip(places: list[float], brightness: list[float] | None = None, grain: float = 0.0) -> Tensor:
    """[frames, SIDE, SIDE, 3]: a disc at these places from left to right, of soft edge, on a ground with a pattern."""
    y, x = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    ground = 0.4 + 0.1 * torch.sin(x / 5) * torch.cos(y / 7)
    discs = [torch.sigmoid(14 - torch.hypot(x - place, y - SIDE / 2)) for place in places]
    frames = torch.stack([ground + 0.5 * disc for disc in discs])
    if brightness is not None:
        frames = frames * torch.tensor(brightness).reshape(-1, 1, 1)
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    return (frames + grain * noise).clamp(0, 1).unsqueeze(-1).expand(-1, -1, -1, 3)


def even(speed: float = 2.0) -> list[float]:
    return [20 + speed * at for at in range(FRAMES)]


def alternating(amount: float) -> list[float]:
    return [1 + amount * (-1) ** at for at in range(FRAMES)]


def score(video: Tensor) -> float:
    return module().VideoMotionVerifier().score_videos(video[None], [""])[0].item()


@pytest.mark.parametrize("grain", [0.0, 0.01])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_even_motion_wins_against_every_fault(speed: float, grain: float) -> None:
    places = even(speed)
    doubled = [places[at - at % 4] for at in range(FRAMES)]
    jumping = [*places[:12], *(place + 25 for place in places[12:])]
    faults = {
        "flicker": clip(places, alternating(0.03), grain),
        "still": clip([40.0] * FRAMES, None, grain),
        "stutter": clip(doubled, None, grain),
        "still that flickers": clip([40.0] * FRAMES, alternating(0.03), grain),
        "jump": clip(jumping, None, grain),
    }
    good = score(clip(places, None, grain))
    assert {name: score(video) for name, video in faults.items() if score(video) >= good - 0.05} == {}


def test_each_part_tells_of_its_own_fault() -> None:
    motion, places = module().motion, even()
    good, flickers = motion(clip(places)), motion(clip(places, alternating(0.03)))
    still, stutters = motion(clip([40.0] * FRAMES)), motion(clip([places[at - at % 4] for at in range(FRAMES)]))
    assert flickers.steady < 0.5 < good.steady
    assert still.moving == 0 and still.steady == 1 and good.moving > 0.5
    assert stutters.smooth < 0.6 < good.smooth
    assert all(0 <= share <= 1 for one in (good, flickers, still, stutters) for share in one)


def test_flicker_of_a_small_place_counts_too_and_more_of_it_more() -> None:
    still = clip(even())
    values = []
    for amount in (0.0, 0.1, 0.3):
        local = still.clone()
        local[::2, 60:90, 60:90] += amount
        values.append(module().motion(local.clamp(0, 1)).steady)
    assert values[0] > values[1] > values[2]


def test_the_size_of_the_video_hardly_matters() -> None:
    video = clip(even())
    larger = torch.nn.functional.interpolate(video.movedim(-1, 1), scale_factor=3, mode="bilinear").movedim(1, -1)
    assert score(larger) == pytest.approx(score(video), abs=0.02)


def test_it_tells_its_parts() -> None:
    scores, details = (
        module().VideoMotionVerifier().score_videos(torch.stack([clip(even()), clip([9.0] * 24)]), [""] * 2)
    )
    assert [part["text"] for part in details[0]] == ["steady", "smooth", "moving"]
    assert all(part["holds"] for part in details[0])
    assert not details[1][2]["holds"] and scores[0] > scores[1]


@pytest.mark.parametrize("frames", [1, 2])
def test_images_and_too_short_videos_are_an_error(frames: int) -> None:
    judge = module().VideoMotionVerifier()
    with pytest.raises(ValueError, match="at least 3"):
        judge.score_videos(torch.zeros(1, frames, 8, 8, 3), [""])
    with pytest.raises(VerifierError, match=r"video motion failed on image 0.*frames of a video.*at least 3"):
        ask(judge, torch.zeros(1, 8, 8, 3), [""], lambda row: f"image {row}")


def image_judge(name: str = "red") -> Any:
    return SimpleNamespace(name=name, needs_prompt=False, score=lambda images, prompts: images[..., 0].mean((1, 2)))


def test_by_its_worst_frame_a_verifier_is_another_and_itself_stays_what_it_is() -> None:
    mean = image_judge()
    worst = module().by_worst_frame(mean)
    assert over_frames(worst) == WORST and judges_videos(worst) and not judges_videos(mean)
    images = torch.rand(2, 4, 4, 3)
    assert torch.equal(worst.score(images, ["", ""]), mean.score(images, ["", ""]))


@dataclass(frozen=True)
class Frozen:
    name: str = "frozen"
    needs_prompt: bool = False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return images[..., 0].mean((1, 2))


def test_a_verifier_that_can_not_be_changed_counts_by_its_worst_frame_too() -> None:
    assert over_frames(module().by_worst_frame(Frozen())) == WORST


def test_of_an_ensemble_all_parts_count_by_their_worst_frame() -> None:
    both = Ensemble([image_judge("one"), image_judge("two")], held_out=image_judge("three"))
    worst = module().by_worst_frame(both)
    assert {name: over_frames(part) for name, part in parts(worst).items()} == dict.fromkeys(both.parts, WORST)
    assert not judges_videos(both)
    assert worst.held_out == {"three"} and worst.weights == both.weights
