"""ComfyUI's own page in a real browser, driven as a user would (for tests and screenshots)."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, Response

import chromium
from comfy_client import Client
from layout import PACK_NAME

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_MS = 60_000

FOLLOW_RUNS = """async () => {
    const { api } = await import("/scripts/api.js");
    window.testRun = { done: null, executed: [] };
    api.addEventListener("executed", ({ detail }) => window.testRun.executed.push(detail));
    api.addEventListener("execution_success", () => { window.testRun.done = { status: "success" }; });
    api.addEventListener("execution_interrupted", () => { window.testRun.done = { status: "interrupted" }; });
    api.addEventListener("execution_error", ({ detail }) => {
        window.testRun.done = { status: "error", message: `${detail.node_type}: ${detail.exception_message}` };
    });
    window.testQueue = api.queuePrompt.bind(api);
    api.queuePrompt = async (...args) => {
        window.testRun.done = null;
        window.testRun.executed = [];
        try {
            return await window.testQueue(...args);
        } catch (error) {
            window.testRun.done = { status: "rejected", message: JSON.stringify(error.response ?? String(error)) };
            throw error;
        }
    };
}"""

BLANK = """async vue => {
    const { setting, workflow, command, sidebarTab, toast } = app.extensionManager;
    await setting.set("Comfy.VueNodes.Enabled", vue);
    await setting.set("Comfy.RightSidePanel.IsOpen", false);
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    await command.execute("Comfy.NewBlankWorkflow");
    const others = workflow.openWorkflows.filter(one => one !== workflow.activeWorkflow);
    for (const one of others) await workflow.closeWorkflow(one);
    sidebarTab.activeSidebarTabId = null;
    toast.removeAll();
    LiteGraph.closeAllContextMenus();
    localStorage.clear();
    window.testRun = { done: null, executed: [] };
}"""

GRAPH_IS = """name => {
    const workflow = app.extensionManager.workflow.activeWorkflow;
    return app.rootGraph?.nodes.length > 0 && (!name || workflow?.filename === name);
}"""


@dataclass(frozen=True)
class Run:
    """How a run ended. executed: the `executed` messages, each with `node` and `output`."""

    status: Literal["success", "error", "interrupted", "rejected"]
    message: str
    executed: list[dict[str, Any]]


@dataclass
class Frontend:
    """The page. problems: uncaught errors, and console errors of the pack's own scripts."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def open(self, template: str = "") -> None:
        """Load the application, with a template of the pack by its deep link when one is named."""
        self.page.set_default_timeout(START_MS)
        query = f"?{urllib.parse.urlencode({'template': template, 'source': PACK_NAME})}" if template else ""
        self.page.goto(f"{self.url}/{query}", wait_until="domcontentloaded")
        self.wait_for_graph(template)
        self.page.evaluate(FOLLOW_RUNS)

    def clear(self, vue: bool) -> None:
        """As if it had just been opened, without the seconds that this takes: one blank workflow, nothing over it."""
        self.page.keyboard.press("Escape")
        self.page.evaluate(BLANK, vue)

    def wait_for_graph(self, name: str = "") -> None:
        """Until the application is up and shows a workflow (of that name)."""
        self.page.wait_for_function("window.app?.extensionManager?.workflow?.activeWorkflow", timeout=START_MS)
        self.page.wait_for_function(GRAPH_IS, arg=name, timeout=START_MS)

    def open_template(self, name: str, pack: str = PACK_NAME) -> None:
        """Through the template browser: its button, the pack's entry on the left, the template's card."""
        self.browse_templates(pack)
        self.template_card(name).click()
        self.wait_for_graph(name)

    def browse_templates(self, pack: str = PACK_NAME) -> None:
        self.page.evaluate("() => void app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        self.page.get_by_role("button", name=pack, exact=True).click()

    def template_card(self, name: str) -> Locator:
        return self.page.get_by_test_id(f"template-workflow-{name}")

    def load(self, workflow: Mapping[str, Any], name: str = "test") -> None:
        """A workflow in the front end's own format."""
        self.page.evaluate("([workflow, name]) => app.loadGraphData(workflow, true, true, name)", [workflow, name])
        self.wait_for_graph(name)

    def load_prompt(self, prompt: Mapping[str, Any], name: str = "test") -> None:
        """A prompt in API format, laid out by the front end."""
        self.page.evaluate("([prompt, name]) => app.loadApiJson(prompt, name)", [prompt, name])
        self.wait_for_graph(name)

    def workflow(self) -> dict[str, Any]:
        return self.page.evaluate("() => app.rootGraph.serialize()")

    def prompt(self) -> dict[str, Any]:
        """What the front end would queue, in API format."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def missing_nodes(self) -> list[str]:
        """Types of the graph that the server does not know."""
        return self.page.evaluate(
            "() => app.rootGraph.nodes.map(node => node.type).filter(type => !LiteGraph.registered_node_types[type])"
        )

    def run(self, timeout: float = 300) -> Run:
        """Press the Run button and wait for the end. timeout: seconds."""
        self.page.evaluate("() => { window.testRun.done = null; }")
        self.page.get_by_test_id("queue-button").click()
        self.page.wait_for_function("() => window.testRun.done", timeout=timeout * 1000)
        state = self.page.evaluate("() => window.testRun")
        return Run(state["done"]["status"], state["done"].get("message", ""), state["executed"])

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("console", self._on_console)
        self.page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        origin = f"/extensions/{PACK_NAME}"
        if message.type == "error" and (origin in message.location.get("url", "") or origin in message.text):
            self.problems.append(f"console: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.problems.append(f"status {response.status}: {response.url}")


@contextmanager
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium without a window."""
    launched = playwright.chromium.launch(executable_path=chromium.find(), args=ARGUMENTS)
    try:
        yield launched
    finally:
        launched.close()


def configure(url: str, vue: bool) -> None:
    """Settings of the next page: no first-start tour; nodes drawn by Vue or, classic, on the canvas."""
    Client(url).post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": vue})
