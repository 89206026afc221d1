"""Requirements as questions: to ComfyUI's own Qwen3-VL, made small, and to a stand-in that answers as told."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.verifiers.base import Detailed, VerifierError, ask_for_details
from reference_inputs import images
from small_vlm import small_vlm

pytestmark = pytest.mark.usefixtures("comfy")
LIST = ["a cat", "a red hat", "Is it night?"]


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def made(model: Any, requirements: list[str], *lines: Any) -> Any:
    return module("checklist").ChecklistVerifier(model, requirements, lines)


def pictures() -> Tensor:
    return torch.stack([image[:64, :96] for image in images()]).float() / 255


class Told:
    """Says yes to a text with a probability that depends on the image's brightness. Token 1 is yes, 2 is no."""

    def __init__(self, sure: dict[str, float]):
        self.sure, self.asked = sure, []

    def first_tokens(self, words: tuple[str, ...]) -> list[int]:
        return [1] if "yes" in words else [2]

    def next_token(self, image: Tensor, text: str) -> Tensor:
        self.asked.append(text)
        probability = next(value for name, value in self.sure.items() if name in text) * float(image.mean())
        return torch.tensor([5.0, math.log(probability), math.log(1 - probability)])


def test_the_score_is_the_geometric_mean_of_yes() -> None:
    model = Told({"a cat": 0.9, "a red hat": 0.4, "night": 0.8})
    scores, told = made(model, LIST).score_with_details(torch.ones(1, 4, 4, 3), [""])
    assert scores.tolist() == pytest.approx([(0.9 * 0.4 * 0.8) ** (1 / 3)])
    assert [(part["text"], part["holds"]) for part in told[0]] == [(LIST[0], True), (LIST[1], False), (LIST[2], True)]
    assert [part["score"] for part in told[0]] == pytest.approx([0.9, 0.4, 0.8])


def test_a_requirement_that_is_a_question_is_asked_as_it_stands() -> None:
    model = Told({"": 0.5})
    made(model, LIST).score(torch.ones(1, 4, 4, 3), [""])
    assert model.asked[0] == 'Is this true of the image: "a cat"? Answer with yes or no.'
    assert model.asked[2] == "Is it night? Answer with yes or no."


def test_one_that_fails_costs_more_than_two_that_are_unsure() -> None:
    fails, unsure = Told({"a cat": 0.01, "hat": 0.99, "night": 0.99}), Told({"": 0.6})
    image = torch.ones(1, 4, 4, 3)
    assert made(fails, LIST).score(image, [""]) < made(unsure, LIST).score(image, [""])
    never = Told({"a cat": 1e-30, "hat": 0.99, "night": 0.5}), Told({"a cat": 1e-30, "hat": 0.5, "night": 0.5})
    first, second = (made(model, LIST).score(image, [""]) for model in never)
    assert first > second > 0, "what else is right still counts"


def test_lines_of_a_text_are_requirements() -> None:
    text = "- a cat\n\n * a red hat\n   Is it night?  \n•\n"
    assert module("checklist").requirements_in(text) == LIST


def test_one_image_encoding_serves_all_questions() -> None:
    """Of ComfyUI's own Qwen3-VL; the answers are those of one question at a time."""
    model = module("vlm").HostModel(small_vlm())
    encoded, visual = [], model.transformer.visual
    visual.register_forward_pre_hook(lambda _network, given: encoded.append(len(given[0])))
    verifier = made(model, LIST)
    scores, told = verifier.score_with_details(pictures(), [""] * 4)
    assert len(encoded) == 4
    assert "preprocess_embed" not in vars(model.transformer), "it is as it was"
    for picture, parts in zip(pictures(), told, strict=True):
        for part in parts:
            text = verifier._asked(part["text"])
            logits = model.next_token(picture[None], text)
            alone = torch.sigmoid(logits[verifier.yes].logsumexp(0) - logits[verifier.no].logsumexp(0))
            assert part["score"] == pytest.approx(float(alone), abs=1e-6)
    assert len(encoded) == 4 + 4 * 3
    assert len({round(float(score), 6) for score in scores}) == 4


def test_an_error_on_the_way_leaves_the_model_as_it_was() -> None:
    model = module("vlm").HostModel(small_vlm())
    model.transformer.visual.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(model, LIST).score(pictures()[:1], [""])
    assert not {"preprocess_embed", "sample_token"} & set(vars(model.transformer))


class Red:
    name, needs_prompt = "red", False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return images[..., 0].mean((1, 2))


class Words(Red):
    name, needs_prompt = "text", True
    told = ({"text": "OPEN", "score": -0.2, "holds": True, "box": [1, 2]}, {"text": "24", "score": 0.3, "holds": False})

    def score_with_details(self, images: Tensor, prompts: list[str]) -> Any:
        return self.score(images, prompts), [list(self.told) for _ in images]


def test_other_verifiers_are_lines_of_the_list() -> None:
    line = module("checklist").Line
    verifier = made(Told({"a cat": 0.9}), ["a cat"], line(Words()), line(Red(), 0.5))
    assert verifier.needs_prompt and isinstance(verifier, Detailed)
    bright, dark = ask_for_details(
        verifier, torch.stack([torch.full((4, 4, 3), v) for v in (0.99, 0.4)]), [""] * 2, str
    )
    assert [part["text"] for part in bright.details] == ["a cat", "OPEN", "24", "red 0.5"]
    assert [part["holds"] for part in bright.details] == [True, True, False, True]
    assert [part["holds"] for part in dark.details] == [False, True, False, False]
    probabilities = [part["probability"] for part in bright.details]
    assert probabilities[1:3] == [1.0, 0.3] and 0.5 < probabilities[3] < 1
    assert bright.score == pytest.approx(math.prod(probabilities) ** 0.25) and dark.score < bright.score
    assert bright.details[1]["box"] == [1, 2]
    even = ask_for_details(made(None, [], line(Red(), 0.4)), torch.full((1, 4, 4, 3), 0.4), [""], str)[0]
    assert even.score == pytest.approx(0.5) and even.details[0]["holds"] in (True, False)


def test_a_list_of_other_verifiers_needs_no_model() -> None:
    assert made(None, [], module("checklist").Line(Red(), 0.0)).score(torch.ones(2, 4, 4, 3), [""] * 2).shape == (2,)


def test_a_verifier_that_tells_of_nothing_is_named() -> None:
    class Silent(Words):
        told = ()

    with pytest.raises(VerifierError, match="text tells of no parts"):
        made(None, [], module("checklist").Line(Silent())).score(torch.ones(1, 4, 4, 3), [""])


def test_what_can_not_be_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no requirements\. Write one a line"):
        made(None, [])
    with pytest.raises(ValueError, match="need a vision-language model"):
        made(None, ["a cat"])
    with pytest.raises(ValueError, match="where the requirement goes"):
        module("checklist").ChecklistVerifier(Told({}), LIST, question="Is it good?")
