"""What a search has scored outlives the prompt, the settings that do not matter to it, and the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comfy_client import Client
from comfy_server import Server, serve
from shapes_graph import ROUNDING, SEED, ShapesGraph, difference, pictures, reports

STEPS = 4


@pytest.fixture
def client(start_server: Any) -> Client:
    """Of a server where no other test has searched."""
    return Client(start_server("--cache-lru", "20").url)


def searched(client: Client, candidates: int = 4, seed: int = SEED, steps: int = STEPS, **settings: Any) -> Any:
    """The picture and the report."""
    graph = ShapesGraph(steps=steps)
    search = graph.search(candidates, **settings)
    sampled = graph.ksampler(search, seed)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    return pictures(client, result, saved)[0], reports(result, shown)[0]


def spent(report: dict[str, Any]) -> tuple[int, int]:
    return report["nfe"]["search"], report["nfe"]["total"]


def test_more_candidates_run_only_the_new_ones(client: Client) -> None:
    _, few = searched(client, 5, seed=101)
    _, more = searched(client, 8, seed=101, batch_size=3)
    assert spent(few) == (5 * STEPS, 5 * STEPS)
    again = STEPS if more["best"]["index"] < 5 else 0
    assert spent(more) == (3 * STEPS + again, 8 * STEPS + again)
    assert [c["score"] for c in more["candidates"]][:5] == pytest.approx([c["score"] for c in few["candidates"]])


@pytest.mark.parametrize("other", [{"seed": 203}, {"steps": STEPS + 1}, {"prompt": "two stars"}, {"frames": 0}])
def test_what_changes_the_scores_runs_all_again(client: Client, other: dict[str, Any]) -> None:
    searched(client, seed=202)
    _, report = searched(client, **({"seed": 202} | other))
    assert report["nfe"]["search"] == report["nfe"]["total"] == 4 * report["sampler_steps"]


def test_one_sampler_of_a_graph_does_not_answer_for_another(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search(3)
    first = graph.ksampler(search, 301)
    second = graph.ksampler(search, 301, cfg=2.0)
    shown = [graph.report(sampled, search) for sampled in (first, second)]
    result = client.run(graph).check()
    assert [spent(reports(result, node)[0]) for node in shown] == [(3 * STEPS, 3 * STEPS)] * 2


@pytest.fixture
def base(comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed_server")


@pytest.fixture
def killed(comfyui: Path, base: Path) -> Server:
    """A server that was killed when its search had scored some of the candidates."""
    with serve(comfyui, base) as server:
        graph = ShapesGraph(side=64, steps=20)
        search = graph.search(40, batch_size=2)
        graph.saved(graph.ksampler(search))
        Client(server.url).post("/prompt", {"prompt": graph.prompt})
        while not any(page.read_bytes().count(b"\n") >= 4 for page in base.glob("user/**/*.jsonl")):
            time.sleep(0.05)
        server.process.kill()
        server.process.wait()
    return server


@pytest.fixture
def restarted(killed: Server, comfyui: Path, base: Path) -> Iterator[Server]:
    with serve(comfyui, base) as server:
        yield server


def test_a_killed_server_goes_on_where_it_was(restarted: Server, client: Client, base: Path) -> None:
    graph = ShapesGraph(side=64, steps=20)
    search = graph.search(6, batch_size=2)
    sampled = graph.ksampler(search)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    here, there = Client(restarted.url), client
    found, fresh = here.run(graph).check(), there.run(graph).check()
    (mine,), (theirs,) = reports(found, shown), reports(fresh, shown)
    assert mine["nfe"]["search"] <= 3 * 20 < theirs["nfe"]["search"] == 6 * 20
    assert mine["best"]["recipe"] == theirs["best"]["recipe"]
    assert [c["score"] for c in mine["candidates"]] == pytest.approx(
        [c["score"] for c in theirs["candidates"]], abs=1e-3
    )
    assert difference(pictures(here, found, saved)[0], pictures(there, fresh, saved)[0]) <= ROUNDING
    assert sum(page.stat().st_size for page in base.glob("user/**/*.jsonl")) < 40 * 8192


def auto(client: Client, budget: int, seed: int, batch_size: int = 0) -> Any:
    graph = ShapesGraph(steps=8)
    settings = {"vae": graph.loader.out(2), "verifier": graph.verifier, "prompt": graph.caption}
    search = graph.node(
        "AutoSearch", model=graph.loader, **settings, budget=budget, max_seconds=0.0, batch_size=batch_size
    )
    sampled = graph.ksampler(search, seed)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    return pictures(client, result, saved)[0], reports(result, shown)[0]


def test_what_was_refined_is_not_refined_again(client: Client) -> None:
    """Only the winner runs, along its whole way; with a larger budget the starts are others, and run."""
    picture, report = auto(client, 8, seed=911)
    assert any("path" in one["recipe"] for one in report["candidates"])
    again, repeated = auto(client, 8, seed=911, batch_size=3)
    turns = len(report["best"]["recipe"].get("path", {"turns": []})["turns"])
    assert repeated["nfe"]["search"] <= 8 * (1 + turns)
    assert [c["score"] for c in repeated["candidates"]] == pytest.approx([c["score"] for c in report["candidates"]])
    assert difference(picture, again) <= ROUNDING
    _other, larger = auto(client, 12, seed=911)
    assert larger["nfe"]["total"] <= 12 * 8 + 8 * 4
