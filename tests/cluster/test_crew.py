"""The real thing: a ComfyUI server, and two workers on the CPU as Ray starts them. Ray's token is on."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import here_only
from comfy_client import Client, Event, Result
from comfy_graph import Node
from comfy_server import serve
from layout import custom_nodes
from loop_graph import LoopGraph
from shapes_graph import ROUNDING, ShapesGraph, difference, pictures, reports

ray = pytest.importorskip("ray")
WORKERS = 2
START_SECONDS = 600  # of workers, on a machine with much else to do
STEPS = 20


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comfy_cluster")


@pytest.fixture(scope="module")
def client(comfyui: Path, base: Path, cluster: str) -> Iterator[Client]:
    packs = custom_nodes() | {"here-only": Path(here_only.__file__).parent}
    with serve(comfyui, base, packs=packs) as server:
        client = Client(server.url)
        client.log = server.log_text
        yield client


class Spread:
    """A search of the demo, and its run with the crew or alone."""

    def __init__(
        self, search: str = "RandomSearch", candidates: int = 16, images: int = 1, seed: int = 1, **settings: Any
    ):
        self.graph = ShapesGraph(steps=settings.pop("steps", STEPS), images=images)
        sampler = {"denoise": 0.8} if settings.pop("mask", False) else {}
        if sampler:
            self.graph.latent = self._masked(images)
        if search == "RandomSearch":
            self.search = self.graph.search(candidates, **settings)
        else:
            values = {"model": self.graph.loader, "vae": self.graph.loader.out(2), "verifier": self.graph.verifier}
            values |= {"prompt": self.graph.caption, "max_seconds": 0.0, "batch_size": 0}
            self.search = self.graph.node(search, **(values | settings))
        self.sampled = self.graph.ksampler(self.search, seed=seed, **sampler)
        self.saved = self.graph.saved(self.sampled)
        self.told: Node = self.graph.report(self.sampled, self.search)

    def _masked(self, images: int) -> Node:
        """Latents of a grey image, of which the left half is painted anew."""
        node, size = self.graph.node, {"width": 32, "height": 32}
        grey = node("EmptyImage", batch_size=images, color=0x808080, **size)
        half = node("SolidMask", value=1.0, width=16, height=32)
        none = node("SolidMask", value=0.0, **size)
        mask = node("MaskComposite", destination=none, source=half, x=0, y=0, operation="add")
        encoded = node("VAEEncode", pixels=grey, vae=self.graph.loader.out(2))
        return node("SetLatentNoiseMask", samples=encoded, mask=mask)

    def run(self, client: Client, address: str | None, **more: Any) -> Result:
        settings = {} if address is None else {"spread": "a Ray cluster", "address": address}
        return client.run(self.graph, extra_data={"noise_search": settings}, **more)


class SpreadLoop(Spread):
    """A loop around a sampler of the demo."""

    def __init__(self, candidates: int, **given: Any):
        self.graph = LoopGraph(steps=10)
        loop = self.graph.loop(candidates=candidates, **given)
        self.saved = self.graph.node("SaveImage", images=loop.close, filename_prefix="test")
        self.told = self.graph.reported(loop.close)


def forgotten(base: Path) -> None:
    """Let no run know what another has scored."""
    for page in (base / "user").rglob("*.jsonl"):
        page.unlink()


def both(client: Client, base: Path, address: str, made: Any) -> tuple[list[Any], list[Any], int]:
    """Reports with the crew and alone, and how far the pictures differ."""
    spread, alone = made(), made()
    forgotten(base)
    ours = spread.run(client, address).check()
    forgotten(base)
    theirs = afresh(client, alone)
    apart = difference(pictures(client, ours, spread.saved), pictures(client, theirs, alone.saved))
    return reports(ours, spread.told), reports(theirs, alone.told), apart


def afresh(client: Client, spread: Spread) -> Result:
    """With nothing in ComfyUI's cache, which it empties between prompts, not at once."""
    while True:
        client.free()
        result = spread.run(client, None).check()
        if spread.saved.id not in result.cached:
            return result


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one["best"]["recipe"] == other["best"]["recipe"]
        assert [c["score"] for c in one["candidates"]] == pytest.approx(
            [c["score"] for c in other["candidates"]], abs=1e-4
        )
        assert [c["nfe"] for c in one["candidates"]] == [c["nfe"] for c in other["candidates"]]


