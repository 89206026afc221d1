"""What candidates are judged by: the text on the search node, or the one that the sampler draws."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from comfy_graph import Graph

pytestmark = pytest.mark.usefixtures("comfy")
TITLE, JUDGE = "Random Search (node 5)", "listener"


def prompt_text() -> Any:
    return importlib.import_module("noise_search.search.host.prompt_text")


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a red circle", "a red circle"),
        ("a red (circle:1.3)", "a red circle"),
        ("((a) (red:0.5) circle)", "a red circle"),
        (r"a cat \(sitting\), \\ ok", r"a cat (sitting), \\ ok"),
        (r"(a \(small\) cat:1.2)", "a (small) cat"),
        ("a cat, embedding:fluffy, outside", "a cat, outside"),
        ("embedding:fluffy a cat", "a cat"),
        ("a cat, (embedding:fluffy:1.2)", "a cat"),
        ("embedding:fluffy", ""),
        ("[a] {red|blue} circle", "[a] {red|blue} circle"),
        (" a cat\n", "a cat"),
        ("12:30 on a clock (at noon)", "12:30 on a clock at noon"),
    ],
)
def test_a_text_as_it_is_drawn(text: str, drawn: str) -> None:
    assert prompt_text().as_drawn(text) == drawn


@pytest.mark.parametrize("text", ["{a|b}", "a {red|blue} circle", "{a|{b}}", "{{a|b}}", "x {a} {b|c}", "{a {b|c} d}"])
def test_choices_are_seen(text: str) -> None:
    assert prompt_text().has_choices(text)


@pytest.mark.parametrize("text", ["a|b", "{a}", r"\{a|b\}", r"{a\|b}", "{a|b", "a|b}", "} | {", ""])
def test_what_is_no_choice(text: str) -> None:
    assert not prompt_text().has_choices(text)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("a red circle", "a {red|blue} circle"),
        ("a {red|blue} circle", "a {red|blue} circle"),
        ("a dark blue circle", "a {red|{light|dark} blue} circle"),
        ("a  circle", "a {|red} circle"),
        ("one | two {b}", r"{one|1} \| two \{b\}"),
        ("a red circle", "a {red|blue} /* or green */circle"),
        ("is this (ok)?", "is {this|that} (ok)?"),
        ("a red", "a {red|blue"),
    ],
)
def test_what_the_front_end_makes_of_choices(text: str, template: str) -> None:
    assert prompt_text().is_draw(text, template)


@pytest.mark.parametrize("text", ["a green circle", "a red|blue circle", "a redblue circle", "a red circle.", ""])
def test_what_it_does_not_make_of_them(text: str) -> None:
    assert not prompt_text().is_draw(text, "a {red|blue} circle")


@pytest.fixture
def running(comfy: Any) -> Iterator[Any]:
    """run(text...) makes a KSampler the node that is executing, with these texts on its positive side."""
    progress = importlib.import_module("comfy_execution.progress")
    utils = importlib.import_module("comfy_execution.utils")
    graph = importlib.import_module("comfy_execution.graph")

    def judged_by(written: str, *drawn: str) -> Any:
        made = Graph()
        positive = made.node("CLIPTextEncode", text=drawn[0])
        for text in drawn[1:]:
            other = made.node("CLIPTextEncode", text=text)
            positive = made.node("ConditioningCombine", conditioning_1=positive, conditioning_2=other)
        sampler = made.node("KSampler", positive=positive)
        progress.reset_progress_state("prompt", graph.DynamicPrompt(made.prompt))
        with utils.CurrentNodeContext("prompt", sampler.id, 0):
            return prompt_text().judged_by(written, TITLE, JUDGE)

    yield judged_by
    progress.reset_progress_state("", graph.DynamicPrompt({}))


def test_a_text_that_is_written_is_the_one(running: Any) -> None:
    assert running("a cat", "a dog") == ("a cat", False)
    assert running("a cat", "a dog", "a bird") == ("a cat", False)


@pytest.mark.parametrize("written", ["", " \n"])
def test_where_none_is_written_it_is_what_the_sampler_draws(
    running: Any, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert running(written, "a red (circle:1.3)") == ("a red circle", True)
    assert f"{TITLE}: judged by: a red circle (what the sampler draws, from node 1 (CLIPTextEncode))" in caplog.text


def test_two_ways_to_write_one_text(running: Any) -> None:
    assert running("", "a (red:1.2) circle", "a red circle").text == "a red circle"


@pytest.mark.parametrize("drawn", ["a blue circle", "a (blue:1.4) circle", "a {red|(blue:1.4)} circle"])
def test_choices_are_those_that_are_drawn(running: Any, drawn: str) -> None:
    judged = running("a {red|(blue:1.4)} circle", drawn)
    assert judged == (drawn.replace("(blue:1.4)", "blue"), True)


@pytest.mark.parametrize(
    ("written", "drawn", "said"),
    [
        (
            "",
            ["a cat", "a dog"],
            r"several .* 'a cat' \(node 1 \(CLIPTextEncode\)\), 'a dog' \(node 2 .*Write the text",
        ),
        ("", [""], "the prompt is empty.* There is none on the sampler's positive side. Write the text"),
        ("", ["embedding:fluffy"], "There is none but"),
        ("a {red|blue} cat", ["a dog"], "choices in braces.* the sampler draws 'a dog' .* Leave the prompt empty"),
        ("a {red|blue} cat", ["a red cat", "a dog"], "choices in braces.* several"),
    ],
)
def test_what_is_not_one_text_is_refused(running: Any, written: str, drawn: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^Random Search \(node 5\): .*{said}"):
        running(written, *drawn)


def test_where_no_prompt_is_running(running: Any) -> None:
    assert prompt_text().judged_by("", TITLE, JUDGE) == ("", False)
    utils = importlib.import_module("comfy_execution.utils")
    with utils.CurrentNodeContext("another", "3", 0), pytest.raises(ValueError, match="the prompt is empty"):
        prompt_text().judged_by("", TITLE, JUDGE)


@pytest.mark.parametrize("written", ["a (cat:1.2)", "a cat, embedding:fluffy"])
def test_weights_that_are_written_for_the_verifier_are_told_of(
    running: Any, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert running(written, "a dog") == (written, False)
    assert f"which {JUDGE} reads as they stand. Leave it empty" in caplog.text
    caplog.clear()
    running("a cat (sitting) at 12:30", "a dog")
    assert not caplog.records
