"""What strangers can send to the server: the pack's routes and its handler of prompts."""

from __future__ import annotations

import copy
import http.client
import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from comfy_client import Client
from comfy_server import Server
from layout import ROOT
from shapes_graph import ShapesGraph

BOARDS = "/noise_search/boards"
GET = ("", "/{board}", "/{board}/0/0", "/{board}/0/0/tile", "/{board}/0/0/picture")
POST = ("/{board}/keep_best",)
ODD = {
    "a path": "..%2F..%2F..%2Fetc%2Fpasswd",
    "dots": "%2E%2E",
    "a path of Windows": "C:%5CWindows%5Cwin.ini",
    "a zero byte": "a%00b",
    "no UTF-8": "%FF%FE",
    "another alphabet": "%D9%A3%E2%82%AC",
    "a line break": "x%0D%0AX-Injected:%20yes",
    "markup": "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "long": "x" * 4000,
    "negative": "-1",
    "large": "9" * 400,
    "a fraction": "1e3",
    "SQL": "'%20OR%201=1--",
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def ask(client: Client, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """The answer to exactly this path, whatever is in it."""
    connection = http.client.HTTPConnection(urlsplit(client.url).netloc, timeout=60)
    try:
        connection.request(method, BOARDS + path, body, {name.replace("_", "-"): headers[name] for name in headers})
        reply = connection.getresponse()
        named = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, named, reply.read().decode(errors="replace"))
    finally:
        connection.close()


@pytest.fixture(scope="module")
def board(server: Server) -> str:
    """The id of a board whose search has ended."""
    client = Client(server.url)
    graph = ShapesGraph(steps=2)
    graph.saved(graph.ksampler(graph.search(candidates=2), seed=9500))
    client.run(graph, extra_data={"extra_pnginfo": {"workflow": {"id": "a workflow"}}}).check()
    return client.get(f"{BOARDS}?workflow=a%20workflow")[0]["board"]


@pytest.fixture
def quiet(server: Server) -> Iterator[None]:
    """Nothing that is asked leaves a traceback in the log."""
    before = len(server.log_text())
    yield
    assert "Traceback" not in server.log_text()[before:]


def check_tells_nothing(server: Server, answer: Answer) -> None:
    """No path of this machine, nothing of what was sent, no traceback."""
    for secret in (str(ROOT), str(server.base), ".py", "Traceback", "passwd", "script", "xxxx"):
        assert secret not in answer.body
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize("path", [*GET, *POST])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_a_route_takes_its_own_method_only(client: Client, board: str, quiet: None, method: str, path: str) -> None:
    if method == ("POST" if path in POST else "GET"):
        return
    assert ask(client, method, path.format(board=board)).status in (404, 405)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_no_board_candidate_or_revision_is_refused(
    server: Server, client: Client, board: str, quiet: None, odd: str
) -> None:
    paths = [path.format(board=odd) for path in GET if path]
    paths += [f"/{board}/{odd}/0", f"/{board}/0/{odd}", f"/{board}/{odd}/0/tile", f"/{board}/0/{odd}/picture"]
    paths += [f"/{board}?since={odd}"]
    for path in paths:
        answer = ask(client, "GET", path)
        assert answer.status in (400, 404), path
        assert answer.headers["content-type"].startswith("text/plain")
        check_tells_nothing(server, answer)
    assert ask(client, "POST", f"/{odd}/keep_best").status == 404


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_workflow_that_is_not_known_has_no_boards(
    server: Server, client: Client, board: str, quiet: None, odd: str
) -> None:
    answer = ask(client, "GET", f"?workflow={odd}&board={odd}")
    assert (answer.status, answer.body) == (200, "[]") if len(odd) <= 64 else answer.status == 400
    check_tells_nothing(server, answer)


def test_more_boards_than_are_kept_can_not_be_asked_for(client: Client, board: str, quiet: None) -> None:
    """So many that the board that is there comes too late."""
    many = "&board=x" * 500
    assert ask(client, "GET", f"?workflow=other{many}&board={board}").body == "[]"


def test_an_address_that_is_too_long_is_refused_and_the_server_goes_on(client: Client, board: str) -> None:
    assert ask(client, "GET", f"?workflow=x&board={'x' * 100_000}").status in (400, 414)
    assert ask(client, "GET", f"/{board}").status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\x00" * 2_000_000], ids=["none", "{", "deep", "2 MB"])
def test_a_body_makes_no_difference(server: Server, client: Client, board: str, quiet: None, body: bytes) -> None:
    answer = ask(client, "POST", f"/{board}/keep_best", body, Content_Type="application/json")
    assert (answer.status, answer.body) == (400, "This search has ended.")


@pytest.mark.parametrize("header", [{"Origin": "http://other.example"}, {"Sec_Fetch_Site": "cross-site"}], ids=str)
def test_the_page_of_another_site_can_not_end_a_search(client: Client, board: str, header: dict[str, str]) -> None:
    assert ask(client, "POST", f"/{board}/keep_best", b"", **header).status == 403


def test_what_is_answered_holds_no_path(server: Server, client: Client, board: str) -> None:
    for path in ("?workflow=a%20workflow", f"/{board}", f"/{board}/0/1"):
        answer = ask(client, "GET", path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert "/" not in answer.body
        check_tells_nothing(server, answer)


@pytest.mark.parametrize(
    "path",
    ["../search/board/routes.py", "..%2Fsearch%2Fboard%2Froutes.py", "docs/../../pyproject.toml", "%2Fetc%2Fpasswd"],
)
def test_only_the_web_folder_is_served(server: Server, client: Client, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.url).netloc, timeout=60)
    connection.request("GET", f"/extensions/{ROOT.name}/{path}")
    assert connection.getresponse().status in (403, 404)
    connection.close()


NODES = {
    "2": {"class_type": "RandomSearch", "inputs": {}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0]}},
}


