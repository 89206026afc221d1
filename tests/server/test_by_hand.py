"""Pruning by hand over HTTP: the question on the board, its answer, and what a queue left alone does."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from comfy_client import Client, Event, Result
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports, winning_seed

STEPS = 10
EVENT = "noise_search.board"


class Paused:
    """A search by hand. answer: of a board that asks, what is posted; None to be silent."""

    def __init__(self, client: Client, seed: int, answer: Any, **settings: Any):
        self.client = client
        self.answer = answer
        self.graph = ShapesGraph(steps=STEPS)
        search = self.graph.search(4, pruning="by hand", **settings)
        sampled = self.graph.ksampler(search, seed)
        self.saved, self.shown = self.graph.saved(sampled), self.graph.report(sampled, search)
        self.asked: list[dict[str, Any]] = []
        self.replies: list[int] = []

    def hear(self, event: Event) -> None:
        asks = event.data.get("asks") if event.type == EVENT else None
        if not asks or any(asks["step"] == one["step"] for one in self.asked):
            return
        self.asked.append(asks)
        for body in self.answer(asks):
            self.replies.append(post(self.client, event.data["board"], body))

    def run(self) -> Result:
        return self.client.run(self.graph, self.hear).check()


def post(client: Client, board: str, body: Any) -> int:
    """The status; what is refused is told as text."""
    url = f"{client.url}/noise_search/boards/{board}/answer"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=60) as reply:
            return reply.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_it_goes_on_with_the_answer_and_the_winner_is_a_plain_seed(client: Client) -> None:
    def last_two(asks: dict[str, Any]) -> list[Any]:
        return [{"step": asks["step"], "keep": [asks["waiting"][0][-2:]]}]

    paused = Paused(client, 81_000, last_two)
    result = paused.run()
    (report,) = reports(result, paused.shown)
    assert paused.replies == [200, 200]
    assert [(one["step"], one["cut"], one["cuts"]) for one in paused.asked] == [(3, 1, 2), (6, 2, 2)]
    started = len(paused.asked[0]["waiting"][0])
    assert report["nfe"]["search"] == 3 * started + 2 * (STEPS - 3)
    assert [cut["by"] for cut in report["cuts"]] == ["a person", "a person"]
    stock = ShapesGraph(steps=STEPS)
    saved = stock.saved(stock.ksampler(stock.loader, winning_seed(report)))
    (picture,) = pictures(client, result, paused.saved)
    assert difference(picture, pictures(client, client.run(stock).check(), saved)[0]) <= ROUNDING


def test_a_queue_left_alone_goes_on_with_the_verifiers_choice(client: Client) -> None:
    paused = Paused(client, 82_000, lambda _: [], answer_within=1)
    (report,) = reports(paused.run(), paused.shown)
    assert [cut["by"] for cut in report["cuts"]] == ["the verifier", "the verifier"]
    assert report["nfe"]["search"] <= 4 * STEPS


def test_what_is_no_answer_is_refused_and_it_waits_on(client: Client) -> None:
    def wrong_then_right(asks: dict[str, Any]) -> list[Any]:
        step, first = asks["step"], asks["waiting"][0][:1]
        bad = [None, {}, {"step": step}, {"step": step, "keep": [1]}, {"step": step, "keep": [["0"]]}]
        bad += [{"step": step, "keep": [[True]]}, {"step": step, "keep": [[]]}, {"step": 99, "keep": [first]}]
        return [*bad, {"step": step, "keep": [[10_000]]}, {"step": step, "keep": [first]}]

    paused = Paused(client, 83_000, wrong_then_right)
    (report,) = reports(paused.run(), paused.shown)
    assert paused.replies == [400] * 9 + [200]
    assert report["cuts"][0]["kept"] == 1
