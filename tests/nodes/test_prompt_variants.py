"""A prompt said in several ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from node_calls import call

pytestmark = pytest.mark.usefixtures("comfy")


class Clip:
    """Encodes a text to its length."""

    def tokenize(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def encode_from_tokens_scheduled(self, tokens: list[int]) -> list[Any]:
        return [[torch.full((1, 2, 3), float(len(tokens))), {"pooled_output": torch.zeros(1, 3)}]]


def texts(variants: str) -> list[str]:
    positives, told = call("PromptVariants", clip=Clip(), variants=variants)
    assert positives.texts == ("", *told.splitlines())
    for text, ((embedding, _),) in positives.variants.items():
        assert float(embedding.max()) == len(text)
    return told.splitlines()


def test_lines_are_wordings_without_signs_and_numbers_each_once() -> None:
    assert texts("- a cat\n\n2. a small cat \n* a cat\n12 monkeys\n") == ["a cat", "a small cat", "12 monkeys"]


def test_choices_in_braces_make_one_of_each() -> None:
    assert texts("a {red|blue} {cat|dog}") == ["a red cat", "a red dog", "a blue cat", "a blue dog"]
    nested = ["a small cat", "a small young dog", "a small old dog", "a cat", "a young dog", "a old dog"]
    assert texts("a {small |}{cat|{young|old} dog}") == nested


@pytest.mark.parametrize("variants", ["", " \n- \n"])
def test_none_is_an_error(variants: str) -> None:
    with pytest.raises(ValueError, match="Prompt Variants: there are no variants"):
        texts(variants)


@pytest.mark.parametrize("variants", ["{a|b|c|d}" * 4, "\n".join(f"cat {at}" for at in range(65))])
def test_too_many_are_an_error(variants: str) -> None:
    with pytest.raises(ValueError, match="and 64 are the most"):
        texts(variants)
