"""Search loops in the real front end: built from a template, with their board, and with errors on the right node."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from frontend import Frontend, Run
from loop_graph import Arithmetic, zero_order
from seen_boards import QUIET

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])

NODE = "type => app.rootGraph.nodes.find(node => node.type === type)"
SHOW = f"""type => {{
    const node = ({NODE})(type);
    node.pos = [-2000, -2000];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [2000 + 120, 2000 + 120];
    app.canvas.setDirty(true, true);
}}"""
SET = f"([type, name, value]) => ({NODE})(type).widgets.find(widget => widget.name === name).value = value"
WIDGETS = f"type => ({NODE})(type).widgets.map(widget => [widget.name, widget.value])"
BYPASS = "id => { app.rootGraph.getNodeById(id).mode = 4; }"
TILES = "document.querySelectorAll('.noise-search-place .tile:not(.begun)').length"
INTO_SUBGRAPH = """types => {
    const nodes = app.rootGraph.nodes.filter(node => types.includes(node.type));
    app.rootGraph.convertToSubgraph(new Set(nodes));
}"""


@BOTH
def test_the_template_runs_and_its_board_fills(front_end: Frontend, vue: bool) -> None:
    front_end.open_template("hires_fix_demo")
    front_end.page.evaluate(SET, ["SearchLoopClose", "method.candidates", 3 + vue])
    front_end.page.evaluate(SHOW, "SearchLoopClose")
    front_end.page.evaluate(QUIET)
    front_end.page.get_by_test_id("queue-button").click()
    front_end.page.wait_for_function(f"() => ({TILES}) || window.testRun.done")
    assert front_end.page.evaluate(f"() => ({TILES}) < {3 + vue}"), "tiles come as candidates are scored"
    front_end.page.wait_for_function("() => window.testRun.done", timeout=120_000)
    assert front_end.page.evaluate("() => window.testRun.done.status") == "success"
    board = front_end.page.get_by_role("region", name="Search Loop Close: board")
    expect(board.locator(".tile")).to_have_count(3 + vue)
    expect(board).to_contain_text(f"{3 + vue} of {3 + vue} candidates")
    scores = [float(text) for text in board.locator(".tile .value").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("method", [{}, zero_order(3, 2, 0.5)], ids=["random", "zero-order"])
def test_the_settings_come_back_from_a_saved_workflow(page: Frontend, method: dict[str, object]) -> None:
    page.load_prompt(Arithmetic("a", candidates=7, patience=2, **method).prompt)
    before = page.page.evaluate(WIDGETS, "SearchLoopClose")
    page.load(page.workflow(), "again")
    assert page.page.evaluate(WIDGETS, "SearchLoopClose") == before
    assert ["patience", 2] in before


@BOTH
def test_a_failure_shows_on_the_node_inside_and_names_the_candidate(page: Frontend, vue: bool) -> None:
    graph = Arithmetic("1 / (a - 20002)", seed=20_000 if not vue else 20_001)
    page.load_prompt(graph.prompt)
    run = page.run()
    assert run.status == "error"
    number = 2 - vue
    assert run.message.startswith(f"ComfyMathExpression: candidate {number} (seed 20002) of 4: division by zero")
    expect(page.page.get_by_text("ComfyMathExpression failed")).to_be_visible()


def test_a_node_that_is_bypassed_is_not_in_the_loop(page: Frontend) -> None:
    graph = Arithmetic("a", seed=20_100)
    negated = graph.node("ComfyMathExpression", expression="0 - a", **{"values.a": graph.formula})
    graph.prompt[graph.close.id]["inputs"]["score"] = negated.out()
    for seed, bypass in (("20100", False), ("20103", True)):
        page.load_prompt(graph.prompt)
        if bypass:
            page.page.evaluate(BYPASS, negated.id)
        assert seed in shown(page.run())


def test_a_loop_in_a_subgraph_runs(page: Frontend) -> None:
    graph = Arithmetic("-abs(a - 20202)", seed=20_200)
    page.load_prompt(graph.prompt)
    page.page.evaluate(INTO_SUBGRAPH, ["SearchLoopOpen", "ComfyMathExpression", "SearchLoopClose"])
    assert any(":" in node for node in page.prompt())
    run = page.run()
    assert run.status == "success", run.message
    assert "20202" in shown(run)


def shown(run: Run) -> list[str]:
    """What nodes have shown as text."""
    return [text for done in run.executed for text in done["output"]["text"]]