@pytest.fixture
def prompts(comfy: Any) -> Any:
    """Those of a server where a search has run."""
    made = importlib.import_module("noise_search.search.host.prompts").Prompts()
    queue = SimpleNamespace(get_current_queue_volatile=lambda: ([], []))
    made.server = SimpleNamespace(prompt_queue=queue)
    body = made.on_prompt({"prompt": NODES, "extra_data": {"extra_pnginfo": {}}})
    with importlib.import_module("comfy_execution.utils").CurrentNodeContext(body["prompt_id"], "3", None):
        made.record([{"node": "2", "board": "b0"}])
    return made


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        [],
        "text",
        {},
        {"prompt": []},
        {"prompt": NODES, "extra_data": []},
        {"prompt": NODES, "extra_data": "text"},
        {"prompt": NODES, "extra_data": {"extra_pnginfo": []}},
        {"prompt": NODES, "extra_data": {"extra_pnginfo": {"workflow": 7}}},
        {"prompt": NODES, "extra_data": {"extra_pnginfo": {"workflow": {"id": [], "extra": "text"}}}},
        {"prompt": NODES, "prompt_id": []},
        {"prompt": NODES, "prompt_id": {"a": 1}},
        {"prompt": NODES, "prompt_id": 7},
        {"prompt": {"3": 7}},
        {"prompt": {"3": []}},
        {"prompt": {"3": {"inputs": []}}},
        {"prompt": {"3": {"inputs": {"model": ["3", 0]}}}},
        {"prompt": {"3": {"inputs": {"model": ["2", 0]}}, "2": None}},
    ],
    ids=str,
)
def test_a_prompt_of_any_form_goes_on_to_the_host(prompts: Any, body: Any) -> None:
    """Which refuses it itself."""
    given = copy.deepcopy(body)
    assert prompts.on_prompt(body) is body
    for name in ("prompt", "prompt_id"):
        assert not isinstance(given, dict) or name not in given or body[name] == given[name]
