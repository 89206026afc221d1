"""Captions: to text and back, and what the parser makes of other people's words."""

import numpy as np
import pytest

from noise_search.demo.benchmark import benchmark_captions
from noise_search.demo.captions import Caption, Group, parse
from noise_search.demo.world import PARTITIONS, random_caption


@pytest.mark.parametrize("total", PARTITIONS)
def test_text_and_back(total: int) -> None:
    rng = np.random.default_rng(total)
    for _ in range(100):
        caption = random_caption(rng, total)
        assert parse(str(caption)) == caption
        assert caption.total == total


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a RED circle to the left of the blue square", "a red circle left of a blue square"),
        ("2 big yellow stars over an orange cross", "two large yellow stars above an orange cross"),
        ("tiny purple disc, underneath three green boxes", "a small purple circle below three green squares"),
        ("two red crosses and one black triangle", "two red crosses and a black triangle"),
        ("red circle blue square", "a red circle and a blue square"),
        ("a (red:1.3) circle", "a red circle"),
        ("left of a red circle", "a red circle"),
        ("a red circle above", "a red circle"),
    ],
)
def test_other_ways_to_say_it(text: str, meant: str) -> None:
    assert str(parse(text)) == meant
    assert parse(text).unknown == ()


def test_unknown_words_are_reported() -> None:
    caption = parse("a fluffy red circle near a blue square, masterpiece")
    assert caption.unknown == ("fluffy", "near", "masterpiece")
    assert str(caption) == "a red circle and a blue square"


def test_what_a_caption_leaves_open_is_none() -> None:
    assert parse("two stars left of a red one") == Caption(
        (Group(count=2, shape="star"), Group(color="red"), Group()), ("left", "and")
    )


def test_no_shapes() -> None:
    assert parse("") == parse("masterpiece") == Caption(())
    assert str(parse("")) == ""


def test_benchmark_is_fixed_and_without_repetition() -> None:
    captions = benchmark_captions(40, seed=3)
    assert captions == benchmark_captions(40, seed=3)
    assert captions[:10] == benchmark_captions(10, seed=3)
    assert captions != benchmark_captions(40, seed=4)
    assert len(set(captions)) == 40
