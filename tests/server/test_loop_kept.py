"""What a loop has scored stays: only what is new runs, whichever cache ComfyUI has, also after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from comfy_client import Client, Event, Result
from comfy_server import Server, serve
from loop_graph import Arithmetic, Loop, LoopGraph, random, times, zero_order
from shapes_graph import ROUNDING, difference, pictures, reports

CACHES = {
    "default": (),
    "classic": ("--cache-classic",),
    "lru": ("--cache-lru", "100"),
    "none": ("--cache-none",),
    "short of memory": ("--cache-ram", "1000", "1000"),
}


@pytest.fixture(params=CACHES)
def cached_server(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Server:
    return start_server(*CACHES[request.param])


@pytest.fixture
def cached_client(cached_server: Server) -> Client:
    return Client(cached_server.url)


class Searched(LoopGraph):
    """A loop with its picture and its report."""

    def __init__(self, seed: int, candidates: int, steps: int = 4, side: int = 32) -> None:
        super().__init__(steps=steps, side=side)
        self.searched: Loop = self.loop(seed, candidates)
        self.saved = self.node("SaveImage", images=self.searched.close, filename_prefix="test")
        self.shown = self.reported(self.searched.close)


def interrupted(client: Client, graph: Searched, at: int) -> Result:
    """Run until the sampler has started so often."""
    started: list[Event] = []

    def watch(event: Event) -> None:
        if event.type == "executing" and event.data.get("display_node") == graph.searched.sampled.id:
            started.append(event)
            if len(started) == at:
                client.interrupt()

    return client.run(graph, on_event=watch)


def test_of_more_candidates_only_the_new_ones_run(cached_client: Client) -> None:
    few, more = Searched(7000, 8), Searched(7000, 12)
    first = cached_client.run(few).check()
    second = cached_client.run(more).check()
    assert times(first, few.searched.sampled) == 8
    assert times(second, more.searched.sampled) == 4
    known, new = reports(first, few.shown)[0], reports(second, more.shown)[0]
    assert [c["score"] for c in new["candidates"][:8]] == [c["score"] for c in known["candidates"]]
    assert new["best"]["score"] == max(c["score"] for c in new["candidates"])


def test_an_interrupted_search_goes_on_where_it_was(cached_client: Client) -> None:
    graph = Searched(7100, 5, steps=20)
    first = interrupted(cached_client, graph, at=3)
    assert first.status == "interrupted"
    scored = times(first, graph.searched.scored)
    assert 0 < scored < 5
    second = cached_client.run(graph).check()
    assert times(second, graph.searched.sampled) == 5 - scored
    (report,) = reports(second, graph.shown)
    assert [c["recipe"]["seed"] for c in report["candidates"]] == list(range(7100, 7105))


def test_a_search_that_was_done_before_samples_nothing(cached_client: Client) -> None:
    graph = Searched(7200, 4)
    first = cached_client.run(graph).check()
    other = Searched(7200 + 1, 2)  # in between, so that the host's cache of the first may go
    cached_client.run(other).check()
    second = cached_client.run(graph).check()
    assert times(second, graph.searched.sampled) == 0
    assert reports(second, graph.shown)[0]["best"] == reports(first, graph.shown)[0]["best"]
    assert difference(*(pictures(cached_client, result, graph.saved) for result in (first, second))) == 0


def test_what_only_the_winner_needs_comes_from_its_own_nodes(cached_client: Client) -> None:
    graph = LoopGraph()
    loop = graph.loop(seed=7300)
    inverted = graph.node("ImageInvert", image=loop.decoded)
    close = graph.close(loop.open, loop.scored, inverted, **random(5))
    plain, turned = (graph.node("SaveImage", images=node, filename_prefix="test") for node in (loop.close, close))
    result = cached_client.run(graph).check()
    assert times(result, inverted) == 1
    one, other = (pictures(cached_client, result, node) for node in (plain, turned))
    assert difference(255 - one, other) <= ROUNDING


def test_a_loop_in_a_loop_keeps_the_outer_scores(cached_client: Client) -> None:
    def nested(candidates: int) -> tuple[LoopGraph, Loop]:
        graph = LoopGraph()
        outer = graph.open(7400)
        inner = graph.loop(seed=outer.out(1), candidates=2)
        close = graph.close(outer, inner.close.out(3), inner.close, **random(candidates))
        graph.node("SaveImage", images=close, filename_prefix="test")
        return graph, inner

    (few, _), (more, after) = nested(2), nested(4)
    cached_client.run(few).check()
    ran = times(cached_client.run(more).check(), after.sampled)
    assert ran in (2, 3, 4), "2 new seeds for 2 more inner searches, whose winner may be an old one that is made again"


def test_zero_order_goes_on_as_well(client: Client) -> None:
    def guided(iterations: int) -> tuple[LoopGraph, Loop]:
        graph = LoopGraph()
        loop = graph.guided_loop(zero_order(iterations, 2, 0.9), seed=7500)
        graph.shown(loop.close.out(3))
        return graph, loop

    (few, before), (more, after) = guided(2), guided(4)
    assert times(client.run(few).check(), before.sampled) == 5
    assert times(client.run(more).check(), after.sampled) == 4


@pytest.mark.parametrize("changed", [{"steps": 3}, {"sampler_name": "heun"}])
def test_other_nodes_in_the_loop_are_searched_anew(client: Client, changed: dict[str, object]) -> None:
    for given in ({}, changed):
        graph = LoopGraph(f"a red circle beside {' and '.join(changed)}")
        loop = graph.loop(seed=7600, candidates=2, **given)
        graph.shown(loop.close.out(3))
        assert times(client.run(graph).check(), loop.sampled) == 2


def test_another_prompt_is_searched_anew(client: Client) -> None:
    for caption in ("a red circle", "a red square"):
        graph = LoopGraph(caption)
        loop = graph.loop(seed=7800, candidates=2)
        graph.shown(loop.close.out(3))
        assert times(client.run(graph).check(), loop.sampled) == 2


def test_the_settings_of_the_search_are_free(client: Client) -> None:
    """Scores belong to what is in the loop, whatever searched for them."""
    for given, expected in (({"patience": 50}, 6), ({"patience": 0}, 0), ({"max_seconds": 100.0}, 0)):
        graph = Arithmetic("sin(a)", seed=7900, candidates=6, **given)
        assert times(client.run(graph).check(), graph.formula) == expected


@pytest.fixture
def ledger_folder(server: Server) -> Path:
    return server.base / "user" / "__noise_search"


def test_scores_that_no_longer_hold_are_forgotten(client: Client, server: Server, ledger_folder: Path) -> None:
    """As if a node that the host can not see inside had changed."""
    before = set(ledger_folder.glob("*"))
    graph = Arithmetic("cos(a)", seed=8000, candidates=5)
    client.run(graph).check()
    (page,) = set(ledger_folder.glob("*")) - before
    lines = [json.loads(line) for line in page.read_text().splitlines() if line]
    lines[3]["scores"]["score"] = 99.0
    page.write_text("".join(f"\n{json.dumps(line)}" for line in lines))
    graph = Arithmetic("cos(a)", seed=8000, candidates=6)
    result = client.run(graph).check()
    assert "had the score 99.0000 in an earlier run" in server.log_text()
    assert float(result.text(graph.shown[2])) < 1
    assert len(page.read_text().splitlines()) == 1 + 6


def test_what_is_kept_is_small_and_out_of_the_browsers_reach(client: Client, ledger_folder: Path) -> None:
    before = set(ledger_folder.glob("*"))
    graph = Searched(8100, 8, side=40)  # a size that makes it a graph of its own
    graph.node("PreviewImage", images=graph.searched.close)
    client.run(graph).check()
    (page,) = set(ledger_folder.glob("*")) - before
    assert page.stat().st_size < 8 * 4_000
    assert ledger_folder.name.startswith("__"), "ComfyUI serves no folder of that kind"


def test_another_server_goes_on_where_one_was_killed(
    client: Client, ledger_folder: Path, comfyui: Path, tmp_path: Path
) -> None:
    graph = Searched(8200, 5, steps=20, side=48)
    before = set(ledger_folder.glob("*"))
    first = interrupted(client, graph, at=3)
    (page,) = set(ledger_folder.glob("*")) - before
    left = tmp_path / "user" / ledger_folder.name
    left.mkdir(parents=True)
    (left / page.name).write_bytes(page.read_bytes()[:-5])
    with serve(comfyui, tmp_path) as other:
        second = Client(other.url).run(graph).check()
    known = times(first, graph.searched.scored) - 1  # the last line was cut off
    ran = times(second, graph.searched.sampled)
    assert ran - (5 - known) in (0, 1), "results are not on disk: if an old one wins, it is made once more"
    assert [c["recipe"]["seed"] for c in reports(second, graph.shown)[0]["candidates"]] == list(range(8200, 8205))
