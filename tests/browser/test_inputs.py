"""What a search node shows at first sight, and that workflows from before show what they were set to."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from frontend import Frontend

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
PLACE = """kind => {
    app.graph.clear();
    const node = LiteGraph.createNode(kind);
    app.graph.add(node);
    node.pos = [200, 200];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    app.canvas.setDirty(true, true);
}"""
VISIBLE = """() => app.graph.nodes[0].widgets.filter(
    widget => !(widget.advanced && !app.graph.nodes[0].showAdvanced) && !widget.hidden && widget.type !== "button"
        && widget.name !== "board"
).map(widget => widget.label ?? widget.name)"""
FIRST_SIGHT = {
    "AutoSearch": ["prompt", "budget"],
    "RandomSearch": ["prompt", "candidates", "pruning", "max_seconds", "target"],
    "ZeroOrderSearch": ["prompt", "iterations", "neighbors", "cosine", "max_seconds", "target"],
    "PathSearch": ["prompt", "paths", "branches", "max_seconds", "target", "levels"],
}


def visible(page: Frontend) -> list[str]:
    return page.page.evaluate(VISIBLE)


BOARD = 124  # pixels, compact; below the inputs
GAPS = """board => {
    const node = app.graph.nodes[0];
    const drawn = node.widgets.filter(widget => node.isWidgetVisible(widget)).map(widget => widget.last_y ?? widget.y);
    return [node.size[1] - drawn.at(-1) - board, ...drawn.slice(2).map((y, at) => y - drawn[at + 1])];
}"""


@pytest.mark.parametrize("kind", FIRST_SIGHT)
def test_no_gap_is_left_on_the_canvas(page: Frontend, kind: str) -> None:
    page.page.evaluate(PLACE, kind)
    page.page.wait_for_timeout(300)
    gaps = page.page.evaluate(GAPS, BOARD)
    assert gaps[0] <= 40 and all(0 < gap <= 40 for gap in gaps[1:]), gaps


@BOTH
@pytest.mark.parametrize("kind", FIRST_SIGHT)
def test_first_sight(fresh_page: Frontend, vue: bool, kind: str) -> None:
    page = fresh_page
    page.page.evaluate(PLACE, kind)
    assert visible(page) == FIRST_SIGHT[kind]
    if vue:
        node = page.page.locator("[data-node-id]").first
        expect(node).to_contain_text(FIRST_SIGHT[kind][-1])
        expect(node).not_to_contain_text("parallel")
    page.page.evaluate("() => { app.graph.nodes[0].showAdvanced = true; }")
    assert "parallel" in visible(page)
    assert "batch_size" not in visible(page)


def saved(page: Frontend, kind: str, change: Any) -> None:
    """A workflow with one node of that kind, its saved values changed, loaded again."""
    page.page.evaluate(PLACE, kind)
    workflow = page.workflow()
    change(workflow["nodes"][0]["widgets_values"])
    page.load(workflow, "saved")


def value(page: Frontend, name: str) -> Any:
    return page.page.evaluate("name => app.graph.nodes[0].widgets.find(one => one.name === name).value", name)


def test_a_path_search_from_before_the_choice_keeps_its_levels(page: Frontend) -> None:
    def old(values: list[Any]) -> None:
        del values[11:]
        values[3:6] = [0.6, 0.2, 0.4]

    saved(page, "PathSearch", old)
    assert value(page, "levels") == "custom"
    assert [value(page, name) for name in ("start", "forward", "backward")] == [0.6, 0.2, 0.4]
    assert "start" in visible(page)


def test_a_choice_of_levels_is_kept(page: Frontend) -> None:
    saved(page, "PathSearch", lambda values: values.__setitem__(12, "early"))
    assert value(page, "levels") == "early"
    assert "start" not in visible(page)


def test_an_advanced_input_that_was_set_is_shown(page: Frontend) -> None:
    saved(page, "RandomSearch", lambda values: values.__setitem__(5, 7))
    assert value(page, "patience") == 7
    assert "patience" in visible(page)
