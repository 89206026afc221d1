"""A candidate beside another in the large view: the line between them, zoom, and moving both."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from seen_boards import BOTH, Boards, small

PLACE = "picture => picture.style.transform"
SHIFTED = "picture => Number(picture.style.transform.match(/translate\\(([-\\d.]+)px/)[1])"


def large(boards: Boards, seed: int, at: int, count: int = 6) -> Locator:
    """The large view of a finished search's candidate, by its place."""
    small(boards, seed, candidates=count)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.tiles().nth(at).click()
    dialog = boards.page.locator("dialog.noise-search")
    expect(dialog).to_be_visible()
    return dialog


def neither(boards: Boards) -> int:
    """The place of a tile that is not the best, and not the image without search."""
    tags = boards.tiles().locator(".tag").all_text_contents()
    return next(at for at, tag in enumerate(tags) if at and "yours" not in tag)


def pressed(dialog: Locator, name: str) -> str | None:
    return dialog.get_by_role("button", name=name).get_attribute("aria-pressed")


@BOTH
def test_a_line_between_two_pictures_is_moved_by_keys(boards: Boards) -> None:
    dialog = large(boards, 51_000, at=0)
    boards.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    boards.tiles().nth(neither(boards)).click()
    number = int(re.findall(r"\d+", dialog.locator("h3").inner_text())[0])
    expect(dialog.get_by_role("slider")).to_have_count(0)
    dialog.get_by_role("button", name="without search").click()
    assert pressed(dialog, "without search") == "true"
    slider = dialog.get_by_role("slider", name=f"Left of the line Candidate {number}, right of it Candidate 0, without")
    expect(dialog.get_by_role("img", name="Candidate 0, without search")).to_have_js_property("naturalWidth", 32)
    expect(dialog.locator("img").nth(0)).to_have_attribute("src", re.compile(f"/{number}/picture"))
    slider.focus()
    place = dialog.locator("p.hint").filter(has_text="by score").inner_text()
    before = clipped(dialog)
    boards.page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("49")
    expect(slider).to_have_attribute("aria-valuetext", "49 %")
    assert clipped(dialog) < before, "more of the other one"
    assert dialog.locator("p.hint").filter(has_text="by score").inner_text() == place, "no step to the next candidate"


def clipped(dialog: Locator) -> float:
    """How much of the other picture is hidden, in its own pixels."""
    path = dialog.locator("img.other").evaluate("picture => picture.style.clipPath")
    return float(re.findall(r"([\d.]+)px", path)[-1])


@BOTH
def test_the_line_is_dragged_and_the_choice_goes_along_to_the_next(boards: Boards) -> None:
    dialog = large(boards, 52_000, at=5)
    box = dialog.locator(".stage").bounding_box()
    assert box
    dialog.get_by_role("button", name="the best").click()
    knob = box["x"] + box["width"] / 2, box["y"] + box["height"] - 22
    boards.page.mouse.move(*knob)
    boards.page.mouse.down()
    boards.page.mouse.move(box["x"] + box["width"] / 5, knob[1], steps=4)
    boards.page.mouse.up()
    expect(dialog.get_by_role("slider")).to_have_value(re.compile("^(19|20|21)$"))
    boards.page.keyboard.press("Tab")  # from the slider
    boards.page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("5 of 6 by score")
    expect(dialog.get_by_role("slider")).to_have_count(1)
    for _ in range(4):
        boards.page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("1 of 6 by score")
    expect(dialog.get_by_role("slider")).to_have_count(0)
    expect(dialog.get_by_role("button", name="the best")).to_have_count(0)
    boards.page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("2 of 6 by score")
    expect(dialog.get_by_role("slider")).to_have_count(1)
    dialog.get_by_role("button", name="the best").click()
    expect(dialog.get_by_role("slider")).to_have_count(0)


@BOTH
def test_both_pictures_are_enlarged_and_moved_together(boards: Boards) -> None:
    dialog = large(boards, 53_000, at=5)
    dialog.get_by_role("button", name="the best").click()
    pictures = dialog.locator(".view img")
    expect(pictures).to_have_count(2)
    stage = dialog.locator(".stage").bounding_box()
    assert stage
    boards.page.mouse.move(stage["x"] + stage["width"] / 4, stage["y"] + stage["height"] / 4)
    boards.page.mouse.wheel(0, -400)
    size = dialog.locator(".tools button", has_text="%")
    expect(size).not_to_have_text("100 %")
    wheeled = same_place(pictures)
    assert "scale(1)" not in wheeled
    boards.page.mouse.down()
    boards.page.mouse.move(stage["x"] + stage["width"] / 8, stage["y"] + stage["height"] / 8, steps=3)
    boards.page.mouse.up()
    assert same_place(pictures) != wheeled
    boards.page.mouse.dblclick(stage["x"] + 50, stage["y"] + 50)
    expect(size).to_have_text("100 %")
    boards.page.mouse.dblclick(stage["x"] + 50, stage["y"] + 50)
    expect(size).to_have_text("300 %")
    same_place(pictures)


def same_place(pictures: Locator) -> str:
    one, other = pictures.nth(0).evaluate(PLACE), pictures.nth(1).evaluate(PLACE)
    assert one == other
    return one


def test_keys_enlarge_and_move(boards: Boards) -> None:
    dialog = large(boards, 54_000, at=1)
    size, picture = dialog.locator(".tools button", has_text="%"), dialog.locator(".view img")
    boards.page.keyboard.press("+")
    expect(size).to_have_text("150 %")
    before = picture.evaluate(SHIFTED)
    boards.page.keyboard.press("Shift+ArrowRight")
    assert picture.evaluate(SHIFTED) < before
    expect(dialog).to_contain_text("2 of 6 by score")
    for _ in range(9):
        boards.page.keyboard.press("Shift+ArrowRight")
    width = dialog.locator(".view").evaluate("view => view.clientWidth")
    assert picture.evaluate(SHIFTED) == pytest.approx(-width / 2, abs=1), "as far as its edge"
    boards.page.keyboard.press("-")
    expect(size).to_have_text("100 %")
    assert picture.evaluate(SHIFTED) == 0
    for _ in range(9):
        boards.page.keyboard.press("+")
    expect(size).to_have_text("1600 %")
    boards.page.keyboard.press("0")
    expect(size).to_have_text("100 %")


def test_a_failed_candidate_has_nothing_to_compare(boards: Boards) -> None:
    small(boards, 55_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    failed = boards.page.evaluate(
        """async () => {
            const { Compare } = await import("/extensions/noise-search/compare.js");
            const compare = new Compare();
            compare.chosen = "the best";
            compare.show("", "Candidate 1", [{ name: "the best", does: "", url: "/nothing", alt: "" }]);
            return [compare.stage.hidden, compare.tools.hidden, compare.element.querySelectorAll("img").length];
        }"""
    )
    assert failed == [True, True, 1]
