"""The board over HTTP: who hears of a search, what can be asked, and Keep best."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from comfy_client import Client, Event, Result
from comfy_server import Server
from shapes_graph import ROUNDING, ShapesGraph, difference, inside_subgraph, pictures, reports

EVENT = "noise_search.board"
BOARDS = "/noise_search/boards"


def get(client: Client, path: str) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(client.url + path, timeout=60) as reply:
            return reply.status, reply.headers.get_content_type(), reply.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers.get_content_type(), refused.read()


def keep_best(client: Client, board: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"{client.url}{BOARDS}/{board}/keep_best", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


class Searched:
    """A prompt that searches, run as the front end does it; every test has seeds and a workflow of its own."""

    def __init__(self, client: Client, seed: int, candidates: int = 6, **settings: Any):
        self.client = client
        self.graph = ShapesGraph(images=settings.pop("images", 1))
        self.search = self.graph.search(candidates=candidates, **settings)
        self.sampled = self.graph.ksampler(self.search, seed=seed)
        self.saved = self.graph.saved(self.sampled)
        self.shown = self.graph.report(self.sampled, self.search)
        self.workflow = f"workflow-{seed}"

    def run(self, on_event: Callable[[Event], None] | None = None) -> Result:
        metadata = {"extra_pnginfo": {"workflow": {"id": self.workflow}}}
        return self.client.run(self.graph, on_event, extra_data=metadata).check()

    def boards(self) -> list[dict[str, Any]]:
        return self.client.get(f"{BOARDS}?workflow={self.workflow}")


def told(result: Result) -> list[dict[str, Any]]:
    return result.of(EVENT)


def judged(message: dict[str, Any], image: int = 0) -> list[dict[str, Any]]:
    """Its candidates, but for those that have only begun."""
    return [entry for entry in message["candidates"][image] if "begun" not in entry]


def indices(message: dict[str, Any], image: int = 0) -> list[int]:
    return [entry["index"] for entry in judged(message, image)]


class After:
    """True of the event by which so many candidates have been told, and only of that."""

    def __init__(self, count: int):
        self.left = count

    def __call__(self, event: Event) -> bool:
        if event.type != EVENT or self.left <= 0:
            return False
        self.left -= len(indices(event.data))
        return self.left <= 0


def test_each_candidate_is_told_once_and_the_end_too(client: Client) -> None:
    searched = Searched(client, seed=7100, candidates=12, batch_size=4)
    result = searched.run()
    messages = told(result)
    assert [index for message in messages for index in indices(message)] == list(range(12))
    assert {message["node"] for message in messages} == {searched.search.id}
    assert {message["workflow"] for message in messages} == {searched.workflow}
    report = reports(result, searched.shown)[0]
    last = messages[-1]
    assert (last["stopped"], last["best"], last["nfe"]) == ("finished", [report["best"]["index"]], 48)
    scores = [entry["score"] for message in messages for entry in judged(message)]
    assert scores == [candidate["score"] for candidate in report["candidates"]]


def test_only_the_client_that_queued_hears_of_it(client: Client) -> None:
    with client._listen("somebody else") as inbox:
        assert told(Searched(client, seed=7200).run())
        heard = [inbox.get() for _ in range(inbox.qsize())]
    assert heard
    assert EVENT not in {event.type for event in heard}


def test_a_prompt_without_a_client_tells_nobody(client: Client) -> None:
    searched = Searched(client, seed=7300)
    with client._listen("somebody else") as inbox:
        _, reply = client.post("/prompt", {"prompt": searched.graph.prompt})
        deadline = time.monotonic() + 120
        while not client.get(f"/history/{reply['prompt_id']}"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        heard = [inbox.get() for _ in range(inbox.qsize())]
    assert EVENT not in {event.type for event in heard}


def test_the_board_is_named_by_its_node_in_a_subgraph(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search()
    graph.saved(graph.ksampler(search, seed=7400))
    result = client.run(inside_subgraph(graph.prompt)).check()
    assert {message["node"] for message in told(result)} == {f"8:{search.id}"}


def test_a_search_that_is_repeated_replaces_its_board(start_server: Any) -> None:
    boards = []
    for _ in range(2):
        searched = Searched(Client(start_server("--cache-none").url), seed=7450)
        searched.run()
        boards += searched.boards()
    assert len({board["board"] for board in boards}) == len(boards) == 2


def test_two_searches_in_a_graph_have_a_board_each(client: Client) -> None:
    graph = ShapesGraph()
    searches = [graph.search(candidates=count) for count in (2, 3)]
    for search in searches:
        graph.saved(graph.ksampler(search, seed=7500))
    result = client.run(graph, extra_data={"extra_pnginfo": {"workflow": {"id": "two"}}}).check()
    shown = {board["node"]: len(board["candidates"][0]) for board in client.get(f"{BOARDS}?workflow=two")}
    assert shown == {searches[0].id: 2, searches[1].id: 3}
    assert {message["node"] for message in told(result)} == set(shown)


def test_a_batch_has_one_board_with_an_image_each(client: Client) -> None:
    searched = Searched(client, seed=7600, candidates=3, images=2)
    result = searched.run()
    (board,) = searched.boards()
    assert [indices(board, image) for image in (0, 1)] == [[0, 1, 2], [0, 1, 2]]
    assert board["best"] == [report["best"]["index"] for report in reports(result, searched.shown)]


def test_the_board_can_be_asked_for_in_the_middle_of_a_search(client: Client) -> None:
    searched = Searched(client, seed=7700, candidates=60, batch_size=2)
    seen: list[dict[str, Any]] = []
    is_told = After(6)

    def ask(event: Event) -> None:
        if is_told(event):
            seen.extend(searched.boards())

    searched.run(ask)
    (board,) = seen
    assert board["stopped"] is None
    assert indices(board)[:6] == [0, 1, 2, 3, 4, 5]
    assert 0 < board["done"] < board["total"] == 60
    assert board["seconds"]["left"] > 0


def test_a_search_that_is_cached_has_its_board_in_another_workflow(client: Client) -> None:
    searched = Searched(client, seed=7800)
    searched.run()
    (first,) = searched.boards()
    searched.workflow = "another"
    result = searched.run()
    assert searched.sampled.id not in result.executed
    assert [board["board"] for board in searched.boards()] == [first["board"]]


def test_a_workflow_shows_its_last_search_even_if_that_was_cached(start_server: Any) -> None:
    boards = []
    for seed in (7850, 7860, 7850):
        searched = Searched(Client(start_server("--cache-lru", "100").url), seed=seed)
        searched.workflow = "changing"
        searched.run()
        boards.append([board["board"] for board in searched.boards()])
    assert boards[2] == boards[0] != boards[1]


def test_candidates_have_pictures_scores_and_recipes(client: Client) -> None:
    searched = Searched(client, seed=7900)
    report = reports(searched.run(), searched.shown)[0]
    (board,) = searched.boards()
    place = f"{BOARDS}/{board['board']}/0/2"
    told = client.get(place)
    assert json.loads(told.pop("recipe_text")) == report["candidates"][2]["recipe"]
    assert told == {**report["candidates"][2], "preview": True}
    for kind in ("tile", "picture"):
        status, content, data = get(client, f"{place}/{kind}?at=end")
        assert (status, content) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(data)).size == (32, 32)
        assert len(data) < 6000


@pytest.fixture
def ended(client: Client) -> str:
    searched = Searched(client, seed=8000, candidates=2)
    searched.run()
    return searched.boards()[0]["board"]


def test_searches_that_have_ended_are_asked_for_whatever_their_workflow(client: Client, ended: str) -> None:
    assert ended in [board["board"] for board in client.get(f"{BOARDS}?ended")]
    assert ended not in [board["board"] for board in client.get(f"{BOARDS}?running")]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("", 400, "workflow has to be the id"),
        ("?workflow=", 400, "workflow has to be the id"),
        (f"?workflow={'x' * 65}", 400, "up to 64 characters"),
        ("/nonsense", 404, "This board is gone"),
        ("/..%2F..%2Fetc", 404, "This board is gone"),
        ("/{board}?since=-1", 400, "since has to be a whole number"),
        ("/{board}?since=1.5", 400, "since has to be a whole number"),
        ("/{board}?since=99999999999", 400, "since has to be a whole number"),
        ("/{board}/0/2", 404, "no such candidate"),
        ("/{board}/1/0", 404, "no such candidate"),
        ("/{board}/0/-1", 400, "index has to be a whole number"),
        ("/{board}/x/0/tile", 400, "image has to be a whole number"),
        ("/{board}/0/2/tile", 404, "no picture of this candidate"),
        ("/{board}/5/0/picture", 404, "no picture of this candidate"),
        ("/nonsense/0/0/tile", 404, "This board is gone"),
    ],
)
def test_what_does_not_exist_is_refused_plainly(client: Client, ended: str, path: str, status: int, words: str) -> None:
    answered, content, body = get(client, BOARDS + path.format(board=ended))
    assert (answered, content) == (status, "text/plain")
    assert words in body.decode()
    assert "/" not in body.decode()


def test_keep_best_ends_the_search_and_the_queue_goes_on(client: Client) -> None:
    searched = Searched(client, seed=8100, candidates=2000, batch_size=2)
    answers: list[tuple[int, Any]] = []
    is_told = After(6)

    def press(event: Event) -> None:
        if is_told(event):
            answers.append(keep_best(client, event.data["board"]))

    result = searched.run(press)
    report = reports(result, searched.shown)[0]
    assert answers == [(200, {"scored": True})]
    assert report["stopped"] == told(result)[-1]["stopped"] == "user"
    assert 6 <= len(report["candidates"]) < 2000
    graph = ShapesGraph()
    stock = graph.saved(graph.ksampler(graph.loader, seed=report["best"]["recipe"]["seed"]))
    expected = pictures(client, client.run(graph).check(), stock)
    assert difference(pictures(client, result, searched.saved), expected) <= ROUNDING


def test_keep_best_before_anything_is_scored_ends_after_the_first_round(client: Client) -> None:
    searched = Searched(client, seed=8200, candidates=2000, batch_size=2)
    answers: list[tuple[int, Any]] = []

    def press(event: Event) -> None:
        if event.type == EVENT and not answers:
            answers.append(keep_best(client, event.data["board"]))

    report = reports(searched.run(press), searched.shown)[0]
    assert answers == [(200, {"scored": False})]
    assert (report["stopped"], len(report["candidates"])) == ("user", 2)


def test_keep_best_of_a_search_that_has_ended_is_refused(client: Client, ended: str) -> None:
    assert keep_best(client, ended) == (400, "This search has ended.")
    assert keep_best(client, "nonsense")[0] == 404


def test_the_board_of_a_search_that_was_interrupted_has_ended(client: Client) -> None:
    searched = Searched(client, seed=8300, candidates=2000, batch_size=2)
    is_told = After(4)

    def interrupt(event: Event) -> None:
        if is_told(event):
            client.interrupt()

    metadata = {"extra_pnginfo": {"workflow": {"id": searched.workflow}}}
    assert client.run(searched.graph, interrupt, extra_data=metadata).status == "interrupted"
    (board,) = searched.boards()
    assert board["stopped"] == "interrupted"
    assert len(indices(board)) >= 4


def test_the_log_has_a_line_a_round(client: Client, server: Server) -> None:
    searched = Searched(client, seed=8400, candidates=6, batch_size=2)
    searched.run()
    title = f"Random Search (node {searched.search.id}), round"
    lines = [line for line in server.log_text().splitlines() if title in line and " 6 candidates" in line]
    assert "round 3: 6 candidates so far, best score " in lines[-1]
    assert "24 NFE, about 0 s left." in lines[-1]


def test_pruned_candidates_are_told_on_the_way(client: Client) -> None:
    searched = Searched(client, seed=8500, candidates=4, pruning="progressive")
    searched.graph.prompt[searched.sampled.id]["inputs"]["steps"] = 12
    messages = told(searched.run())
    first = next(message for message in messages if judged(message))
    assert {entry["running"] for entry in judged(first)} == {True, False}
    assert len({entry["step"] for entry in judged(first)}) == 1
    assert first["best"] == [None]
    latest = {entry["index"]: entry for message in messages for entry in judged(message)}
    assert not any(entry["running"] for entry in latest.values())
    assert latest[messages[-1]["best"][0]]["step"] is None


def mark(client: Client, board: str, index: int, kind: str) -> int:
    request = urllib.request.Request(f"{client.url}{BOARDS}/{board}/0/{index}/mark?as={kind}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_marks_after_the_search_are_in_the_report_of_the_next_run(client: Client) -> None:
    searched = Searched(client, seed=8600)
    assert "person" not in reports(searched.run(), searched.shown)[0]
    (board,) = searched.boards()
    assert [mark(client, board["board"], index, kind) for index, kind in ((1, "star"), (2, "reject"))] == [200, 200]
    result = searched.run()
    assert searched.sampled.id not in result.executed
    report = reports(result, searched.shown)[0]
    assert (report["person"]["stars"], report["person"]["rejected"]) == ([1], [2])
    (board,) = searched.boards()
    assert [entry.get("mark") for entry in board["candidates"][0]] == [None, "star", "reject", None, None, None]


def test_marks_outlive_a_search_that_goes_on_with_more(client: Client) -> None:
    searched = Searched(client, seed=8700, candidates=3)
    best = reports(searched.run(), searched.shown)[0]["best"]["index"]
    (board,) = searched.boards()
    assert mark(client, board["board"], best, "reject") == 200
    searched.graph.prompt[searched.search.id]["inputs"]["candidates"] = 5
    report = reports(searched.run(), searched.shown)[0]
    assert report["person"]["rejected"] == [best] and report["best"]["index"] != best


@pytest.mark.parametrize(("index", "kind", "status"), [(7, "star", 404), (0, "nice", 400), (0, "", 200)])
def test_a_mark_that_can_not_be_is_refused(client: Client, ended: str, index: int, kind: str, status: int) -> None:
    assert mark(client, ended, index, kind) == status
