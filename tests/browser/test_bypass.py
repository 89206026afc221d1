"""Ctrl+B in both renderings: the workflow runs as if the pack's nodes were not there, and searches again afterwards."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from comfy_client import Client
from frontend import Frontend
from seen_boards import BOTH, CLEAR_VIEW
from shapes_graph import ShapesGraph

SELECT = """ids => {
    app.canvas.selectItems(ids.map(id => app.rootGraph.getNodeById(id)));
    document.activeElement?.blur();
}"""
MODES = "ids => ids.map(id => app.rootGraph.getNodeById(id).mode)"
BYPASSED = 4


def press_ctrl_b(page: Frontend, ids: list[str], mode: int) -> None:
    page.page.evaluate(SELECT, ids)
    page.page.keyboard.press("Control+b")
    page.page.wait_for_function(f"([ids, mode]) => ({MODES})(ids).every(one => one === mode)", arg=[ids, mode])


def saved_by(page: Frontend, nodes: list[str]) -> list[bytes]:
    """What a run saves."""
    run = page.run()
    assert run.status == "success", run.message
    images = {done["node"]: done["output"]["images"] for done in run.executed if "images" in (done["output"] or {})}
    return [Client(page.url).image(images[node][0]) for node in nodes]


@BOTH
@pytest.mark.parametrize("left_out", ["search", "report", "search and report", "verifier"])
def test_the_workflow_runs_as_if_they_were_not_there(page: Frontend, vue: bool, left_out: str) -> None:
    graph = ShapesGraph()
    search = graph.search()
    report = graph.node("SearchReport", latent=graph.ksampler(search, seed=71_000 + vue), search=search.out(1))
    saved = graph.saved(report)
    stock = graph.saved(graph.ksampler(graph.loader, seed=71_000 + vue))
    page.load_prompt(graph.prompt)
    page.page.evaluate(CLEAR_VIEW, "RandomSearch")
    nodes = {"search": [search.id], "report": [report.id], "verifier": [graph.verifier.id]}
    ids = nodes.get(left_out, [search.id, report.id])
    press_ctrl_b(page, ids, BYPASSED)
    assert not page.prompt().keys() & set(ids)
    found, plain = saved_by(page, [saved.id, stock.id])
    assert (pixels(found) == pixels(plain)) == (left_out != "report")
    if left_out != "report":
        assert page.page.locator(".noise-search-board .tile").count() == 0
    press_ctrl_b(page, ids, 0)
    assert page.prompt().keys() >= set(ids)


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()
