"""The blind duel: unlabelled until the answer, counted, kept, exported; and what makes no pair."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Route, expect

from comfy_client import Client
from seen_boards import BOTH, CLEAR_VIEW, QUIET, Boards, small

CLASSIC_ENTRY = ".litecontextmenu .litemenu-entry"
ENDED = "**/noise_search/boards?ended"
SIDES = {"ArrowLeft": 0, "ArrowRight": 1}
SHOWS = """async ([canvas, url]) => {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    const drawn = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    drawn.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const pixels = context => context.getImageData(0, 0, canvas.width, canvas.height).data;
    const [one, other] = [pixels(canvas.getContext("2d")), pixels(drawn)];
    return one.every((value, at) => Math.abs(value - other[at]) < 3);
}"""
CHANCE = """async given => {
    const { chance } = await import("/extensions/noise-search/duels.js");
    return given.map(([won, of]) => chance({ won, of }));
}"""
CSV = """async answers => (await import("/extensions/noise-search/duels.js")).csv(answers)"""

Change = Callable[[dict[str, Any]], None]


def searched(boards: Boards, seed: int, images: int, change: Change = lambda board: None) -> None:
    """A finished search. The duel then knows no other: the server has those of other tests. Its last candidate is made
    the winner of each image, whatever its score; change: the board further, as the page sees it."""
    small(boards, seed, images=images)
    boards.start()
    assert boards.wait_for_end() == "success"
    workflow = boards.page.evaluate("() => app.rootGraph.id")

    def only_this(route: Route) -> None:
        found = [board for board in route.fetch().json() if board["workflow"] == workflow]
        for board in found:
            board["best"] = [3] * images
            change(board)
        route.fulfill(json=found)

    boards.page.route(ENDED, only_this)


def sidebar(boards: Boards) -> Locator:
    boards.page.get_by_role("button", name="Searches that are running").click()
    return boards.page.locator(".noise-search-sidebar")


def begin(boards: Boards) -> Locator:
    sidebar(boards).get_by_role("button", name="Blind duel").click()
    return dialog_of(boards)


def dialog_of(boards: Boards) -> Locator:
    return boards.page.locator("dialog.noise-search-duel")


def answered(dialog: Locator, key: str) -> int:
    """Press a key; the side where the winner was."""
    expect(dialog.locator("h3")).to_have_text("Which one would you take?")
    expect(dialog.get_by_role("button", name="No difference")).to_be_visible()
    dialog.page.keyboard.press(key)
    said = dialog.locator(".was")
    expect(said.first).to_contain_text("score")
    return next(at for at, text in enumerate(said.all_text_contents()) if text.startswith("The winner"))


@BOTH
def test_which_was_which_is_told_after_the_answer_only(boards: Boards) -> None:
    searched(boards, 61_000, images=2)
    dialog = begin(boards)
    expect(dialog).to_contain_text("Pair 1 of 2")
    asking = dialog.evaluate("dialog => dialog.outerHTML")
    for telling in ("score", "/picture", "/tile", "Candidate", "seed"):
        assert telling not in asking
    expect(dialog.locator(".was")).to_have_text(["", ""])
    winners = answered(dialog, "ArrowRight")
    ended = Client(boards.front_end.url).get("/noise_search/boards?ended")[-1]["board"]
    pictures = f"{boards.front_end.url}/noise_search/boards/{ended}"
    canvases = dialog.locator("canvas")
    (image,) = [image for image in (0, 1) if shows(canvases.nth(winners), f"{pictures}/{image}/3/picture")]
    assert shows(canvases.nth(1 - winners), f"{pictures}/{image}/0/picture")
    told = "You preferred the winner." if winners == 1 else "You preferred the image without search."
    expect(dialog.locator(".said")).to_have_text(told)
    expect(dialog).to_contain_text(f"You preferred the winner in {winners} of 1.")


def shows(canvas: Locator, url: str) -> bool:
    return canvas.page.evaluate(SHOWS, [canvas.element_handle(), url])


@BOTH
def test_the_tally_counts_and_outlives_the_page(boards: Boards) -> None:
    searched(boards, 62_000, images=3)
    dialog = begin(boards)
    won = 0
    for key in ("ArrowLeft", "ArrowRight"):
        won += answered(dialog, key) == SIDES[key]
        boards.page.keyboard.press(key)  # twice is no answer to the next one
        boards.page.keyboard.press("Enter")
    answered(dialog, "ArrowDown")
    expect(dialog.locator(".said")).to_have_text("No difference for you.")
    boards.page.keyboard.press("Enter")
    expect(dialog.locator("h3")).to_have_text("All pairs are judged.")
    chance = ["100 %", "75 %", "25 %"][won]
    for text in (f"in {won} of 2.", f"at least {won} of 2 come out in {chance} of cases", "not counted: 1."):
        expect(dialog).to_contain_text(text)
    boards.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(boards.page.locator(".noise-search-sidebar")).to_contain_text(f"You preferred the winner in {won} of 2.")
    boards.front_end.open()
    if not boards.page.locator(".noise-search-sidebar").is_visible():  # it may be open as it was
        sidebar(boards)
    boards.page.locator(".noise-search-sidebar").get_by_role("button", name="Blind duel").click()
    expect(dialog.locator("h3")).to_have_text("There is no new pair to judge.")
    expect(dialog).to_contain_text(f"You preferred the winner in {won} of 2.")
    with boards.page.expect_download() as download:
        dialog.get_by_role("button", name="Export (CSV)").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["preferred"] for row in rows][2] == "no difference"
    assert sum(row["preferred"] == "winner" for row in rows) == won
    assert {row["winner"] for row in rows} == {"3"}
    assert {row["judged_by"] for row in rows} == {"shapes"}
    dialog.get_by_role("button", name="Start over").click()
    dialog.get_by_role("button", name="Forget all answers?").click()
    expect(dialog).not_to_contain_text("You preferred")


@BOTH
def test_it_begins_from_the_menu_of_a_search_and_a_click_answers(boards: Boards, vue: bool) -> None:
    searched(boards, 63_000, images=1)
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    boards.page.wait_for_timeout(500)
    boards.page.mouse.click(200, 108, button="right")
    if vue:
        boards.page.get_by_role("menuitem", name="Blind duel").click()
    else:
        boards.page.locator(CLASSIC_ENTRY, has_text="Blind duel").click()
    dialog = dialog_of(boards)
    expect(dialog).to_contain_text("Pair 1 of 1")
    dialog.get_by_role("button", name="The picture on the left").click()
    expect(dialog.locator(".was").first).to_contain_text(re.compile("The winner, score|Without search, score"))
    expect(dialog.locator(".taken")).to_have_count(1)


def test_what_makes_no_pair_is_counted(boards: Boards) -> None:
    def change(board: dict[str, Any]) -> None:
        board["best"][0] = 0
        board["chosen"][1] = 3
        next(entry for entry in board["candidates"][2] if entry["index"] == 0)["step"] = 2
        board["best"][3] = None

    searched(boards, 64_000, images=5, change=change)
    dialog = begin(boards)
    expect(dialog).to_contain_text("Pair 1 of 1")
    answered(dialog, "ArrowLeft")
    expect(dialog).to_contain_text("the winner is the image without search: 1.")
    expect(dialog).to_contain_text("a person chose the image: 1.")
    expect(dialog).to_contain_text("has not come to its end: 2.")


def test_the_same_pair_is_asked_once_and_one_whose_pictures_are_gone_not_at_all(boards: Boards) -> None:
    searched(boards, 65_000, images=1)
    boards.page.evaluate(QUIET)
    boards.of().get_by_role("button", name="4 more").click()
    assert boards.wait_for_end() == "success"
    boards.page.route("**/noise_search/boards/*/0/3/picture?*", lambda route: route.fulfill(status=404))
    dialog = begin(boards)
    expect(dialog.locator("h3")).to_have_text("All pairs are judged.")
    boards.page.keyboard.press("Escape")
    boards.page.unroute("**/noise_search/boards/*/0/3/picture?*")
    boards.page.locator(".noise-search-sidebar").get_by_role("button", name="Blind duel").click()
    expect(dialog).to_contain_text("Pair 1 of 1")


def test_pictures_of_two_sizes_are_shown_in_the_smaller_one(boards: Boards) -> None:
    searched(boards, 66_000, images=1)
    tiny = io.BytesIO()
    Image.new("RGB", (16, 16)).save(tiny, "JPEG")
    body = tiny.getvalue()
    boards.page.route("**/0/0/picture?*", lambda route: route.fulfill(body=body, content_type="image/jpeg"))
    dialog = begin(boards)
    expect(dialog).to_contain_text("Pair 1 of 1")
    assert dialog.locator("canvas").evaluate_all("all => all.map(one => one.width)") == [16, 16]


@pytest.mark.parametrize("language", ["zh"], indirect=True)
def test_it_is_in_the_language_of_comfyui(boards: Boards, language: str) -> None:
    searched(boards, 67_000, images=1)
    boards.page.get_by_role("button", name="正在运行的搜索").click()
    boards.page.locator(".noise-search-sidebar").get_by_role("button", name="盲选").click()
    dialog = dialog_of(boards)
    expect(dialog).to_contain_text("第 1 对，共 1 对")
    boards.page.keyboard.press("ArrowDown")
    expect(dialog).to_contain_text("您认为没有差别。")
    expect(dialog).to_contain_text("没有差别，不计入：1 对。")


def test_the_sign_test(boards: Boards) -> None:
    given = [(9, 12), (0, 12), (12, 12), (1, 1), (0, 0), (620, 1200)]
    found = boards.page.evaluate(CHANCE, given)
    expected = [sum(math.comb(of, count) for count in range(won, of + 1)) / 2**of for won, of in given]
    assert found == pytest.approx(expected, rel=1e-9)


def test_names_with_commas_and_quotes_are_one_cell(boards: Boards) -> None:
    judge = 'a "good", one\nof two'
    answer = {"time": "now", "board": "b", "node": "5", "image": 0, "judge": judge, "side": "left"}
    answer |= {"winner": {"index": 1, "seed": None, "score": 0.5}, "own": {"score": -1}, "preferred": "winner"}
    (row,) = csv.DictReader(io.StringIO(boards.page.evaluate(CSV, [answer]), newline=""))
    assert (row["judged_by"], row["winner_seed"], row["score_without_search"]) == (judge, "", "-1")
