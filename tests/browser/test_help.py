"""Help and names of nodes in the front end, in English and in Chinese."""

from __future__ import annotations

import pytest

from frontend import Frontend
from shapes_graph import ShapesGraph

SELECT = """type => {
    const node = app.rootGraph.nodes.find(node => node.type === type);
    app.canvas.deselectAll();
    app.canvas.selectNode(node);
}"""
PICTURES_ARE_THERE = """() => {
    const pictures = [...document.querySelectorAll(".node-help-content img")];
    return pictures.length > 0 && pictures.every(picture => picture.naturalWidth > 0);
}"""
NAMES = """type => {
    const node = app.rootGraph.nodes.find(node => node.type === type);
    const { title, category } = LiteGraph.registered_node_types[type];
    return [title, category, node.widgets.find(widget => widget.name === "candidates").label, node.outputs[0].label
        ?? node.outputs[0].localized_name];
}"""


@pytest.mark.parametrize(
    ("language", "heading", "names"),
    [
        ("en", "When to use it", ["Random Search", "noise search", "candidates", "model"]),
        ("zh", "什么时候用", ["随机搜索", "噪波搜索", "候选数", "模型"]),
    ],
    indirect=["language"],
)
def test_a_node_has_its_names_and_its_help_page_in_the_user_s_language(
    language: str, page: Frontend, heading: str, names: list[str]
):
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search()))
    page.load_prompt(graph.prompt)
    assert page.page.evaluate(NAMES, "RandomSearch") == names
    page.page.evaluate(SELECT, "RandomSearch")
    page.page.get_by_test_id("info-button").dispatch_event("click")
    page.page.locator(".node-help-content h2", has_text=heading).wait_for()
    page.page.wait_for_function(PICTURES_ARE_THERE)
