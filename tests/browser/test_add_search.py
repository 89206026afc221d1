"""A search on a sampler that one has, from the sampler's menu; what an empty prompt is judged by; files of loaders."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from comfy_graph import Node
from frontend import Frontend
from shapes_graph import CAPTION, ShapesGraph

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
SHOW = """id => {
    const node = app.rootGraph.getNodeById(id);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [500 - node.pos[0], 400 - node.pos[1]];
    app.canvas.setDirty(true, true);
}"""
OVERLAPS = """() => app.rootGraph.nodes.flatMap(one => app.rootGraph.nodes.filter(other => one.id < other.id
    && one.pos[0] < other.pos[0] + other.size[0] && other.pos[0] < one.pos[0] + one.size[0]
    && one.pos[1] - 30 < other.pos[1] + other.size[1] && other.pos[1] - 30 < one.pos[1] + one.size[1]
).map(other => `${one.type} ${other.type}`))"""
PLACE = "kind => { app.graph.clear(); app.graph.add(LiteGraph.createNode(kind)); }"
CLASSIC_ENTRY = ".litecontextmenu .litemenu-entry"
OFFERED = "[data-testid=missing-model-download]"


def add_search(page: Frontend, sampler: Node, vue: bool) -> None:
    """By a right click on the sampler's title."""
    page.page.evaluate(SHOW, sampler.id)
    page.page.wait_for_timeout(500)
    page.page.mouse.click(580, 388, button="right")
    if vue:
        page.page.get_by_role("menuitem", name="Add noise search").click()
    else:
        page.page.locator(CLASSIC_ENTRY, has_text="Add noise search").click()


def search_in(prompt: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    ((name, found),) = [(name, node) for name, node in prompt.items() if node["class_type"] == "AutoSearch"]
    return name, found["inputs"]


@BOTH
def test_it_is_put_on_the_model_s_wire_with_all_it_needs(page: Frontend, vue: bool) -> None:
    graph = ShapesGraph(steps=3 + vue)
    sampler = graph.ksampler(graph.loader)
    graph.saved(sampler)
    del graph.prompt[graph.verifier.id]
    page.load_prompt(graph.prompt)
    add_search(page, sampler, vue)
    name, given = search_in(page.prompt())
    assert page.prompt()[sampler.id]["inputs"]["model"] == [name, 0]
    assert (given["model"], given["vae"]) == ([graph.loader.id, 0], [graph.loader.id, 2])
    assert page.prompt()[given["verifier"][0]]["class_type"] == "LoadShapesVerifier"
    page.page.locator(".noise-search-place.compact .toggle").click()
    assert page.page.evaluate(OVERLAPS) == []
    run = page.run()
    assert run.status == "success", run.message
    told = f"judged by: {CAPTION}"
    if vue:
        expect(page.page.locator("label", has_text=told)).to_be_visible()
    else:
        expect(page.page.get_by_placeholder(told)).to_have_count(1)


def test_a_verifier_that_is_there_is_used_and_a_search_is_not_put_on_twice(page: Frontend) -> None:
    graph = ShapesGraph()
    sampler = graph.ksampler(graph.loader)
    graph.saved(sampler)
    page.load_prompt(graph.prompt)
    add_search(page, sampler, vue=False)
    _, given = search_in(page.prompt())
    assert given["verifier"] == [graph.verifier.id, 0]
    page.page.evaluate(SHOW, sampler.id)
    page.page.mouse.click(580, 388, button="right")
    page.page.locator(CLASSIC_ENTRY).first.wait_for()
    assert page.page.locator(CLASSIC_ENTRY, has_text="Add noise search").count() == 0


def test_behind_a_guider(page: Frontend) -> None:
    graph = ShapesGraph()
    guider = graph.cfg_guider(graph.loader)
    sampler = graph.guided(guider)
    graph.saved(sampler)
    page.load_prompt(graph.prompt)
    add_search(page, sampler, vue=False)
    name, given = search_in(page.prompt())
    assert page.prompt()[guider.id]["inputs"]["model"] == [name, 0]
    assert given["vae"] == [graph.loader.id, 2]


def test_it_is_one_step_to_undo(page: Frontend) -> None:
    graph = ShapesGraph()
    sampler = graph.ksampler(graph.loader)
    graph.saved(sampler)
    page.load_prompt(graph.prompt)
    before = page.prompt()
    add_search(page, sampler, vue=False)
    page.page.wait_for_timeout(500)
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.Undo')")
    page.page.wait_for_function("() => !app.rootGraph.nodes.some(node => node.type === 'AutoSearch')")
    assert page.prompt().keys() == before.keys()


@pytest.mark.parametrize("kind", ["ImageRewardVerifier", "HPSVerifier", "PickScoreVerifier", "CLIPScoreVerifier"])
def test_a_loader_placed_by_hand_offers_its_file(fresh_page: Frontend, kind: str) -> None:
    page = fresh_page
    page.page.evaluate(PLACE, kind)
    wanted = page.page.evaluate("() => app.graph.nodes[0].widgets[0].value")
    page.page.get_by_test_id("error-overlay-see-errors").click()
    offered = page.page.locator(OFFERED)
    expect(offered).to_have_count(1)
    assert re.sub("^Download ", "", offered.get_attribute("aria-label") or "") == wanted


INTO_SUBGRAPH = """ids => {
    const inside = new Set(ids.map(id => app.rootGraph.getNodeById(id)));
    const { subgraph } = app.rootGraph.convertToSubgraph(inside).node;
    app.canvas.setGraph(subgraph);
}"""
SHOW_SAMPLER = """() => {
    const sampler = app.canvas.graph.nodes.find(node => node.type === "KSampler");
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [500 - sampler.pos[0], 400 - sampler.pos[1]];
    app.canvas.setDirty(true, true);
}"""


@BOTH
@pytest.mark.parametrize("alone", [True, False], ids=["the sampler alone", "with its loader"])
def test_on_a_sampler_in_a_subgraph(page: Frontend, vue: bool, alone: bool) -> None:
    """Where model and VAE are outside, they are led in."""
    graph = ShapesGraph(steps=5 + vue)
    sampler = graph.ksampler(graph.loader)
    graph.saved(sampler)
    del graph.prompt[graph.verifier.id]
    page.load_prompt(graph.prompt)
    page.page.evaluate(INTO_SUBGRAPH, [sampler.id] if alone else [sampler.id, graph.loader.id])
    page.page.wait_for_timeout(1000)  # the front end brings what is inside into view
    page.page.evaluate(SHOW_SAMPLER)
    page.page.wait_for_timeout(500)
    page.page.mouse.click(580, 388, button="right")
    entries = page.page.get_by_role("menuitem") if vue else page.page.locator(CLASSIC_ENTRY)
    entries.filter(has_text="Add noise search").click()
    page.page.wait_for_function("() => app.canvas.graph.nodes.some(node => node.type === 'AutoSearch')")
    prompt = page.prompt()
    name, given = search_in(prompt)
    (loader,) = [name for name, node in prompt.items() if node["class_type"] == "LoadShapesModel"]
    (sampled,) = [node for node in prompt.values() if node["class_type"] == "KSampler"]
    assert sampled["inputs"]["model"] == [name, 0]
    assert (given["model"], given["vae"]) == ([loader, 0], [loader, 2])
    assert prompt[given["verifier"][0]]["class_type"] == "LoadShapesVerifier"
    run = page.run()
    assert run.status == "success", run.message
