"""Every workflow that ComfyUI lists under the pack's name opens; those on the demo model run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, TimeoutError

from comfy_client import Client
from comfy_server import Server
from demo_words import put_files
from frontend import Frontend, Run, configure
from layout import PACK_NAME, ROOT
from saved_graph import declared
from shapes_graph import ROUNDING

FOLDER = ROOT / "workflows"
LISTED = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
MORE = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "more").glob("*.json"))}
WORKFLOWS = LISTED | MORE
DEMOS = [name for name in WORKFLOWS if "demo" in name]
OTHERS = [name for name in WORKFLOWS if name not in DEMOS]
CLICKS = 4  # from a fresh start of ComfyUI to a search; README.md and README.zh.md say so
WINDOW = {"width": 1600, "height": 1000}
OFFERED_MS = 20_000

OFFERED = """() => [...document.querySelectorAll("[data-testid=missing-model-download]")].map(
    button => button.getAttribute("aria-label").replace("Download ", "")).sort()"""
OFFERS = f"wanted => JSON.stringify(({OFFERED})()) === JSON.stringify(wanted)"
MAKE_SMALL = """most => {
    for (const widget of app.rootGraph.nodes.flatMap(node => node.widgets ?? [])) {
        const limit = most[widget.name.split(".").at(-1)];
        if (limit !== undefined && widget.value > limit) widget.value = limit;
    }
}"""
BYPASS = """kinds => {
    app.canvas.selectItems(app.rootGraph.nodes.filter(node => kinds.includes(node.type)));
    return app.extensionManager.command.execute("Comfy.Canvas.ToggleSelectedNodes.Bypass");
}"""
SMALL = {
    "budget": 2,
    "candidates": 3,
    "count": 3,
    "iterations": 1,
    "neighbors": 2,
    "steps": 4,
    "max_steps": 4,
    "nfe": 12,
}


@dataclass(frozen=True)
class Opened:
    """A template in the front end. prompt: what it would queue; offered: the files it offers to download."""

    missing_nodes: list[str]
    prompt: dict[str, Any]
    offered: list[str]


@pytest.fixture(scope="module")
def shared(chrome: Browser, server: Server) -> Iterator[Frontend]:
    """One page for all: a page of its own takes seconds to start."""
    put_files(server.base / "models")
    configure(server.url, vue=False)
    context = chrome.new_context(viewport=WINDOW)
    front_end = Frontend(context.new_page(), server.url)
    front_end.watch()
    front_end.open()
    yield front_end
    context.close()


@pytest.fixture(scope="module")
def opened(shared: Frontend) -> dict[str, Opened]:
    """All of them, one after the other, as the template browser loads them."""
    found = {}
    for name, workflow in WORKFLOWS.items():
        shared.load(workflow, name)
        offered = offers(shared.page, files_of(name))
        found[name] = Opened(shared.missing_nodes(), shared.prompt(), offered)
    return found


def files_of(name: str) -> list[str]:
    return sorted({file["name"] for node in WORKFLOWS[name]["nodes"] for file in declared(node)})


def offers(page: Page, wanted: list[str]) -> list[str]:
    """What the list of missing models offers, once that is what is wanted; after a while, whatever it is."""
    if not wanted:
        return []
    if page.get_by_test_id("missing-model-download").count() == 0:
        page.get_by_test_id("error-overlay-see-errors").click()
    with suppress(TimeoutError):
        page.wait_for_function(OFFERS, arg=wanted, timeout=OFFERED_MS)
    return page.evaluate(OFFERED)


def test_there_are_templates_of_the_demo_and_of_models_that_people_have():
    assert set(DEMOS) - set(MORE) == {"better_image_demo", "refine_an_image_demo", "hires_fix_demo"}
    models = ("sd15", "sdxl", "flux", "z_image", "qwen_image", "krea2")
    assert {"video_wan", *(f"better_image_{model}" for model in models)} <= set(OTHERS)


def test_the_template_browser_has_a_card_for_each(page: Frontend):
    page.open_template("better_image_sd15")
    page.browse_templates()
    for name in LISTED:
        page.template_card(name).wait_for(state="attached")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_it_opens_without_a_missing_node(opened: dict[str, Opened], name: str):
    assert opened[name].missing_nodes == []
    assert opened[name].prompt


@pytest.mark.parametrize("name", OTHERS)
def test_the_front_end_offers_to_download_its_files(opened: dict[str, Opened], name: str):
    assert opened[name].offered == files_of(name) != []


@pytest.mark.parametrize("name", OTHERS)
def test_the_server_objects_to_nothing_but_files_that_are_not_there(
    opened: dict[str, Opened], server: Server, name: str
):
    status, reply = Client(server.url).post("/prompt", {"prompt": opened[name].prompt})
    assert status == 400
    others = ("LoadImage", "TextVerifier")
    loaders = {str(node["id"]) for node in WORKFLOWS[name]["nodes"] if declared(node) or node["type"] in others}
    objected = {node for node, found in reply["node_errors"].items() if found["errors"]}
    assert objected <= loaders
    kinds = {error["type"] for node in objected for error in reply["node_errors"][node]["errors"]}
    assert kinds <= {"value_not_in_list", "custom_validation_failed"}


@pytest.mark.parametrize("name", DEMOS)
def test_it_runs(shared: Frontend, name: str):
    shared.load(WORKFLOWS[name], f"{name}_run")
    shared.page.evaluate(MAKE_SMALL, SMALL)
    run = shared.run()
    assert run.status == "success", run.message
    assert shown(shared, run)
    for check in CHECKS.get(name, []):
        check(shown(shared, run))
    assert not shared.problems


@pytest.mark.parametrize("vue", [True])
def test_the_demo_runs_with_nodes_drawn_by_vue(front_end: Frontend):
    front_end.open(template="better_image_demo")
    front_end.page.evaluate(MAKE_SMALL, SMALL)
    run = front_end.run()
    assert run.status == "success", run.message
    assert {"With search", "Without search"} <= shown(front_end, run).keys()


def test_the_first_search_is_four_clicks_away(front_end: Frontend):
    """Template browser, the pack, the template, Run: as the README says. The budget is made small for the test only."""
    clicked = []

    def click(place: Locator) -> None:
        place.click()
        clicked.append(place)

    click(front_end.page.get_by_role("button", name="Templates").first)
    click(front_end.page.get_by_role("button", name=PACK_NAME, exact=True))
    click(front_end.template_card("better_image_demo"))
    front_end.wait_for_graph("better_image_demo")
    front_end.page.evaluate(MAKE_SMALL, SMALL)
    click(front_end.page.get_by_test_id("queue-button"))
    front_end.page.wait_for_function("() => window.testRun.done", timeout=300_000)
    assert front_end.page.evaluate("() => window.testRun.done.status") == "success"
    assert len(clicked) == CLICKS
    told = (ROOT / "README.md").read_text(encoding="utf-8"), (ROOT / "README.zh.md").read_text(encoding="utf-8")
    assert f"{CLICKS} clicks" in told[0] and f"点 {CLICKS} 下" in told[1]


@pytest.mark.parametrize("old", ["demo_search", "sd15_search", "demo_replay"])
def test_a_link_with_an_old_name_still_opens(front_end: Frontend, old: str):
    front_end.open(template=old)
    assert front_end.missing_nodes() == []


BYPASSED = [
    *(("better_image_demo", kinds) for kinds in (("AutoSearch",), ("LoadShapesVerifier",))),
    *(("refine_an_image_demo", kinds) for kinds in (("ZeroOrderSearch",), ("LoadShapesVerifier",))),
    ("hires_fix_demo", ("SearchLoopOpen",)),
    ("hires_fix_demo", ("SearchLoopClose",)),
    ("hires_fix_demo", ("SearchLoopOpen", "SearchLoopClose")),
    ("hires_fix_demo", ("VerifierScore",)),
    ("hires_fix_demo", ("LoadShapesVerifier",)),
    ("demo_explicit", ("NoiseCandidates",)),
    ("demo_explicit", ("VerifierScore",)),
    ("demo_explicit", ("SelectCandidate",)),
    ("demo_batch", ("RandomSearch",)),
    ("demo_batch", ("SearchReport",)),
    ("demo_batch", ("RandomSearch", "SearchReport")),
    ("demo_inpaint", ("RandomSearch", "LoadShapesVerifier")),
    ("demo_steps", ("StepScheduler",)),
    ("demo_ensemble", ("EnsembleVerifier",)),
    ("demo_ensemble", ("LoadShapesVerifier",)),
    ("demo_replay", ("ReplayNoise",)),
    ("demo_replay", ("ZeroOrderSearch",)),
    ("demo_replay", ("LoadShapesVerifier",)),
    ("demo_loop_judge", ("SearchLoopClose",)),
]


@pytest.mark.parametrize(
    ("name", "kinds"), BYPASSED, ids=lambda value: value if isinstance(value, str) else "+".join(value)
)
def test_what_is_left_runs_where_nodes_are_bypassed(shared: Frontend, name: str, kinds: tuple[str, ...]):
    """By Ctrl+B; what hangs on an output that a node passes nothing through to is left out by ComfyUI."""
    shared.load(WORKFLOWS[name], f"{name}_without_{'_'.join(kinds)}")
    shared.page.evaluate(MAKE_SMALL, SMALL)
    shared.page.evaluate(BYPASS, list(kinds))
    run = shared.run()
    assert run.status == "success", run.message
    images = shown(shared, run)
    saved = [node["title"] for node in shared.workflow()["nodes"] if node["type"] == "SaveImage"]
    assert set(saved) <= images.keys()
    if name == "better_image_demo":
        assert np.array_equal(images["With search"], images["Without search"])
    assert not shared.problems


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "judge_images_you_have"])
def test_without_the_pack_s_nodes_it_is_a_plain_workflow(shared: Frontend, server: Server, name: str):
    shared.load(WORKFLOWS[name], f"{name}_plain")
    definitions = Client(server.url).object_info()
    ours = [kind for kind, info in definitions.items() if info["python_module"] == f"custom_nodes.{PACK_NAME}"]
    shared.page.evaluate(BYPASS, ours)
    prompt = shared.prompt()
    assert not {node["class_type"] for node in prompt.values()} & set(ours)
    endings = [node for node in prompt.values() if node["class_type"] in ("SaveImage", "SaveVideo")]
    samplers = [node for node in prompt.values() if node["class_type"] == "KSampler"]
    assert endings and samplers
    assert all({"images", "video"} & node["inputs"].keys() for node in endings)
    assert all("model" in node["inputs"] for node in samplers)


def shown(front_end: Frontend, run: Run) -> dict[str, np.ndarray]:
    """The images [N, H, W, 3] that each node shows, by its title."""
    titles = {str(node["id"]): node.get("title", node["type"]) for node in front_end.workflow()["nodes"]}
    client = Client(front_end.url)
    return {
        titles[str(done["node"])]: np.stack([pixels(client.image(image)) for image in done["output"]["images"]])
        for done in run.executed
        if "images" in (done["output"] or {})
    }


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)


def replayed_is_found(images: dict[str, np.ndarray]) -> None:
    assert np.abs(images["Replayed"] - images["Found"]).max() <= ROUNDING


def four_winners(images: dict[str, np.ndarray]) -> None:
    assert len(images["Four winners"]) == len(images["Without search"]) == 4


def only_the_masked_half_changed(images: dict[str, np.ndarray]) -> None:
    change = np.abs(images["Best of 16"] - images["First image"])[0]
    half = change.shape[1] // 2
    assert change[:, :half].max() <= ROUNDING < change[:, half:].max()


def both_forms_find_the_same(images: dict[str, np.ndarray]) -> None:
    assert np.abs(images["Winner"] - images["Winner of the noises"]).max() <= ROUNDING


CHECKS: dict[str, list[Callable[[dict[str, np.ndarray]], None]]] = {
    "demo_replay": [replayed_is_found],
    "demo_batch": [four_winners],
    "demo_inpaint": [only_the_masked_half_changed],
    "demo_explicit": [both_forms_find_the_same],
}
