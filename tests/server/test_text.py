"""The Text Verifier in the real ComfyUI, with its published weights: the sign that is spelt right wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import demo_words
import demo_workflow
import real_weights
import sign_nodes
from comfy_client import Client
from comfy_graph import Node
from comfy_server import Server, serve
from demo_result import opened
from layout import custom_nodes
from loop_graph import LoopGraph, random
from shapes_graph import ShapesGraph, reports

TEXTS = ("OPEN 24 HUORS", "OPEN 42 HOURS", "OPPEN 24 HOURS", "OPEN 24 HOURS", "OPEN 24 HOUR", "CLOSED")
WANTED = "OPEN 24 HOURS"


@pytest.fixture(scope="module")
def signs(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("signs")
    real_weights.put_into(base / "models")
    packs = custom_nodes() | {"sign-nodes": Path(sign_nodes.__file__).parent}
    with serve(comfyui, base, packs=packs) as server:
        yield server


@pytest.fixture
def client(signs: Server) -> Client:
    return Client(signs.url)


def judge(graph: ShapesGraph, text: str = "") -> Node:
    return graph.node("TextVerifier", text=text, detector=real_weights.DETECTOR, reader=real_weights.READER)


def read(candidate: dict[str, Any]) -> str:
    return " ".join(part["read"] for part in candidate["details"]["text"] if "read" in part)


def test_a_search_on_model_finds_the_right_sign(client: Client) -> None:
    graph = ShapesGraph(steps=1)
    vae = graph.node("MakeSignVAE", texts="|".join(TEXTS))
    search = graph.search(len(TEXTS), vae=vae, verifier=judge(graph), prompt=f'a shop, its sign says "{WANTED}"')
    shown = graph.report(graph.ksampler(search), search)
    (report,) = reports(client.run(graph).check(), shown)
    assert report["best"]["index"] == TEXTS.index(WANTED)
    assert report["best"]["score"] > -0.2
    assert [read(one) for one in report["candidates"]][:4] == list(TEXTS[:4])
    assert all(part["holds"] for part in report["candidates"][TEXTS.index(WANTED)]["details"]["text"])
    assert not all(part["holds"] for part in report["candidates"][0]["details"]["text"])


def test_a_loop_finds_the_right_sign(client: Client) -> None:
    graph = LoopGraph()
    graph.verifier = judge(graph, WANTED)
    opened = graph.open(seed=6)
    image = graph.node("Sign", seed=opened.out(1), texts="|".join(TEXTS))
    close = graph.close(opened, graph.score(image, ""), image, **random(len(TEXTS)))
    shown = graph.reported(close)
    (report,) = reports(client.run(graph).check(), shown)
    assert report["best"]["recipe"]["seed"] % len(TEXTS) == TEXTS.index(WANTED)


def test_it_stops_when_all_words_are_right(client: Client) -> None:
    graph = ShapesGraph(steps=1)
    vae = graph.node("MakeSignVAE", texts="|".join(TEXTS))
    search = graph.search(12, vae=vae, verifier=judge(graph, WANTED), batch_size=1, target="all requirements hold")
    shown = graph.report(graph.ksampler(search), search)
    (report,) = reports(client.run(graph).check(), shown)
    assert report["stopped"] == "target"
    assert len(report["candidates"]) == TEXTS.index(WANTED) + 1


def test_a_prompt_without_quotes_is_refused_before_sampling(client: Client) -> None:
    graph = ShapesGraph(steps=1)
    search = graph.search(4, verifier=judge(graph), prompt="a shop with a sign")
    graph.report(graph.ksampler(search), search)
    result = client.run(graph)
    assert result.status != "success"
    assert "no text in quotes" in result.error.exception_message


def test_the_demo_of_signs_searches_by_what_is_read(client: Client) -> None:
    workflow = demo_workflow.build('a sign that says "OPEN LATE"', 3, 0, demo_words.SIGNS)
    result = client.run(workflow.graph).check()
    report = json.loads(result.text(workflow.report))
    scores = [one["score"] for one in report["candidates"]]
    assert len(set(scores)) == 3 and report["best"]["score"] == max(scores)
    assert all([part["text"] for part in one["details"]["text"]] == ["OPEN", "LATE"] for one in report["candidates"])
    assert opened(client.images(result, workflow.winner)[0]).size == (96, 64)


def test_a_sign_that_can_not_be_drawn_is_an_error_in_words(client: Client) -> None:
    workflow = demo_workflow.build('a sign that says "BREAKFAST"', 2, 0, demo_words.SIGNS)
    assert "words of up to 6 letters" in client.run(workflow.graph).error.exception_message


def test_a_file_that_is_missing_is_told_with_its_address(client: Client) -> None:
    graph = ShapesGraph(steps=1)
    verifier = graph.node("TextVerifier", text="x", detector="craft_other.pth", reader=real_weights.READER)
    graph.node("PreviewAny", source=verifier)
    assert "craft_other.pth is not installed" in client.run(graph).error.exception_message
