"""Auto Search in the real front end: one number to choose, a board that fills, and a report in words."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from frontend import Frontend
from shapes_graph import ShapesGraph

SHOW = """() => {
    const node = app.rootGraph.nodes.find(node => node.type === "AutoSearch");
    node.pos = [-2000, -2000];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [2000 + 120, 2000 + 120];
    app.canvas.setDirty(true, true);
}"""
WIDGETS = """() => app.rootGraph.nodes.find(node => node.type === "AutoSearch").widgets
    .filter(widget => !widget.options?.advanced && !widget.advanced).map(widget => widget.name)"""


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
def test_the_board_shows_starts_and_refinements(page: Frontend, vue: bool) -> None:
    graph = ShapesGraph(steps=8)
    inputs = {"vae": graph.loader.out(2), "verifier": graph.verifier, "prompt": graph.caption}
    search = graph.node("AutoSearch", model=graph.loader, budget=8, **inputs)
    sampled = graph.ksampler(search, seed=40 + vue)
    report = graph.node("SearchReport", latent=sampled, search=search.out(1))
    graph.saved(sampled)
    graph.node("PreviewAny", source=report.out(6))
    page.load_prompt(graph.prompt)
    page.load(page.workflow(), "automatic")
    page.page.evaluate(SHOW)
    names = page.page.evaluate(WIDGETS)
    assert "budget" in names
    assert {"max_seconds", "batch_size", "patience", "frames", "variety"}.isdisjoint(names)
    run = page.run()
    assert run.status == "success", run.message
    (text,) = (one["output"]["text"][0] for one in run.executed if "text" in one["output"])
    told = json.loads(text)
    board = page.page.get_by_role("region", name="AutoSearch: board")
    expect(board.locator(".tile")).to_have_count(len(told["candidates"]))
    assert any("path" in one["recipe"] for one in told["candidates"])
    assert told["nfe"]["search"] <= 8 * 8
    assert "The best images were then refined" in told["summary"]
