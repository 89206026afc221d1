"""The board in the real front end: it fills, it can be stopped, it comes back, and it leaves the workflow alone."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from comfy_client import Client
from comfy_graph import Node
from comfy_server import Server
from frontend import Frontend, configure
from seen_boards import BOTH, CLEAR_VIEW, NODES, QUIET, SET, SHOW, SLOW, WIDGET, Boards, demo, show, small
from shapes_graph import ShapesGraph

WINDOW = {"width": 1600, "height": 1000}

DROP = """async ([name, data]) => {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
    const target = document.querySelector("#graph-canvas");
    for (const kind of ["dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
}"""
SHAPES_OF_TEXTS = """async () => {
    const shapes = { string: () => "text", function: text => `of ${text.length}`, object: texts => shapeOf(texts) };
    const shapeOf = texts => Object.entries(texts).map(([name, text]) => [name, shapes[typeof text](text)]);
    const files = ["en", "zh"].map(language => import(`/extensions/noise-search/texts_${language}.js`));
    const [{ english }, { chinese }] = await Promise.all(files);
    return [shapeOf(english), shapeOf(chinese)];
}"""
HEADLINE = re.compile(r"^\d[\d.]* (\+[\d.]+ over your image|your own image is the best of 4), seed \d+$")


@pytest.fixture
def other_page(chrome: Browser) -> Iterator[Callable[[str], Frontend]]:
    """Opens ComfyUI in another browser, as another client."""
    contexts = []

    def opened(url: str) -> Frontend:
        contexts.append(chrome.new_context(viewport=WINDOW))
        contexts[-1].grant_permissions(["clipboard-read", "clipboard-write"])
        front_end = Frontend(contexts[-1].new_page(), url)
        front_end.watch()
        front_end.open()
        front_end.page.bring_to_front()  # the mask that the front end starts with fades in sight only
        expect(front_end.page.locator(".p-blockui-mask")).to_have_count(0)
        return front_end

    yield opened
    for context in contexts:
        context.close()


@BOTH
def test_the_board_fills_and_keep_best_goes_on_with_the_image(boards: Boards) -> None:
    demo(boards, seed=11_000, candidates=SLOW)
    boards.start()
    boards.wait_for_tiles(9)
    assert boards.scores() == sorted(boards.scores(), reverse=True)
    expect(boards.of()).to_contain_text(f"of {SLOW} candidates")
    expect(boards.of()).to_contain_text("left")
    expect(boards.of().locator(".tile.best .tag")).to_contain_text("best")
    expect(boards.of().locator(".tag", has_text="yours")).to_have_count(1)
    assert boards.of().locator(".curve .best").get_attribute("d").startswith("M")
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("kept best")
    expect(boards.of().get_by_role("button", name="Keep best")).to_be_hidden()
    assert boards.tiles().count() < SLOW
    executed = boards.page.evaluate("() => window.testRun.executed")
    assert any("images" in (done["output"] or {}) for done in executed)


@BOTH
def test_the_board_survives_a_reload_in_the_middle(boards: Boards) -> None:
    demo(boards, seed=12_000, candidates=SLOW)
    boards.start()
    boards.wait_for_tiles(8)
    boards.page.wait_for_timeout(1500)  # the front end keeps its draft of the workflow a moment later
    before = boards.tiles().count()
    boards.front_end.open()
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    boards.wait_for_tiles(before + 8)
    expect(boards.tiles().locator("img").first).to_have_js_property("complete", True)
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("kept best")


def test_a_second_window_follows_the_search_and_may_stop_it(
    boards: Boards, other_page: Callable[[str], Frontend]
) -> None:
    demo(boards, seed=13_000, candidates=SLOW)
    second = Boards(other_page(boards.front_end.url))
    boards.start()
    boards.wait_for_tiles(8)
    second.front_end.load(boards.front_end.workflow())
    second.page.evaluate(CLEAR_VIEW, "RandomSearch")
    second.wait_for_tiles(16)
    second.keep_best()
    assert boards.wait_for_end() == "success"
    expect(second.of()).to_contain_text("kept best")
    assert second.front_end.problems == []


@BOTH
def test_a_run_leaves_the_workflow_as_it_was(boards: Boards) -> None:
    small(boards, seed=14_000)
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    before, inputs = search_node(boards), list(boards.front_end.prompt()[str(search_node(boards)["id"])]["inputs"])
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    after = search_node(boards)
    assert after == before
    assert list(boards.front_end.prompt()[str(after["id"])]["inputs"]) == inputs


def search_node(boards: Boards) -> dict[str, Any]:
    """As the workflow is saved."""
    return next(node for node in boards.front_end.workflow()["nodes"] if node["type"] == "RandomSearch")


@BOTH
def test_a_candidate_is_shown_large_with_its_recipe(boards: Boards) -> None:
    small(boards, seed=15_000)
    boards.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    boards.start()
    assert boards.wait_for_end() == "success"
    nodes = len(boards.front_end.workflow()["nodes"])
    boards.tiles().nth(1).click()
    dialog = boards.page.locator("dialog.noise-search")
    expect(dialog).to_contain_text("2 of 4 by score")
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 32)
    dialog.get_by_role("button", name="Copy recipe").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    recipe = json.loads(boards.page.evaluate("() => navigator.clipboard.readText()"))
    assert recipe["moves"] == []
    assert 15_000 <= recipe["seed"] - boards.later < 15_004
    boards.page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("1 of 4 by score")
    boards.page.keyboard.press("Delete")
    boards.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert len(boards.front_end.workflow()["nodes"]) == nodes


def test_a_batch_has_a_chooser(boards: Boards) -> None:
    small(boards, seed=16_000, images=3)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("Image 1 of 3")
    first = boards.scores()
    boards.of().get_by_role("button", name="›").click()
    expect(boards.of()).to_contain_text("Image 2 of 3")
    assert boards.scores() != first


@BOTH
def test_two_searches_have_a_board_each(boards: Boards) -> None:
    graph = ShapesGraph()
    found = graph.search(candidates=3)
    refined = graph.node("ZeroOrderSearch", iterations=2, neighbors=2, cosine=0.9, **inputs_of(graph, found))
    for search in (found, refined):
        graph.saved(graph.ksampler(search, seed=17_000 + boards.later))
    show(boards, graph)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.of().locator(".tile")).to_have_count(3)
    boards.page.evaluate(CLEAR_VIEW, "ZeroOrderSearch")
    expect(boards.of("ZeroOrderSearch").locator(".tile")).to_have_count(5)


def inputs_of(graph: ShapesGraph, search: Node) -> dict[str, Any]:
    inputs = graph.prompt[search.id]["inputs"]
    return {name: inputs[name] for name in ("model", "vae", "verifier", "prompt", "max_seconds", "batch_size")}


@BOTH
def test_a_search_in_a_subgraph_has_its_board_there(boards: Boards) -> None:
    small(boards, seed=18_000)
    boards.page.evaluate(
        f"() => {{ const inside = ({NODES})('RandomSearch'); app.rootGraph.convertToSubgraph(new Set(inside)); }}"
    )
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    assert boards.wait_for_end() == "success"
    boards.page.evaluate(
        """() => {
            const subgraph = app.rootGraph.nodes.find(node => node.subgraph).subgraph;
            app.canvas.setGraph(subgraph);
            app.canvas.ds.scale = 1;
            const [node] = subgraph.nodes;
            app.canvas.ds.offset = [120 - node.pos[0], 120 - node.pos[1]];
            app.canvas.setDirty(true, true);
        }"""
    )
    expect(boards.tiles()).to_have_count(4)


@BOTH
def test_a_subgraph_has_progress_and_keep_best_at_hand(boards: Boards) -> None:
    small(boards, seed=27_000, candidates=SLOW)
    inside = f"() => {{ app.rootGraph.convertToSubgraph(new Set(({NODES})('RandomSearch'))); }}"
    boards.page.evaluate(inside)
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    boards.page.evaluate(SHOW, boards.page.evaluate("() => app.rootGraph.nodes.find(node => node.subgraph).type"))
    badge = boards.page.locator(".noise-search-badge")
    expect(badge.locator(".score")).to_contain_text(re.compile("over your image|your own image"))
    expect(badge).to_contain_text(f"of {SLOW} candidates")
    badge.get_by_role("button", name="Keep best").click()
    assert boards.wait_for_end() == "success"
    expect(badge).to_have_count(0)


@BOTH
def test_a_board_has_its_place_before_anything_runs(boards: Boards) -> None:
    small(boards, seed=28_000)
    boards.page.evaluate(SHOW, "RandomSearch")
    expect(boards.of()).to_contain_text("The search is shown here while it runs.")
    size = node_size(boards)
    boards.page.evaluate(QUIET)
    boards.page.get_by_test_id("queue-button").click()
    assert boards.wait_for_end() == "success"
    expect(boards.of().locator(".score")).to_have_text(HEADLINE)
    expect(boards.of().locator(".face")).to_be_visible()
    expect(boards.of().locator(":scope > .grid")).to_be_hidden()
    assert node_size(boards) == size, "what runs does not make a node larger"
    boards.of().get_by_role("button", name="▾").click()
    expect(boards.of().locator(".tile").first).to_be_visible()
    opened = boards.front_end.workflow()
    boards.front_end.load(opened, "opened")
    boards.page.evaluate(SHOW, "RandomSearch")
    expect(boards.of().locator(".tile").first).to_be_visible()
    boards.of().get_by_role("button", name="▴").click()
    expect(boards.of().locator(":scope > .grid")).to_be_hidden()
    assert node_size(boards) == size
    boards.page.evaluate(f"() => app.canvas.selectItems(({NODES})('RandomSearch'))")
    toggle = boards.page.get_by_role("button", name="Toggle properties panel")
    toggle.click()
    panel = boards.page.get_by_test_id("properties-panel")
    expect(panel).to_contain_text("candidates")
    expect(panel).not_to_contain_text("board")
    toggle.click()  # ComfyUI keeps whether it is open


def node_size(boards: Boards) -> list[float]:
    return boards.page.evaluate(f"() => ({NODES})('RandomSearch').map(node => [...node.size].map(Math.round))[0]")


@BOTH
def test_the_sidebar_has_all_searches_that_run(boards: Boards) -> None:
    small(boards, seed=29_000, candidates=SLOW)
    boards.page.get_by_role("button", name="Searches that are running").click()
    sidebar = boards.page.locator(".noise-search-sidebar")
    expect(sidebar).to_contain_text("No search is running.")
    boards.start()
    expect(sidebar.locator(".score")).to_contain_text(re.compile("over your image|your own image"))
    sidebar.get_by_role("button", name="Keep best").click()
    assert boards.wait_for_end() == "success"
    expect(sidebar).to_contain_text("kept best")


@BOTH
def test_tiles_fill_while_candidates_run(boards: Boards) -> None:
    small(boards, seed=30_000, candidates=SLOW, steps=40)
    boards.start()
    begun = boards.tiles().filter(has_text="…").first
    expect(begun).to_contain_text("step")
    expect(begun.locator("img")).to_have_js_property("complete", True)
    expect(begun).to_have_attribute("title", re.compile(r"running, as predicted after \d+ steps"))
    boards.wait_for_tiles(1)
    expect(boards.of().locator(".score")).to_contain_text(re.compile("over your image|your own image"))
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles().filter(has_text="…")).to_have_count(0)


@BOTH
def test_continue_and_more_put_the_seed_back(boards: Boards) -> None:
    small(boards, seed=31_000, candidates=30, steps=10)
    boards.page.evaluate(SET, ["KSampler", "control_after_generate", "randomize"])
    seed = 31_000 + boards.later
    boards.start()
    boards.wait_for_tiles(3)
    boards.keep_best()
    assert boards.wait_for_end() == "success"
    expect(boards.of()).to_contain_text("kept best")
    assert sampler_seed(boards) != seed, "ComfyUI has drawn another"
    scores = boards.tiles().count()
    press(boards, "Continue")
    expect(boards.of()).to_contain_text("30 of 30 candidates")
    assert scores < boards.tiles().count() == 30
    assert sampler_seed(boards) == seed
    press(boards, "30 more")
    expect(boards.of()).to_contain_text("60 of 60 candidates")
    assert sampler_seed(boards) == seed
    expect(boards.of().get_by_role("button", name="Continue")).to_be_hidden()
    control = boards.page.evaluate(WIDGET, ["KSampler", "control_after_generate"])
    assert control == "randomize", "the next run is as people want it"


@BOTH
def test_another_rank_without_another_search(boards: Boards) -> None:
    """ComfyUI has drawn another seed for the next run, with which all would be searched again."""
    graph, seed = ShapesGraph(), 18_500 + boards.later
    search = graph.search(4, keep=2)
    report = graph.node("SearchReport", latent=graph.ksampler(search, seed=seed), search=search.out(1))
    graph.node("PreviewAny", source=report.out(4))
    graph.saved(report)
    show(boards, graph)
    boards.start()
    assert boards.wait_for_end() == "success"
    assert sampler_seed(boards) != seed
    scores = boards.scores()
    boards.page.evaluate(SET, ["SearchReport", "rank", 2])
    press(boards, "Same seed")
    assert sampler_seed(boards) == seed
    assert boards.scores() == scores
    (recipe,) = (
        one["output"]["text"] for one in boards.page.evaluate("() => testRun.executed") if "text" in one["output"]
    )
    tile = boards.tiles().nth(1)
    assert json.loads(recipe[0])["seed"] == seed + int(re.search(r"#(\d+)", tile.inner_text())[1])  # type: ignore[index]
    boards.page.evaluate(SET, ["KSampler", "control_after_generate", "fixed"])
    press(boards, "4 more")
    expect(boards.of()).to_contain_text("8 of 8 candidates")
    expect(boards.of().get_by_role("button", name="Same seed")).to_be_hidden()


def press(boards: Boards, name: str) -> None:
    """A button that runs the workflow; and wait for the end."""
    boards.page.evaluate(QUIET)
    boards.of().get_by_role("button", name=name).click()
    assert boards.wait_for_end() == "success"


def sampler_seed(boards: Boards) -> int:
    return boards.page.evaluate(WIDGET, ["KSampler", "seed"])


def test_two_hundred_candidates_stay_small(boards: Boards) -> None:
    small(boards, seed=19_000, candidates=200, steps=1)
    sizes: list[int] = []
    boards.page.on("response", lambda reply: sizes.append(len(reply.body())) if "/tile" in reply.url else None)
    boards.page.evaluate(
        """async () => {
            const { api } = await import("/scripts/api.js");
            window.boardMessages = [];
            const keep = ({ detail }) => window.boardMessages.push(JSON.stringify(detail).length);
            api.addEventListener("noise_search.board", keep);
        }"""
    )
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(200)
    messages = boards.page.evaluate("() => window.boardMessages")
    assert max(messages) < 3000, "characters an event"
    boards.page.wait_for_timeout(500)
    assert 0 < len(sizes) < 100, "pictures out of sight are not fetched"
    assert max(sizes) < 6000


@BOTH
def test_a_dropped_picture_shows_the_recipe_of_its_winner(
    boards: Boards, start_server: Callable[..., Server], other_page: Callable[[str], Frontend], vue: bool
) -> None:
    small(boards, seed=20_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    picture = saved_picture(boards)
    elsewhere = start_server("--cache-none").url  # where nothing is known of the search
    configure(elsewhere, vue)
    other = Boards(other_page(elsewhere))
    other.page.evaluate(DROP, ["found.png", picture])
    other.front_end.wait_for_graph("found")
    other.page.evaluate(CLEAR_VIEW, "RandomSearch")
    expect(other.of().locator(".score")).to_have_text(HEADLINE)
    expect(other.of()).to_contain_text("of 4 · 16 NFE")
    other.of().get_by_role("button", name="Copy recipe").click()
    expect(other.of().get_by_role("button", name="Copied")).to_be_visible()
    recipe = json.loads(other.page.evaluate("() => navigator.clipboard.readText()"))
    assert 20_000 <= recipe["seed"] - boards.later < 20_004
    assert other.front_end.problems == []


def test_a_picture_dropped_where_it_was_made_shows_its_whole_board(boards: Boards) -> None:
    small(boards, seed=21_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    picture, scores = saved_picture(boards), boards.scores()
    boards.page.evaluate(SET, ["KSampler", "seed", 22_000])
    boards.start()
    assert boards.wait_for_end() == "success"
    assert boards.scores() != scores
    boards.page.evaluate(DROP, ["found.png", picture])
    boards.front_end.wait_for_graph("found")
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    expect(boards.tiles()).to_have_count(4)
    assert boards.scores() == scores


@pytest.mark.parametrize("language", ["zh"], indirect=True)
def test_the_board_is_in_the_language_of_comfyui(boards: Boards, language: str) -> None:
    small(boards, seed=23_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    board = boards.page.get_by_role("region", name="：看板")
    expect(board).to_contain_text("4/4 个候选 · 16 NFE")
    expect(board).to_contain_text("已完成")
    expect(board.locator(".tag", has_text="原图")).to_have_count(1)
    board.locator(".tile").nth(1).click()
    dialog = boards.page.locator("dialog.noise-search")
    expect(dialog).to_contain_text("按分数第 2，共 4 个")
    dialog.get_by_role("button", name="关闭").click()
    expect(dialog).to_have_count(0)


FAIL_THE_SECOND = """async () => {
    const { api } = await import("/scripts/api.js");
    const search = app.rootGraph.nodes.find(node => node.type === "RandomSearch");
    const workflow = new URLSearchParams({ workflow: app.rootGraph.id });
    const [board] = await (await api.fetchApi(`/noise_search/boards?${workflow}`)).json();
    const reason = "the VAE gave NaN or infinite values";
    const candidates = board.candidates[0].map((entry) =>
        entry.index === 1 ? { ...entry, score: null, failed: reason } : entry);
    const best = candidates.reduce((one, other) => (other.score ?? -9) > (one.score ?? -9) ? other : one).index;
    const detail = { ...board, board: "failing", prompt: "another", best: [best], candidates: [candidates] };
    api.dispatchEvent(new CustomEvent("noise_search.board", { detail }));
}"""


def test_a_failed_candidate_is_the_last_tile_and_says_why(boards: Boards) -> None:
    small(boards, seed=24_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    boards.page.evaluate(FAIL_THE_SECOND)
    last = boards.tiles().nth(3)
    expect(last).to_have_class(re.compile("failed"))
    expect(last.locator(".value")).to_have_text("failed")
    expect(last).to_have_attribute("title", re.compile("Candidate 1 · failed: the VAE gave NaN or infinite values"))
    expect(last.locator("img")).to_be_hidden()
    expect(boards.of()).to_contain_text("1 of 4 candidates failed; point at one to see why.")
    assert points(boards, "dots") + points(boards, "below") == 3


WITH_PARTS = """async details => {
    const { api } = await import("/scripts/api.js");
    const search = app.rootGraph.nodes.find(node => node.type === "RandomSearch");
    const workflow = new URLSearchParams({ workflow: app.rootGraph.id });
    const [board] = await (await api.fetchApi(`/noise_search/boards?${workflow}`)).json();
    const candidates = board.candidates[0].map(one => one.index === 1 ? { ...one, details } : one);
    const detail = { ...board, board: "with parts", prompt: "with parts", candidates: [candidates] };
    api.dispatchEvent(new CustomEvent("noise_search.board", { detail }));
}"""


PARTS_LISTED = """async details => {
    const { partsList } = await import("/extensions/noise-search/parts.js");
    return partsList({ details }).flatMap(list => [...list.children].map(part => part.textContent));
}"""


def test_a_tile_tells_the_parts_that_a_verifier_judged(boards: Boards) -> None:
    small(boards, seed=27_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    words = [{"text": "OPEN", "read": "OPEN", "score": -0.01, "holds": True}]
    words.append({"text": "HOURS", "read": "HUORS", "score": -2.5, "holds": False})
    boards.page.evaluate(WITH_PARTS, {"text": words, "checklist": [{"text": "a cat", "score": 0.9, "holds": True}]})
    parts = boards.of().locator(".tile .parts:has(span)")
    expect(parts).to_have_text("OPENHUORS✓")
    expect(parts.locator(".fails")).to_have_text("HUORS")
    tile = boards.of().locator(".tile:has(.fails)")
    expect(tile).to_have_attribute("title", re.compile(r"✗ HOURS → HUORS \(-2\.50\), ✓ a cat \(0\.90\)"))
    listed = boards.page.evaluate(PARTS_LISTED, {"text": words})
    assert listed == ["✓ OPEN (-0.01)", "✗ HOURS → HUORS (-2.50)"]
    assert boards.page.evaluate(PARTS_LISTED, None) == []


BESIDE_THE_OTHERS = """async scores => {
    const { api } = await import("/scripts/api.js");
    const search = app.rootGraph.nodes.find(node => node.type === "RandomSearch");
    const workflow = new URLSearchParams({ workflow: app.rootGraph.id });
    const [board] = await (await api.fetchApi(`/noise_search/boards?${workflow}`)).json();
    const candidates = scores.map(([score, step], index) => ({ ...board.candidates[0][index], score, step }));
    const ended = candidates.filter(({ step }) => step === null);
    const best = ended.reduce((one, other) => other.score > one.score ? other : one).index;
    const detail = { ...board, board: `${scores}`, prompt: `${scores}`, best: [best], candidates: [candidates] };
    api.dispatchEvent(new CustomEvent("noise_search.board", { detail }));
}"""


@BOTH
def test_the_headline_says_in_words_what_came_of_it(boards: Boards) -> None:
    small(boards, seed=25_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    headline = boards.of().locator(".score")
    expect(headline).to_have_text(HEADLINE)
    seed = 25_002 + boards.later
    boards.page.evaluate(BESIDE_THE_OTHERS, [[12.74, None], [9.871, None], [13.184, None], [12.1, None]])
    expect(headline).to_have_text(f"13.18 +0.44 over your image, seed {seed}")
    assert boards.scores() == [13.18, 12.74, 12.1, 9.87]
    expect(boards.of()).to_contain_text("4 of 4 candidates")
    boards.page.evaluate(BESIDE_THE_OTHERS, [[13.5, None], [9.871, None], [13.184, None], [12.1, None]])
    expect(headline).to_have_text(f"13.50 your own image is the best of 4, seed {seed - 2}")
    boards.page.evaluate(BESIDE_THE_OTHERS, [[12.1, 7], [9.871, 3], [13.184, None], [12.9, None]])
    expect(headline).to_have_text(f"13.18 is the best of 4, seed {seed}")
    expect(boards.of()).to_contain_text("Your own image was stopped at step 7: 12.10.")
    expect(boards.of()).to_contain_text("4 candidates, 2 to the end")


def test_one_bad_candidate_does_not_press_the_curve_flat(boards: Boards) -> None:
    small(boards, seed=26_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.page.evaluate(BESIDE_THE_OTHERS, [[12.7, None], [-900.0, None], [13.2, None], [12.1, None]])
    expect(boards.of().locator(".curve .low")).to_have_text("12.10")
    assert (points(boards, "dots"), points(boards, "below")) == (3, 1)
    expect(boards.of().locator(".curve")).to_have_attribute("title", re.compile("1 far below the others"))


def points(boards: Boards, line: str) -> int:
    """How many of the curve's."""
    return (boards.of().locator(f".curve .{line}").get_attribute("d") or "").count("M")


def test_every_language_has_the_same_texts(page: Frontend) -> None:
    english, chinese = page.page.evaluate(SHAPES_OF_TEXTS)
    assert english == chinese


def saved_picture(boards: Boards) -> str:
    """The PNG that the run saved, in base64."""
    executed = boards.page.evaluate("() => window.testRun.executed")
    (reference,) = next(done["output"]["images"] for done in executed if "images" in (done["output"] or {}))
    return base64.b64encode(Client(boards.front_end.url).image(reference)).decode()


def use_at_once(boards: Boards, at: int) -> int:
    """The same by the button on the tile, which is there under the mouse and for the keyboard."""
    tile = boards.tiles().nth(at)
    use = tile.get_by_role("button", name="Use this one")
    expect(tile.locator(".acts")).to_have_css("opacity", "0")
    tile.hover()
    expect(tile.locator(".acts")).to_have_css("opacity", "1")
    number = int(re.search(r"\d+", tile.locator(".tag").inner_text())[0])  # type: ignore[index]
    use.click()
    return number


def use_tile(boards: Boards, at: int) -> int:
    """Choose the candidate on a tile; its number. A run that it starts is waited for."""
    boards.tiles().nth(at).click()
    dialog = boards.page.locator("dialog.noise-search")
    number = int(re.search(r"\d+", dialog.locator("h3").inner_text())[0])  # type: ignore[index]
    dialog.get_by_role("button", name="Use this one").click()
    expect(dialog).to_have_count(0)
    return number


@BOTH
def test_a_search_that_runs_ends_with_the_candidate_that_is_used(boards: Boards) -> None:
    demo(boards, seed=41_000, candidates=SLOW)
    boards.start()
    boards.wait_for_tiles(4)
    number = use_tile(boards, 2)
    assert boards.wait_for_end() == "success"
    expect(boards.of().locator(".tile.best .tag")).to_have_text(re.compile(f"^#{number} chosen"))
    assert boards.tiles().count() < SLOW


@BOTH
def test_a_tile_has_its_candidate_used_at_once(boards: Boards) -> None:
    small(boards, seed=44_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.page.evaluate(QUIET)
    number = use_at_once(boards, 1)
    assert boards.wait_for_end() == "success"
    assert sampler_seed(boards) == 44_000 + boards.later + number
    (winner,) = json.loads(Image.open(io.BytesIO(base64.b64decode(saved_picture(boards)))).text["noise_search"])
    assert (winner["chosen_by"], winner["best"]["index"]) == ("a person", number)
    assert "noise_search_choice" not in boards.page.evaluate("() => app.rootGraph.extra")


def test_the_keyboard_reaches_what_is_on_a_tile(boards: Boards) -> None:
    small(boards, seed=45_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.tiles().nth(1).locator(".look").focus()
    boards.page.keyboard.press("Tab")
    tile = boards.of().locator(".tile:focus-within")
    expect(tile.locator(".acts")).to_have_css("opacity", "1")
    number = int(re.search(r"#(\d+)", tile.locator(".tag").inner_text())[1])  # type: ignore[index]
    for _ in ("Reject", "Refine this", "Use this one"):
        boards.page.keyboard.press("Tab")
    expect(tile.get_by_role("button", name="Use this one")).to_be_focused()
    boards.page.evaluate(QUIET)
    boards.page.keyboard.press("Enter")
    assert boards.wait_for_end() == "success"
    assert sampler_seed(boards) == 45_000 + boards.later + number


def test_what_has_the_focus_keeps_it_where_tiles_move(boards: Boards) -> None:
    kept = boards.page.evaluate(
        """async () => {
            const { arrange } = await import("/extensions/noise-search/dom.js");
            const parent = document.createElement("div");
            const [one, two, three] = ["1", "2", "3"].map((text) => {
                const made = document.createElement("button");
                made.textContent = text;
                return made;
            });
            parent.append(one, two, three);
            document.body.append(parent);
            one.focus();
            arrange(parent, [three, two, one]);
            const texts = [document.activeElement.textContent, parent.textContent];
            parent.remove();
            return texts;
        }"""
    )
    assert kept == ["1", "321"]


def test_where_nothing_can_be_used_the_tiles_do_not_offer_it(boards: Boards) -> None:
    small(boards, seed=46_000, images=2)
    boards.start()
    assert boards.wait_for_end() == "success"
    expect(boards.tiles()).to_have_count(4)
    boards.tiles().nth(1).hover()
    expect(boards.of().get_by_role("button", name="Use this one")).to_have_count(0)


@BOTH
def test_a_finished_searchs_candidate_is_made_by_its_seed_without_the_search(boards: Boards) -> None:
    small(boards, seed=42_000)
    boards.start()
    assert boards.wait_for_end() == "success"
    shown = boards.of().inner_text()
    boards.page.evaluate(QUIET)
    number = use_tile(boards, 1)
    assert boards.wait_for_end() == "success"
    assert sampler_seed(boards) == 42_000 + boards.later + number
    assert search_node(boards)["mode"] == 0
    assert boards.of().inner_text() == shown, "no search has run"
    boards.page.evaluate(DROP, ["chosen.png", saved_picture(boards)])
    boards.front_end.wait_for_graph("chosen")
    boards.page.evaluate(CLEAR_VIEW, "RandomSearch")
    expect(boards.tiles()).to_have_count(4)


@BOTH
def test_where_no_seed_makes_a_candidate_replay_noise_is_wired(boards: Boards) -> None:
    graph = ShapesGraph(steps=4)
    graph.saved(graph.ksampler(graph.search(4, variety=0.3), seed=43_000 + boards.later))
    show(boards, graph)
    boards.start()
    assert boards.wait_for_end() == "success"
    boards.page.evaluate(QUIET)
    use_tile(boards, 1 if "#0 " in boards.tiles().nth(0).locator(".tag").inner_text() else 0)
    assert boards.wait_for_end() == "success"
    nodes = {node["type"]: node for node in boards.front_end.workflow()["nodes"]}
    link = next(one["link"] for one in nodes["KSampler"]["inputs"] if one["name"] == "model")
    assert link in nodes["ReplayNoise"]["outputs"][1]["links"]
    assert json.loads(nodes["ReplayNoise"]["widgets_values"][0])["variety"] == 0.3
