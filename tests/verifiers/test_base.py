"""The verifier protocol: who counts as one, and what goes wrong with answers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.verifiers.base import Said, Verifier, VerifierError, ask, ask_for_details, pace, require
from noise_search.verifiers.ensemble import Ensemble


class Given:
    """Answers with what the test says."""

    name = "given"

    def __init__(self, answer: Callable[[Tensor, list[str]], Any], needs_prompt: bool = False) -> None:
        self.answer = answer
        self.needs_prompt = needs_prompt

    def score(self, images: Tensor, prompts: list[str]) -> Any:
        return self.answer(images, prompts)


def scores(answer: Any, count: int = 3) -> list[float]:
    verifier = Given(answer if callable(answer) else lambda images, prompts: answer)
    return ask(verifier, torch.zeros(count, 2, 2, 3), ["text"] * count, lambda index: f"image {index}")


def test_any_object_with_the_three_members_is_a_verifier() -> None:
    assert isinstance(Given(lambda images, prompts: images), Verifier)
    assert not isinstance(SimpleNamespace(name="x", needs_prompt=True), Verifier)


def test_require_hands_back_the_verifier() -> None:
    verifier = Given(lambda images, prompts: None, needs_prompt=True)
    assert require(verifier, "a cat", "Node") is verifier


def test_require_says_what_is_connected_instead_and_what_to_connect() -> None:
    with pytest.raises(VerifierError, match=r"^Random Search: the verifier input holds a str.*Connect the VERIFIER"):
        require("clip", "a cat", "Random Search")


@pytest.mark.parametrize("prompt", ["", "  ", "\n\t"])
def test_require_refuses_an_empty_prompt_where_one_is_needed(prompt: str) -> None:
    with pytest.raises(VerifierError, match=r"^Random Search: given .* the prompt is empty\. Write the prompt"):
        require(Given(lambda images, prompts: None, needs_prompt=True), prompt, "Random Search")


def test_require_lets_a_verifier_without_need_go_without_prompt() -> None:
    verifier = Given(lambda images, prompts: None)
    assert require(verifier, "", "Node") is verifier


def paced(name: str) -> Given:
    verifier = Given(lambda images, prompts: None)
    verifier.pace = name  # type: ignore[attr-defined]
    return verifier


def test_a_verifier_says_its_pace_or_has_the_fine_one() -> None:
    assert pace(Given(lambda images, prompts: None)) == "fine"
    assert [pace(paced(name)) for name in ("fast", "fine", "coarse")] == ["fast", "fine", "coarse"]


@pytest.mark.parametrize(
    ("names", "slowest"),
    [(("fast", "fast"), "fast"), (("fast", "fine"), "fine"), (("fine", "coarse", "fast"), "coarse")],
)
def test_an_ensemble_takes_the_slowest_pace_of_its_parts(names: tuple[str, ...], slowest: str) -> None:
    assert pace(Ensemble([paced(name) for name in names])) == slowest
    assert pace(Ensemble([paced(name) for name in names[:-1]], held_out=paced(names[-1]))) == slowest


@pytest.mark.usefixtures("comfy")
def test_image_reward_is_fast_and_vision_language_models_are_coarse() -> None:
    image_reward, vlm = (importlib.import_module(f"noise_search.verifiers.{name}") for name in ("image_reward", "vlm"))
    assert image_reward.ImageReward.pace == "fast"
    assert vlm.YesVerifier.pace == vlm.GradeVerifier.pace == "coarse"


def test_require_refuses_a_pace_that_there_is_not() -> None:
    with pytest.raises(VerifierError, match=r"^Node: given has the pace 'quick'; .* one of coarse, fine, fast"):
        require(paced("quick"), "a cat", "Node")


def test_ask_hands_over_images_and_prompts_as_they_are() -> None:
    images, told = torch.rand(2, 4, 4, 3), ["a", "b"]

    def answer(got: Tensor, prompts: list[str]) -> Tensor:
        assert got is images
        assert prompts is told
        return got.mean((1, 2, 3))

    assert ask(Given(answer), images, told, str) == pytest.approx(images.mean((1, 2, 3)).tolist())


@pytest.mark.parametrize(
    "answer",
    [
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([[1.0], [2.0], [3.0]]),
        torch.tensor([1, 2, 3]),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16),
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        [1.0, 2.0, 3.0],
    ],
)
def test_ask_gives_plain_floats_in_order(answer: Any) -> None:
    got = scores(answer)
    assert got == [1.0, 2.0, 3.0]
    assert all(type(value) is float for value in got)


def test_one_image_and_a_scalar() -> None:
    assert scores(torch.tensor(0.5), count=1) == [0.5]


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_a_score_that_is_not_finite_names_the_image(value: float, shown: str) -> None:
    with pytest.raises(VerifierError, match=f"^given returned {shown} for image 1, which is not a score"):
        scores([0.1, value, 0.3])


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_wrong_number_of_scores_says_how_many(count: int) -> None:
    with pytest.raises(VerifierError, match=f"^given returned {count} scores for 3 images"):
        scores([0.1] * count)


@pytest.mark.parametrize(("count", "named"), [(1, "image 0"), (3, "image 0 to image 2")])
def test_an_exception_names_verifier_images_and_cause(count: int, named: str) -> None:
    def answer(images: Tensor, prompts: list[str]) -> Tensor:
        raise KeyError("missing.weight")

    with pytest.raises(VerifierError, match=rf"^given failed on {named}: KeyError: 'missing\.weight'") as raised:
        scores(answer, count)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("answer", [None, ["high", "low", "low"]])
def test_an_answer_that_is_no_number_is_a_verifier_error(answer: Any) -> None:
    with pytest.raises(VerifierError, match="given"):
        scores(answer)


def test_an_interruption_is_not_the_verifiers_failure() -> None:
    class Interrupted(BaseException):
        pass

    def answer(images: Tensor, prompts: list[str]) -> Tensor:
        raise Interrupted

    with pytest.raises(Interrupted):
        scores(answer)


class Telling(Given):
    """A verifier with parts."""

    def score_with_details(self, images: Tensor, prompts: list[str]) -> Any:
        return self.answer(images, prompts)


def told(answer: Any, count: int = 2) -> list[Said]:
    verifier = Telling(lambda images, prompts: answer)
    return ask_for_details(verifier, torch.zeros(count, 2, 2, 3), ["text"] * count, lambda index: f"image {index}")


def test_details_come_with_the_scores_of_one_call() -> None:
    part = {"text": "a cat", "score": 0.9, "holds": True, "box": [0, 0, 4, 4]}
    assert told((torch.tensor([1.0, 2.0]), [[part], []])) == [Said(1.0, [part]), Said(2.0, [])]


def test_a_verifier_without_details_is_asked_as_always() -> None:
    verifier = Given(lambda images, prompts: [1.0, 2.0])
    assert ask_for_details(verifier, torch.zeros(2, 2, 2, 3), [""] * 2, str) == [Said(1.0), Said(2.0)]


@pytest.mark.parametrize(
    "answer",
    [
        torch.ones(2),
        (torch.ones(2), [[]]),
        (torch.ones(2), [[{"text": "a cat"}], []]),
        (torch.ones(2), [[{"text": "a cat", "score": float("nan"), "holds": True}], []]),
        (torch.ones(2), [[{"text": "a cat", "score": 1.0, "holds": True, "box": torch.ones(4)}], []]),
        (torch.ones(2), ["a cat", "a dog"]),
    ],
)
def test_details_that_are_none_are_an_error_that_names_the_verifier(answer: Any) -> None:
    with pytest.raises(VerifierError, match=r"^given returned .*image 0 to image 1"):
        told(answer)


def test_scores_beside_details_are_checked_as_well() -> None:
    with pytest.raises(VerifierError, match="nan for image 1"):
        told((torch.tensor([1.0, float("nan")]), [[], []]))
