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
    """A page that the tests of a file share, since opening one takes seconds. language: the one it was opened in, None
    before."""

    front_end: Frontend
    language: str | None = None


@pytest.fixture(scope="module")
def kept_page(chrome: Browser, server: Server) -> Iterator[KeptPage]:
    context = chrome.new_context(viewport=WINDOW)
    front_end = Frontend(context.new_page(), server.url)
    front_end.watch()
    yield KeptPage(front_end)
    context.close()


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
    front_end, failed = kept_page.front_end, request.session.testsfailed
    configure(front_end.url, vue)
    front_end.problems.clear()
    if kept_page.language != language:
        front_end.open()
        kept_page.language = language
    front_end.clear(vue)
    yield front_end
    if request.session.testsfailed > failed:
        kept_page.language = None
    end_runs(front_end.url)
    assert not front_end.problems


def end_runs(url: str) -> None:
    """Nothing of a test runs on in the next one."""
    client = Client(url)
    client.post("/queue", {"clear": True})
    client.interrupt()
    while client.get("/queue")["queue_running"]:
        time.sleep(0.05)


@pytest.fixture
def page(front_end: Frontend) -> Frontend:
    return front_end


@pytest.fixture
def boards(front_end: Frontend, vue: bool) -> Boards:
    return Boards(front_end, later=500 * vue)
