"""Refine this: a search goes on around a candidate that a person has chosen, in the same workflow."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from seen_boards import BOTH, CLEAR_VIEW, QUIET, Boards, show, small
from shapes_graph import ShapesGraph


@BOTH
def test_zero_order_search_goes_on_from_the_candidate(boards: Boards) -> None:
    small(boards, seed=81_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    before = boards.front_end.prompt()
    tile = boards.tiles().nth(1)
    number, score = re.search(r"#(\d+)", tile.inner_text())[1], tile.locator(".value").inner_text()  # type: ignore[index]
    tile.click()
    dialog = boards.page.locator("dialog.noise-search-details")
    boards.page.evaluate(QUIET)
    dialog.get_by_role("button", name="Refine this").click()
    assert boards.wait_for_end() == "success"
    prompt = boards.front_end.prompt()
    (sampler,) = (node for node in prompt.values() if node["class_type"] == "KSampler")
    refining = prompt[sampler["inputs"]["model"][0]]
    assert refining["class_type"] == "ZeroOrderSearch"
    assert sampler["inputs"]["seed"] == 81_000 + boards.later + int(number)
    (searched,) = (node for node in before.values() if node["class_type"] == "RandomSearch")
    shared = ("model", "vae", "verifier", "prompt", "frames")
    assert {name: refining["inputs"][name] for name in shared} == {name: searched["inputs"][name] for name in shared}
    boards.page.evaluate(CLEAR_VIEW, "ZeroOrderSearch")
    board = boards.of("Zero-?Order ?Search")
    expect(board.locator(".tile")).to_have_count(21)
    assert float(board.locator(".tile:has-text('yours') .value").inner_text()) == float(score)
    boards.page.evaluate("() => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()")
    assert boards.front_end.prompt() == before, "one step to undo"


def test_where_no_seed_makes_a_candidate_it_is_not_offered(boards: Boards) -> None:
    graph = ShapesGraph(steps=4)
    graph.saved(graph.ksampler(graph.search(3, variety=0.3), seed=82_000))
    show(boards, graph)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.tiles().filter(has_text="yours").click()
    dialog = boards.page.locator("dialog.noise-search-details")
    expect(dialog.get_by_role("button", name="Refine this")).to_be_visible()
    boards.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    boards.tiles().filter(has_not_text="yours").first.click()
    expect(dialog.get_by_role("button", name="Use this one")).to_be_visible()
    expect(dialog.get_by_role("button", name="Refine this")).to_be_hidden()
