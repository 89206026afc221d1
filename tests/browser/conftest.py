"""The real front end in Chromium."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

import chromium
from comfy_client import Client
from comfy_server import Server
from frontend import Frontend, browser, configure
from seen_boards import Boards

WINDOW = {"width": 1600, "height": 1000}
PATIENCE_MS = 30_000  # a busy machine is slow, not wrong

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    if not chromium.find():
        pytest.fail(f"no browser: none of {', '.join(chromium.NAMES)} is on the PATH")
    with sync_playwright() as playwright, browser(playwright) as launched:
        yield launched


@pytest.fixture
def vue() -> bool:
    """How nodes are drawn; parametrize("vue", [False, True]) runs a test both ways."""
    return False


@dataclass
class KeptPage:
    """A page that the tests of a file share, since opening one takes seconds. language: the one it was opened in."""

    chrome: Browser
    url: str
    language: str = ""
    front_end: Frontend | None = None

    def open(self, language: str) -> Frontend:
        """The one there is, or a new one where that is in another language or was left after a failure."""
        if self.front_end is None or self.language != language:
            self.close()
            self.front_end, self.language = opened(self.chrome, self.url), language
        return self.front_end

    def close(self) -> None:
        if self.front_end is not None:
            self.front_end.page.context.close()
        self.front_end = None


def opened(chrome: Browser, url: str) -> Frontend:
    """By a browser that has never been here, with the workflow that ComfyUI starts with."""
    front_end = Frontend(chrome.new_context(viewport=WINDOW).new_page(), url)
    front_end.watch()
    front_end.open()
    return front_end


@pytest.fixture(scope="module")
def kept_page(chrome: Browser, server: Server) -> Iterator[KeptPage]:
    kept = KeptPage(chrome, server.url)
    yield kept
    kept.close()


@pytest.fixture
def language(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of the front end; parametrize("language", ["zh"], indirect=True) chooses it for one test."""
    language = getattr(request, "param", "en")
    Client(server.url).post("/settings", {"Comfy.Locale": language})
    yield language
    Client(server.url).post("/settings", {"Comfy.Locale": "en"})


@pytest.fixture
def front_end(kept_page: KeptPage, vue: bool, language: str, request: pytest.FixtureRequest) -> Iterator[Frontend]:
    """The page with a blank workflow; at the end the test fails if anything went wrong in the page."""
    failed = request.session.testsfailed
    configure(kept_page.url, vue)
    front_end = kept_page.open(language)
    front_end.problems.clear()
    front_end.clear(vue)
    yield front_end
    if request.session.testsfailed > failed:
        kept_page.close()
    end_runs(kept_page.url)
    assert not front_end.problems


def end_runs(url: str) -> None:
    """Nothing of a test runs on in the next one."""
    client = Client(url)
    client.post("/queue", {"clear": True})
    client.interrupt()
    while client.get("/queue")["queue_running"]:
        time.sleep(0.05)


@pytest.fixture
def fresh_page(chrome: Browser, server: Server, vue: bool) -> Iterator[Frontend]:
    """Of its own, where what ComfyUI keeps in a page would matter: values of widgets by node, what is missing."""
    configure(server.url, vue)
    front_end = opened(chrome, server.url)
    yield front_end
    front_end.page.context.close()
    assert not front_end.problems


@pytest.fixture
def page(front_end: Frontend) -> Frontend:
    return front_end


@pytest.fixture
def boards(front_end: Frontend, vue: bool) -> Boards:
    return Boards(front_end, later=500 * vue)
