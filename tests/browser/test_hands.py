"""A search that is spread: the board says who has which candidate, and how far that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

import stuck_crew
from comfy_server import Server, serve
from layout import custom_nodes
from seen_boards import BOTH, NODES, QUIET, SHOW, SLOW, Boards, small

SET = "(value) => app.extensionManager.setting.set('NoiseSearch.Spread', value)"
STEPS = 10


@pytest.fixture(scope="module")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    packs = custom_nodes() | {"stuck-crew": Path(stuck_crew.__file__).parent}
    with serve(comfyui, tmp_path_factory.mktemp("comfy_stuck"), packs=packs) as server:
        yield server


def spread(boards: Boards, seed: int) -> None:
    small(boards, seed=seed, candidates=SLOW, steps=STEPS)
    boards.page.evaluate(SET, "a Ray cluster")


def row(place: Locator, name: str) -> Locator:
    return place.locator(".hands li", has_text=name)


def tile(boards: Boards, number: int) -> Locator:
    return boards.tiles().filter(has_text=re.compile(rf"#{number}\b"))


@BOTH
def test_the_board_says_who_has_what_until_the_search_ends(boards: Boards) -> None:
    spread(boards, seed=81_000)
    boards.page.get_by_role("button", name="Searches that are running").click()
    boards.start()
    expect(row(boards.of(), "worker 1")).to_contain_text(f"#1–2: {stuck_crew.STEPS_TOLD} of {2 * STEPS} steps")
    expect(row(boards.of(), "worker 1")).to_contain_text("0 done")
    expect(row(boards.of(), "worker 2")).to_contain_text("was lost, gets ready again")
    expect(row(boards.of(), "worker 3")).to_contain_text("takes no part")
    expect(row(boards.of(), "this GPU")).to_contain_text(re.compile(rf"#\d+: \d+ of {STEPS} steps"))
    expect(row(boards.of(), "this GPU")).to_contain_text(re.compile(r"[1-9]\d* done"))
    for number in stuck_crew.STUCK:
        expect(tile(boards, number)).to_have_attribute("title", f"Candidate {number} · on worker 1")
        expect(tile(boards, number).locator(".use")).to_be_hidden()
    own = boards.tiles().and_(boards.page.locator("[title$='on this GPU']"))
    expect(own).to_have_count(1)
    sidebar = boards.page.locator(".noise-search-sidebar")
    expect(sidebar.locator(".hands .hint")).to_have_text("Spread over 4 GPUs, 2 of them at work")
    sidebar.get_by_role("button", name="Keep best").click()
    assert boards.wait_for_end() == "success"
    expect(boards.of().locator(".hands")).to_be_hidden()
    expect(tile(boards, 1)).to_have_count(0)


@BOTH
def test_a_subgraph_says_how_many_work(boards: Boards) -> None:
    spread(boards, seed=82_000)
    inside = f"() => {{ app.rootGraph.convertToSubgraph(new Set(({NODES})('RandomSearch'))); }}"
    boards.page.evaluate(inside)
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    boards.page.evaluate(SHOW, boards.page.evaluate("() => app.rootGraph.nodes.find(node => node.subgraph).type"))
    badge = boards.page.locator(".noise-search-badge")
    expect(badge.locator(".hands .hint")).to_have_text("Spread over 4 GPUs, 2 of them at work")
    expect(badge.locator(".hands ul")).to_be_hidden()
    badge.get_by_role("button", name="Keep best").click()
    assert boards.wait_for_end() == "success"


@pytest.mark.parametrize("language", ["zh"], indirect=True)
def test_in_chinese(language: str, boards: Boards) -> None:
    spread(boards, seed=83_000)
    boards.start()
    board = boards.page.locator(".noise-search-place")
    expect(row(board, "worker 1")).to_contain_text(f"#1–2：第 {stuck_crew.STEPS_TOLD}/{2 * STEPS} 步")
    expect(row(board, "本机 GPU")).to_be_visible()
    board.get_by_role("button", name="保留最好").click()
    assert boards.wait_for_end() == "success"
