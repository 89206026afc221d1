"""Refine this: a search goes on around a candidate that a person has chosen, in the same workflow."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from loop_graph import Arithmetic
from seen_boards import BOTH, CLEAR_VIEW, NODES, QUIET, Boards, show, small
from shapes_graph import ShapesGraph

INSIDE = """() => {
    const { subgraph } = app.rootGraph.nodes.find(node => node.subgraph);
    app.canvas.setGraph(subgraph);
    app.canvas.ds.scale = 1;
    const [node] = subgraph.nodes;
    app.canvas.ds.offset = [120 - node.pos[0], 120 - node.pos[1]];
    app.canvas.setDirty(true, true);
    document.querySelector(".noise-search-place.compact .toggle")?.click();
}"""


IS_SEEN = """type => {
    const { canvas } = app;
    const [node] = app.rootGraph.nodes.filter(node => node.type === type);
    const [left, top, width, height] = canvas.visible_area;
    return node.pos[0] >= left && node.pos[0] + node.size[0] <= left + width
        && node.pos[1] >= top && node.pos[1] + node.size[1] <= top + height
        && Object.values(canvas.selected_nodes).map(({ type }) => type).join() === type;
}"""


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
    boards.page.wait_for_function(IS_SEEN, arg="ZeroOrderSearch")
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


def automatic(boards: Boards, seed: int, budget: int = 6) -> None:
    graph = ShapesGraph(steps=8)
    inputs = {"vae": graph.loader.out(2), "verifier": graph.verifier, "prompt": graph.caption}
    search = graph.node("AutoSearch", model=graph.loader, budget=budget, **inputs)
    graph.saved(graph.ksampler(search, seed=seed + boards.later))
    show(boards, graph)


def node_of(prompt: dict[str, Any], kind: str) -> dict[str, Any]:
    (node,) = (node["inputs"] for node in prompt.values() if node["class_type"] == kind)
    return node


def press(boards: Boards, tile: Locator) -> None:
    """Refine this, on a tile, and wait for what comes of it."""
    tile.scroll_into_view_if_needed()
    tile.hover()
    boards.page.evaluate(QUIET)
    tile.get_by_role("button", name="Refine this").click()
    assert boards.wait_for_end() == "success"


def copied_recipe(boards: Boards, tile: Locator) -> str:
    tile.locator(".look").click()
    recipe = boards.page.locator("dialog.noise-search-details textarea.recipe").input_value()
    boards.page.keyboard.press("Escape")
    return recipe


@BOTH
def test_auto_search_goes_on_from_what_no_seed_makes(boards: Boards) -> None:
    automatic(boards, seed=83_000)
    boards.start("AutoSearch")
    assert boards.wait_for_end() == "success"
    before, board = boards.front_end.prompt(), boards.of("Auto ?Search")
    expect(board.get_by_role("button", name="Search anew")).to_be_hidden()
    refined = board.locator(".tile:not(.stopped)").filter(has_not_text="yours")
    recipes = [copied_recipe(boards, refined.nth(at)) for at in range(refined.count())]
    at = next(at for at, recipe in enumerate(recipes) if "path" in recipe)
    score = refined.nth(at).locator(".value").inner_text()
    press(boards, refined.nth(at))
    prompt = boards.front_end.prompt()
    assert node_of(prompt, "AutoSearch") == node_of(before, "AutoSearch") | {"refine": recipes[at]}
    start = board.locator(".tile").filter(has_text="start")
    expect(start).to_have_text(re.compile("#0"))
    assert float(start.locator(".value").inner_text()) == pytest.approx(float(score), abs=0.02)
    assert copied_recipe(boards, start) == recipes[at]
    expect(board).to_contain_text("Candidate 0 is the image that this search refines")
    boards.page.evaluate(QUIET)
    board.get_by_role("button", name="Search anew").click()
    assert boards.wait_for_end() == "success"
    assert node_of(boards.front_end.prompt(), "AutoSearch") == node_of(before, "AutoSearch")
    expect(board.locator(".tile").filter(has_text="start")).to_have_count(0)
    expect(board.get_by_role("button", name="Search anew")).to_be_hidden()
    boards.page.evaluate("() => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()")
    assert boards.front_end.prompt() == prompt, "one step to undo"


@BOTH
def test_auto_search_takes_the_place_of_another_search(boards: Boards) -> None:
    graph = ShapesGraph(steps=8)
    graph.saved(graph.ksampler(graph.search(3, variety=0.3, batch_size=2), seed=82_000 + boards.later))
    show(boards, graph)
    boards.start()
    assert boards.wait_for_end() == "success"
    before = boards.front_end.prompt()
    tile = boards.tiles().filter(has_not_text="yours").first
    score, recipe = tile.locator(".value").inner_text(), copied_recipe(boards, tile)
    press(boards, tile)
    boards.page.wait_for_function(IS_SEEN, arg="AutoSearch")
    prompt = boards.front_end.prompt()
    refining, searched = node_of(prompt, "AutoSearch"), node_of(before, "RandomSearch")
    shared = ("model", "vae", "verifier", "prompt", "frames", "batch_size")
    assert {name: refining[name] for name in shared} == {name: searched[name] for name in shared}
    assert refining["refine"] == recipe
    assert prompt[node_of(prompt, "KSampler")["model"][0]]["class_type"] == "AutoSearch"
    boards.page.evaluate(CLEAR_VIEW, "AutoSearch")
    start = boards.of("Auto ?Search").locator(".tile").filter(has_text="start")
    assert float(start.locator(".value").inner_text()) == pytest.approx(float(score), abs=0.02)
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    button = tile.get_by_role("button", name="Refine this")
    boards.page.mouse.move(5, 5)
    tile.hover()
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "This search is not on the MODEL wire of a sampler any more.")
    boards.page.evaluate("() => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()")
    assert boards.front_end.prompt() == before, "one step to undo"


def test_a_search_alone_in_a_subgraph(boards: Boards) -> None:
    graph = ShapesGraph(steps=8)
    graph.saved(graph.ksampler(graph.search(3, variety=0.3), seed=84_000))
    show(boards, graph)
    boards.page.evaluate(
        f"() => {{ const inside = ({NODES})('RandomSearch'); app.rootGraph.convertToSubgraph(new Set(inside)); }}"
    )
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    assert boards.wait_for_end() == "success"
    boards.page.evaluate(INSIDE)
    press(boards, boards.tiles().filter(has_not_text="yours").first)
    prompt = boards.front_end.prompt()
    (search,) = (name for name, node in prompt.items() if node["class_type"] == "AutoSearch")
    assert node_of(prompt, "KSampler")["model"] == [search, 0]
    assert node_of(prompt, "AutoSearch")["refine"]


def test_where_it_can_not_be_the_button_says_why(boards: Boards) -> None:
    small(boards, seed=85_000, images=2)
    boards.start()
    assert boards.wait_for_end() == "success"
    tile = boards.tiles().first
    tile.hover()
    button = tile.get_by_role("button", name="Refine this")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", re.compile("^One image at a time"))
    tile.locator(".look").click()
    large = boards.page.locator("dialog.noise-search-details").get_by_role("button", name="Refine this")
    expect(large).to_be_disabled()
    boards.page.keyboard.press("Escape")
    graph = Arithmetic("a / 10", candidates=2)
    boards.front_end.load_prompt(graph.prompt, "loop")
    boards.start("SearchLoopClose")
    assert boards.wait_for_end() == "success"
    tile = boards.of("Search ?Loop ?Close").locator(".tile").first
    expect(tile.get_by_role("button", name="Refine this", include_hidden=True)).to_have_attribute(
        "title", re.compile("^Not in a loop")
    )