def ran_on(report: dict[str, Any]) -> Counter[str]:
    """How many candidates ran where, as people are told."""
    notes = " ".join(report.get("notes", []))
    return Counter({who: int(count) for count, who in re.findall(r"(\d+) on (this GPU|worker \d)", notes)})


def seconds_to_cancel(client: Client, spread: Spread, address: str) -> float:
    """Once its first candidate is there."""
    ended: dict[str, float] = {}

    def stop(event: Event) -> None:
        data = event.data if event.type == "noise_search.board" else {}
        if data.get("candidates", [[]])[0] and "asked" not in ended:
            ended["asked"] = time.monotonic()
            client.interrupt()

    assert spread.run(client, address, on_event=stop).status == "interrupted"
    return time.monotonic() - ended["asked"]


@pytest.fixture(scope="module")
def warm(client: Client, base: Path, cluster: str) -> str:
    """The cluster's address, when both workers have taken part once."""
    patience, seed = time.monotonic() + START_SECONDS, 99
    while time.monotonic() < patience:  # while they start
        seed += 1
        spread = Spread(candidates=32, seed=seed)
        result = spread.run(client, cluster).check()
        notes = " ".join(reports(result, spread.told)[0].get("notes", []))
        if "on worker 1" in notes and "on worker 2" in notes:
            return cluster
    pytest.fail(f"the workers did not come: {notes}\n{client.log()[-3000:]}")


def test_random_search_and_a_batch(client: Client, base: Path, warm: str) -> None:
    for images in (1, 2):
        ours, theirs, apart = both(client, base, warm, lambda images=images: Spread(images=images))
        assert_same(ours, theirs)
        assert apart <= ROUNDING


def test_a_batch_with_a_mask(client: Client, base: Path, warm: str) -> None:
    ours, theirs, apart = both(client, base, warm, lambda: Spread(candidates=12, images=2, mask=True))
    assert_same(ours, theirs)
    assert apart <= ROUNDING


def test_a_loop(client: Client, base: Path, warm: str) -> None:
    """Its winner is made here, whoever has scored it; and more candidates run only what is new."""
    by, seed = Counter[str](), 2
    while not by["worker 1"] + by["worker 2"]:  # on a busy machine all may have run here
        seed += 1
        ours, theirs, apart = both(client, base, warm, lambda seed=seed: SpreadLoop(16, seed=seed))
        assert_same(ours, theirs)
        assert apart <= ROUNDING
        by = ran_on(ours[0])
    assert sum(by.values()) == 16
    more = SpreadLoop(24, seed=seed)
    (report,) = reports(more.run(client, warm).check(), more.told)
    assert len(report["candidates"]) == 24
    assert sum(ran_on(report).values()) in (0, 8), "where one has run all, nothing is said of it"


def test_cancel_ends_a_loop(client: Client, base: Path, warm: str) -> None:
    forgotten(base)
    assert seconds_to_cancel(client, SpreadLoop(400, seed=3), warm) < 5
    after = SpreadLoop(8, seed=3)
    (report,) = reports(after.run(client, warm).check(), after.told)
    assert len(report["candidates"]) == 8


METHODS = {
    "zero-order": {"search": "ZeroOrderSearch", "iterations": 6, "neighbors": 8, "cosine": 0.9},
    "drafts": {"candidates": 48, "search_steps": 10},
}


@pytest.mark.parametrize("settings", METHODS.values(), ids=METHODS)
def test_other_searches_find_what_they_find_alone(
    client: Client, base: Path, warm: str, settings: dict[str, Any]
) -> None:
    ours, theirs, apart = both(client, base, warm, lambda: Spread(**settings))
    assert_same(ours, theirs)
    assert apart <= ROUNDING


