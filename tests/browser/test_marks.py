"""Stars and rejections on the board, in the real front end."""

from __future__ import annotations

import io
import json
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from comfy_client import Client
from seen_boards import BOTH, CLEAR_VIEW, QUIET, SET, SLOW, Boards, demo, show, small
from shapes_graph import ShapesGraph


def number_on(boards: Boards, at: int) -> int:
    return int(re.search(r"#(\d+)", boards.tiles().nth(at).locator(".tag").inner_text())[1])  # type: ignore[index]


def mark(boards: Boards, at: int, name: str) -> None:
    tile = boards.tiles().nth(at)
    tile.hover()
    tile.get_by_role("button", name=name).click()


@BOTH
def test_stars_and_rejects_stay_and_the_board_says_how_the_judge_agrees(boards: Boards) -> None:
    small(boards, seed=61_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.page.wait_for_timeout(1500)  # the front end keeps its draft of the workflow a moment later
    mark(boards, 1, "Star")
    expect(boards.tiles().nth(1)).to_have_class(re.compile("star"))
    boards.tiles().nth(3).locator(".look").focus()
    boards.page.keyboard.press("x")
    expect(boards.tiles().nth(3)).to_have_class(re.compile("reject"))
    words = "The judge ranks your stars at 2 and what you rejected at 4 of 4."
    expect(boards.of()).to_contain_text(words)
    boards.front_end.open()
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    expect(boards.of()).to_contain_text(words)
    mark(boards, 1, "Star")
    expect(boards.of()).to_contain_text("The judge ranks what you rejected at 4 of 4.")


def test_keys_mark_the_candidate_in_the_large_view(boards: Boards) -> None:
    small(boards, seed=62_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.tiles().nth(2).click()
    dialog = boards.page.locator("dialog.noise-search-details")
    expect(dialog).to_be_visible()
    boards.page.keyboard.press("s")
    expect(dialog.get_by_role("button", name="Star")).to_have_attribute("aria-pressed", "true")
    boards.page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("4 of 4 by score")
    expect(dialog.get_by_role("button", name="Star")).to_have_attribute("aria-pressed", "false")
    boards.page.keyboard.press("x")
    expect(dialog.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")
    boards.page.keyboard.press("Escape")
    expect(boards.of()).to_contain_text("The judge ranks your stars at 3 and what you rejected at 4 of 4.")


@BOTH
def test_what_is_rejected_while_the_search_runs_does_not_win(boards: Boards) -> None:
    demo(boards, seed=63_000, candidates=SLOW)
    boards.start()
    boards.wait_for_tiles(6)
    best = boards.of().locator(".tile.best .tag").inner_text()
    rejected = re.search(r"#\d+ ", best)[0]  # type: ignore[index]
    tile = boards.tiles().filter(has_text=re.compile(rf"{rejected.strip()}\b"))
    tile.locator(".look").press("x")  # tiles move while the search runs
    expect(boards.of().locator(".tile.reject")).to_have_count(1)
    expect(boards.of().locator(".tile.best .tag")).not_to_have_text(re.compile(f"^{rejected}"))
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("kept best")
    expect(boards.of().locator(".tile.best .tag")).not_to_have_text(re.compile(f"^{rejected}"))
    expect(boards.of().locator(".tile.reject .tag")).to_have_text(re.compile(f"^{rejected}"))


def test_the_report_has_stars_first_in_the_next_run_and_the_picture_tells_them(boards: Boards) -> None:
    graph = ShapesGraph(steps=4)
    found = graph.search(4)
    report = graph.node("SearchReport", latent=graph.ksampler(found, seed=64_000), search=found.out(1))
    graph.node("PreviewImage", images=report.out(2))
    graph.node("PreviewAny", source=report.out(6))
    graph.saved(report)
    show(boards, graph)
    boards.page.evaluate(SET, ["KSampler", "control_after_generate", "fixed"])
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    number = number_on(boards, 3)
    mark(boards, 3, "Star")
    expect(boards.of()).to_contain_text("The judge ranks your stars at 4 of 4.")
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    assert boards.wait_for_end() == "success"
    outputs = [done["output"] for done in boards.page.evaluate("() => window.testRun.executed") if done["output"]]
    told = json.loads(next(output["text"] for output in outputs if "text" in output)[0])
    assert told["person"]["stars"] == [number]
    assert told["candidates"][number]["mark"] == "star"
    saved = next(
        image for output in outputs for image in output.get("images", []) if image["filename"].startswith("test")
    )
    text = Image.open(io.BytesIO(Client(boards.front_end.url).image(saved))).text
    assert json.loads(text["noise_search"])[0]["person"]["stars"] == [number]


@pytest.mark.parametrize("language", ["zh"], indirect=True)
def test_marks_are_in_the_language_of_comfyui(boards: Boards, language: str) -> None:
    small(boards, seed=65_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    board = boards.page.get_by_role("region", name="：看板")
    tile = board.locator(".tile").nth(0)
    tile.hover()
    tile.get_by_role("button", name="收藏").click()
    expect(board).to_contain_text("评判者把您收藏的排在第 1，共 4 个。")
