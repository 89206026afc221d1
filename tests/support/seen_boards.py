"""Boards as people see them: what the browser's tests press and read."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator

from frontend import Frontend
from shapes_graph import ShapesGraph

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
SLOW = 600  # candidates that take minutes

NODES = "type => app.rootGraph.nodes.filter(node => node.type === type)"
CLEAR_VIEW = f"""type => {{
    const nodes = ({NODES})(type);
    nodes.forEach((node, at) => node.pos = [-2000 + 450 * at, -2000]);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [2000 + 120, 2000 + 120];
    app.canvas.setDirty(true, true);
    document.querySelectorAll(".noise-search-place.compact .toggle").forEach(toggle => toggle.click());
}}"""
SET = f"""([type, name, value]) => {{
    for (const node of ({NODES})(type)) node.widgets.find(widget => widget.name === name).value = value;
}}"""
SHOW = CLEAR_VIEW.replace(".compact .toggle", ".nothing")
WIDGET = f"([type, name]) => ({NODES})(type)[0].widgets.find(widget => widget.name === name).value"
QUIET = "() => { window.testRun.done = null; }"


class Boards:
    """The boards that a page shows. later: added to seeds, so that nothing is in ComfyUI's cache."""

    def __init__(self, front_end: Frontend, later: int = 0):
        self.front_end = front_end
        self.later = later
        self.page = front_end.page

    def of(self, title: str = "Random ?Search") -> Locator:
        return self.page.get_by_role("region", name=re.compile(f"{title}: board"))

    def tiles(self) -> Locator:
        return self.of().locator(".tile")

    def start(self, kind: str = "RandomSearch") -> None:
        """Press Run and do not wait."""
        self.page.evaluate(CLEAR_VIEW, kind)
        self.page.evaluate(QUIET)
        self.page.get_by_test_id("queue-button").click()

    def wait_for_tiles(self, count: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('.noise-search .tile:not(.begun)').length >= count",
            arg=count,
            timeout=120_000,
        )

    def wait_for_end(self) -> str:
        self.page.wait_for_function("() => window.testRun.done", timeout=120_000)
        return self.page.evaluate("() => window.testRun.done.status")

    def keep_best(self) -> None:
        self.of().get_by_role("button", name="Keep best").click()

    def scores(self) -> list[float]:
        texts = self.of().locator(".tile:not(.begun) .value").all_text_contents()
        return [float(text) for text in texts]


def demo(boards: Boards, seed: int, candidates: int) -> None:
    """A search with the demo's settings, on half of the steps."""
    graph = ShapesGraph("a blue cross right of two red circles", side=64, steps=10)
    graph.saved(graph.ksampler(graph.search(candidates), seed=seed + boards.later, cfg=3.0))
    show(boards, graph)


def small(boards: Boards, seed: int, candidates: int = 4, images: int = 1, steps: int = 4) -> None:
    """A search of a second or less, whose result is saved."""
    graph = ShapesGraph(images=images, steps=steps)
    graph.saved(graph.ksampler(graph.search(candidates), seed=seed + boards.later))
    show(boards, graph)


def show(boards: Boards, graph: ShapesGraph) -> None:
    boards.front_end.load_prompt(graph.prompt)
    boards.front_end.load(boards.front_end.workflow(), "searching")  # as a workflow, with an id of its own