def test_workers_do_not_run_what_has_given_them_a_conditioning(client: Client, base: Path, warm: str) -> None:
    with_it, plain = Spread(seed=7, candidates=32), Spread(seed=7, candidates=32)
    here = with_it.graph.node("HereOnly", conditioning=with_it.graph.positive)
    with_it.graph.prompt[with_it.sampled.id]["inputs"]["positive"] = [here.id, 0]
    forgotten(base)
    (ours,) = reports(with_it.run(client, warm).check(), with_it.told)
    forgotten(base)
    (theirs,) = reports(plain.run(client, None).check(), plain.told)
    assert_same([ours], [theirs])
    assert "on worker" in " ".join(ours["notes"])
    assert "takes no part" not in " ".join(ours["notes"])


def test_the_board_says_how_far_workers_are(client: Client, base: Path, warm: str) -> None:
    forgotten(base)
    told: list[dict[str, Any]] = []

    def hear(event: Event) -> None:
        if event.type == "noise_search.board":
            told.append(event.data)

    Spread(candidates=24, steps=100).run(client, warm, on_event=hear).check()
    hands = [hand for board in told for hand in board["hands"]["first"]]
    assert {hand["who"] for hand in hands} == {"this GPU", "worker 1", "worker 2"}
    for name in ("worker 1", "worker 2"):
        running = [hand for hand in hands if hand["who"] == name and hand["state"] == "runs"]
        assert max(hand["steps"] for hand in running) > 0
        assert all(0 <= hand["steps"] <= hand["work"] == 100 * len(hand["numbers"]) for hand in running)
        assert max(hand["done"] for hand in hands if hand["who"] == name) > 0
    assert told[-1]["hands"]["count"] == 0


def test_races_run_apart(client: Client, base: Path, warm: str) -> None:
    forgotten(base)
    spread = Spread(candidates=64, pruning="progressive")
    (report,) = reports(spread.run(client, warm).check(), spread.told)
    assert report["nfe"]["total"] <= 64 * STEPS
    assert report["best"]["score"] >= max(c["score"] for c in report["candidates"] if c["stopped_at_step"] is None)


def test_more_candidates_run_only_what_is_new(client: Client, base: Path, warm: str) -> None:
    forgotten(base)
    Spread(candidates=16).run(client, warm).check()
    more = Spread(candidates=24)
    (report,) = reports(more.run(client, warm).check(), more.told)
    assert report["nfe"]["total"] - report["nfe"]["search"] == 16 * STEPS
    assert report["nfe"]["search"] in (8 * STEPS, 9 * STEPS), "the winner once more, where only its score is known"


def test_cancel_ends_it_everywhere_at_once(client: Client, base: Path, warm: str) -> None:
    forgotten(base)
    assert seconds_to_cancel(client, Spread(candidates=400), warm) < 5
    after = Spread(candidates=16)
    (report,) = reports(after.run(client, warm).check(), after.told)
    assert len(report["candidates"]) == 16


def workers() -> list[int]:
    """The processes of the workers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if title.startswith(b"ray::Worker"):
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("count", [1, WORKERS])
def test_workers_that_are_killed_cost_no_candidate(client: Client, base: Path, warm: str, count: int) -> None:
    forgotten(base)
    killed: list[int] = []
    patience = time.monotonic() + START_SECONDS
    while len(workers()) < WORKERS:  # those that were killed before come back
        assert time.monotonic() < patience, "the workers did not come back"
        time.sleep(0.1)

    def kill() -> None:
        time.sleep(1)  # so that they are at work; when they are not, nothing is lost either
        for pid in workers()[:count]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    spread = Spread(candidates=64)
    ours = spread.run(client, warm).check()
    killer.join()  # the search may have been faster
    (report,) = reports(ours, spread.told)
    assert len(killed) == count
    assert len(report["candidates"]) == 64
    assert not any("failed" in candidate for candidate in report["candidates"])
    forgotten(base)
    alone = Spread(candidates=64)
    theirs = afresh(client, alone)
    assert_same([report], reports(theirs, alone.told))
    assert difference(pictures(client, ours, spread.saved), pictures(client, theirs, alone.saved)) <= ROUNDING
    assert report["nfe"]["search"] >= 64 * STEPS
