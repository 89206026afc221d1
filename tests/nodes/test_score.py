"""Verifier Score: lists, batches, mixed sizes, prompts; always the order in which the images came."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from node_calls import call
from noise_search.verifiers.ensemble import Ensemble
from small_models import Brightness

pytestmark = pytest.mark.usefixtures("comfy")


class Red:
    """Scores by redness, and one more for every picture whose prompt says so. Remembers what it was asked."""

    name, needs_prompt = "red", False

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], list[str]]] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.asked.append((tuple(images.shape), prompts))
        return images[..., 0].mean((1, 2)) + torch.tensor([float(prompt == "more") for prompt in prompts])


class Needy(Red):
    needs_prompt = True


def image(*reds: float, height: int = 4, width: int = 4, channels: int = 3) -> Tensor:
    batch = torch.zeros(len(reds), height, width, channels)
    batch[..., 0] = torch.tensor(reds).reshape(-1, 1, 1)
    return batch


def score(images: list[Tensor], *prompts: str, verifier: object = None) -> tuple[list[float], Tensor, int]:
    return call("VerifierScore", images=images, verifier=[verifier or Red()], prompt=list(prompts or [""]))


def test_a_list_of_images() -> None:
    scores, best, index = score([image(0.25), image(0.75), image(0.5)])
    assert scores == pytest.approx([0.25, 0.75, 0.5])
    assert index == 1
    assert torch.equal(best, image(0.75))


def test_a_batch_counts_one_by_one() -> None:
    scores, best, index = score([image(0.25, 0.5, 0.75)])
    assert scores == pytest.approx([0.25, 0.5, 0.75])
    assert index == 2
    assert torch.equal(best, image(0.75))


def test_a_list_of_batches_counts_through() -> None:
    scores, best, index = score([image(0.25, 0.5), image(1.0, 0.75)])
    assert scores == pytest.approx([0.25, 0.5, 1.0, 0.75])
    assert index == 2
    assert torch.equal(best, image(1.0))


def test_mixed_sizes_keep_their_order() -> None:
    sizes = [image(0.25), image(0.5, 0.75, height=8), image(1.0), image(0.5, width=16)]
    scores, best, index = score(sizes)
    assert scores == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5])
    assert index == 3
    assert best.shape == (1, 4, 4, 3)


def test_the_best_of_mixed_sizes_keeps_its_size() -> None:
    _, best, index = score([image(0.25), image(0.5, 0.75, height=8)])
    assert index == 2
    assert best.shape == (1, 8, 4, 3)


def test_neighbours_of_one_size_are_judged_together() -> None:
    verifier = Red()
    score([image(0.1), image(0.2), image(0.3, 0.4)], verifier=verifier)
    assert [shape for shape, _ in verifier.asked] == [(4, 4, 4, 3)]


def test_one_image_gives_one_score() -> None:
    """The executor hands a list of one to a loop as a plain number."""
    scores, best, index = score([image(0.5)])
    assert (scores, index) == ([0.5], 0)
    assert torch.equal(best, image(0.5))


def test_of_equal_images_the_first_is_best() -> None:
    assert score([image(0.5), image(0.5)])[2] == 0


def test_one_prompt_goes_with_every_image() -> None:
    verifier = Red()
    score([image(0.1), image(0.2, 0.3, height=8)], "a cat", verifier=verifier)
    assert [prompts for _, prompts in verifier.asked] == [["a cat"], ["a cat", "a cat"]]


def test_a_prompt_an_image_follows_its_image_through_mixed_sizes() -> None:
    scores, _, index = score([image(0.1), image(0.2, 0.3, height=8), image(0.4)], "", "", "more", "")
    assert scores == pytest.approx([0.1, 0.2, 1.3, 0.4])
    assert index == 2


def test_a_prompt_a_batch_goes_with_all_its_images() -> None:
    verifier = Red()
    score([image(0.1, 0.2), image(0.3, 0.4), image(0.5, 0.6)], "a", "b", "c", verifier=verifier)
    assert [prompts for _, prompts in verifier.asked] == [["a", "a", "b", "b", "c", "c"]]


def test_a_prompt_a_batch_of_several_sizes() -> None:
    scores, _, _ = score([image(0.1), image(0.2, 0.3, height=8)], "", "more")
    assert scores == pytest.approx([0.1, 1.2, 1.3])


def test_the_best_place_knows_the_batches_it_counts() -> None:
    _, _, index = score([image(0.1, 0.2), image(0.9)])
    assert (index, getattr(index, "sizes", None)) == (2, (2, 1))


@pytest.mark.parametrize("count", [0, 2])
def test_a_list_of_verifiers_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"Verifier Score: verifier holds a list of {count}, .* an Ensemble Verifier"):
        call("VerifierScore", images=[image(0.1)], verifier=[Red()] * count, prompt=[""])


def test_choices_in_braces_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    score([image(0.1)], "a {red|blue} circle", verifier=Red())
    assert not caplog.records
    score([image(0.1)], "a {red|blue} circle", verifier=Needy())
    assert "red reads all the words in the braces of 'a {red|blue} circle'" in caplog.text


@pytest.mark.parametrize("count", [2, 4])
def test_prompts_that_do_not_match_the_images_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"Verifier Score: {count} prompts for 3 images"):
        score([image(0.1, 0.2, 0.3)], *["a cat"] * count)


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        score([torch.zeros(0, 4, 4, 3)])


def test_an_empty_prompt_is_refused_where_one_is_needed() -> None:
    with pytest.raises(RuntimeError, match=r"Verifier Score: red .* prompt is empty"):
        score([image(0.1, 0.2)], "a cat", "", verifier=Needy())


def test_what_is_no_verifier_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Verifier Score: the verifier input holds a str"):
        score([image(0.1)], verifier="clip")


def test_transparency_is_kept_but_not_judged() -> None:
    verifier = Red()
    _, best, _ = score([image(0.1, 0.9, channels=4)], verifier=verifier)
    assert best.shape == (1, 4, 4, 4)
    assert verifier.asked[0][0] == (2, 4, 4, 3)


def test_many_images_are_judged_in_chunks_and_named_by_their_place() -> None:
    class Picky(Red):
        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            scores = super().score(images, prompts)
            return torch.where(scores > 0.9, torch.nan, scores)

    verifier = Red()
    scores, _, _ = score([image(*[index / 100 for index in range(50)])], verifier=verifier)
    assert scores == pytest.approx([index / 100 for index in range(50)])
    assert len(verifier.asked) > 1
    with pytest.raises(RuntimeError, match="red returned nan for image 40,"):
        score([image(*[0.1] * 30), image(*[0.1] * 10, 0.95, height=8)], verifier=Picky())


def test_an_image_with_nan_has_minus_infinity_and_is_shown_to_no_verifier(caplog: pytest.LogCaptureFixture) -> None:
    images = image(0.2, 0.9, 0.4)
    images[1, 0, 0, 0] = float("nan")
    scores, best, index = score([images])
    assert (scores[1], index) == (-float("inf"), 2)
    assert scores[0] < scores[2] and torch.equal(best[0], images[2])
    assert "image 1 can not be judged, because of NaN or infinite values" in caplog.text


def test_an_ensemble_ranks_the_other_images() -> None:
    images = image(0.2, 0.9, 0.4)
    images[1] = float("inf")
    scores, _, index = score([images], verifier=Ensemble([Red(), Red()]))
    assert (scores, index) == ([0.0, -float("inf"), 1.0], 2)


def test_where_no_image_can_be_judged_that_is_an_error() -> None:
    images = torch.full((2, 8, 8, 3), float("nan"))
    with pytest.raises(ValueError, match="NaN or infinite values in every image"):
        call("VerifierScore", images=[images], verifier=[Brightness()], prompt=[""])


def test_what_a_verifier_tells_of_parts_goes_along_with_the_number() -> None:
    class Telling(Red):
        def score_with_details(self, images: torch.Tensor, prompts: list[str]) -> tuple:
            scores = self.score(images, prompts)
            return scores, [[{"text": "red", "score": score, "holds": True}] for score in scores.tolist()]

    scores, _, _ = score([image(0.25, 0.5)], verifier=Ensemble([Telling(), Red()]))
    assert scores == [0.0, 1.0] and [one.details["red"][0]["score"] for one in scores] == [0.25, 0.5]
    assert not hasattr(score([image(0.25, 0.5)])[0][0], "details")


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (torch.full((1, 8, 8, 3), 200, dtype=torch.uint8), "the images are uint8 up to 200"),
        (torch.full((1, 8, 8, 3), 200.0), "the images are float32 up to 200"),
    ],
)
def test_images_of_another_range_are_refused(images: torch.Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=f"Verifier Score: {told}, but ComfyUI's are floats from 0 to 1"):
        score([images])


def test_a_verifier_of_videos_scores_each_batch_as_one_video() -> None:
    worst = importlib.import_module("noise_search.verifiers.video").by_worst_frame(Red())
    scores, best, index = score([image(0.25, 0.5), image(0.75, 0.3, 1.0)], verifier=worst)
    assert scores == pytest.approx([0.25, 0.3])
    assert index == 1
    assert torch.equal(best, image(0.75, 0.3, 1.0))


def test_videos_have_a_prompt_each_or_one_for_all() -> None:
    worst = importlib.import_module("noise_search.verifiers.video").by_worst_frame(Red())
    videos = [image(0.25, 0.5), image(0.75, 0.3, 1.0)]
    assert score(videos, "more", "", verifier=worst)[0] == pytest.approx([1.25, 0.3])
    assert score(videos, "more", verifier=worst)[0] == pytest.approx([1.25, 1.3])
    with pytest.raises(ValueError, match="3 prompts for 2"):
        score(videos, "", "", "", verifier=worst)
