"""Pruning by hand in the real front end: the search pauses, its candidates are ticked, and it goes on with those."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from comfy_client import Client
from seen_boards import BOTH, QUIET, SHOW, Boards, show
from shapes_graph import ShapesGraph

STEPS = 10


def pausing(boards: Boards, seed: int, images: int = 1, **settings: object) -> None:
    graph = ShapesGraph("a blue cross right of two red circles", images=images, steps=STEPS)
    searched = graph.search(4, pruning="by hand", **settings)
    graph.saved(graph.ksampler(searched, seed=seed + boards.later))
    show(boards, graph)
    boards.start()


def asked(boards: Boards) -> Locator:
    return boards.of().locator(".by-hand")


def wait_for(boards: Boards, step: int) -> None:
    expect(asked(boards).locator(".asked")).to_contain_text(f"Step {step},", timeout=120_000)


def boxes(boards: Boards) -> Locator:
    return asked(boards).get_by_role("checkbox")


def press(boards: Boards, name: str | re.Pattern[str]) -> None:
    asked(boards).get_by_role("button", name=name).click()


def ticked(boards: Boards) -> int:
    return asked(boards).locator("input:checked").count()


@BOTH
def test_what_is_ticked_goes_on(boards: Boards) -> None:
    pausing(boards, seed=71_000)
    wait_for(boards, 3)
    expect(asked(boards).locator(".asked")).to_contain_text("pause 1 of 2")
    expect(asked(boards).locator(".ends")).to_contain_text("the verifier's choice goes on")
    count = boxes(boards).count()
    by_verifier = ticked(boards)
    assert 0 < by_verifier < count
    expect(asked(boards).locator("img").first).to_have_js_property("complete", True)
    press(boards, "All")
    assert ticked(boards) == count
    press(boards, "None")
    assert ticked(boards) == 0
    expect(asked(boards).get_by_role("button", name="Go on with 0")).to_be_disabled()
    press(boards, "Verifier's choice")
    assert ticked(boards) == by_verifier
    press(boards, "None")
    boxes(boards).nth(count - 1).check()
    boxes(boards).nth(count - 2).check()
    press(boards, "Go on with 2")
    wait_for(boards, 6)
    expect(boxes(boards)).to_have_count(2)
    press(boards, "All")
    press(boards, "Go on with 2")
    assert boards.wait_for_end() == "success"
    expect(asked(boards)).to_be_hidden()
    expect(boards.of()).to_contain_text(f"{count} candidates, 2 to the end")
    expect(boards.of()).to_contain_text("after step 3 a person, 2 of")


@BOTH
def test_it_opens_by_itself_and_a_tile_can_be_seen_large(boards: Boards) -> None:
    """The board is compact where nobody has opened it."""
    graph = ShapesGraph(steps=STEPS)
    graph.saved(graph.ksampler(graph.search(4, pruning="by hand"), seed=72_000 + boards.later))
    show(boards, graph)
    boards.page.evaluate(SHOW, "RandomSearch")
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    wait_for(boards, 3)
    expect(boxes(boards).first).to_be_visible()
    asked(boards).get_by_role("button", name="⤢").first.click()
    dialog = boards.page.locator("dialog.noise-search-details")
    expect(dialog).to_be_visible()
    heights = {box["height"] for button in dialog.locator(".buttons button").all() if (box := button.bounding_box())}
    assert max(heights) < 1.5 * min(heights), "none is stretched by a second line beside it"
    boards.page.keyboard.press("Escape")
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("after step 3 Keep best, 1 of")


@BOTH
def test_cancel_ends_a_search_that_waits(boards: Boards) -> None:
    pausing(boards, seed=73_000)
    wait_for(boards, 3)
    Client(boards.front_end.url).interrupt()
    assert boards.wait_for_end() == "interrupted"
    expect(asked(boards)).to_be_hidden()


@BOTH
def test_every_image_of_a_batch_has_its_ticks(boards: Boards) -> None:
    pausing(boards, seed=74_000, images=2)
    wait_for(boards, 3)
    press(boards, "None")
    expect(asked(boards).get_by_role("button", name=re.compile("Go on with"))).to_be_disabled()
    boxes(boards).first.check()
    boards.of().get_by_title("The next one").click()
    press(boards, "None")
    boxes(boards).nth(1).check()
    boxes(boards).nth(2).check()
    press(boards, "Go on with 3")
    wait_for(boards, 6)
    press(boards, re.compile("Go on with"))
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("after step 3 a person, 1 + 2 of")


@BOTH
def test_a_reload_finds_the_question_again(boards: Boards) -> None:
    pausing(boards, seed=75_000)
    wait_for(boards, 3)
    boards.page.wait_for_timeout(1500)  # the front end keeps its draft of the workflow a moment later
    boards.front_end.open()
    wait_for(boards, 3)
    press(boards, re.compile("Go on with"))
    wait_for(boards, 6)
    press(boards, re.compile("Go on with"))
    assert boards.wait_for_end() == "success"
