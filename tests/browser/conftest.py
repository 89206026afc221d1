"""The real front end in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

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


@pytest.fixture
def language(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of the front end; parametrize("language", ["zh"], indirect=True) chooses it for one test."""
    Client(server.url).post("/settings", {"Comfy.Locale": request.param})
    yield request.param
    Client(server.url).post("/settings", {"Comfy.Locale": "en"})


@pytest.fixture
def blank_page(chrome: Browser) -> Iterator[Page]:
    context = chrome.new_context(viewport=WINDOW)
    yield context.new_page()
    context.close()


@pytest.fixture
def front_end(blank_page: Page, server: Server, vue: bool) -> Iterator[Frontend]:
    """The page before it is opened; at the end the test fails if anything went wrong in the page."""
    configure(server.url, vue)
    front_end = Frontend(blank_page, server.url)
    front_end.watch()
    yield front_end
    assert not front_end.problems


@pytest.fixture
def page(front_end: Frontend) -> Frontend:
    """The page, opened."""
    front_end.open()
    return front_end


@pytest.fixture
def boards(front_end: Frontend, vue: bool) -> Boards:
    return Boards(front_end, later=500 * vue)
