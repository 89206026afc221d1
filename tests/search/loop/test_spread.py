"""A loop with a crew finds what it finds alone, whoever scores what, in any order, and whatever gets lost."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from comfy_graph import Graph
from fake_crew import FakeCrew
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.target import Target
from small_models import made_plan

pytestmark = pytest.mark.usefixtures("comfy")
Score = Callable[[Recipe], float]
CREWS = ({"workers": 8}, {"workers": 2, "helps": False}, {"workers": 3, "dies": 0.3})
METHODS = {"random": RandomSearch(11), "zero-order": ZeroOrder(iterations=4, neighbors=3, cosine=0.9)}


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.search.{name}")


def height(recipe: Recipe) -> float:
    """Of a candidate: as if at random."""
    return hash((recipe.seed, recipe.moves)) % 1009 / 7


def look(score: float) -> Any:
    return module("loop.looped").Look(score, torch.full((8, 8, 3), score % 1))


def kept(page: Any = None, search: str | None = None) -> Any:
    return module("loop.kept").Kept(page or module("history.ledger").Page(None), search, by_number=True)


class Loop:
    """A loop that the host runs: `ran` here, and the result of each candidate is its seed."""

    def __init__(self, method: Any, crew: Any, score: Score = height, there: Score | None = None, **given: Any):
        self.score, self.there, self.ran = score, there or score, []
        self.kept = given.pop("kept", None) or kept()
        wordings = given.pop("wordings", ("",))
        plan = replace(made_plan("Search Loop Close (node 9)", method, node="9", **given), wordings=wordings)
        flow = module("loop.body").Flow("1", 100, None, 0, False)
        prompt = importlib.import_module("comfy_execution.graph").DynamicPrompt({})
        where = module("loop.looped").Where(prompt, ("9", 0), "9.0.0.")
        self.parts = plan, flow, SimpleNamespace(), where
        if isinstance(crew, FakeCrew):
            crew.score = self._errand
        seam = module("crew.seam")
        offer = None if crew is None else seam.Offer(crew, seam.Job({}, "9", "9", 0, "a loop"))
        self.search = module("loop.search").LoopSearch(plan, flow, SimpleNamespace(), self.kept, where, offer)

    def _errand(self, errand: Any) -> None:
        self._run(module("loop.errand").LoopErrand(errand, *self.parts), self.there, [])

    def _run(self, search: Any, score: Score, ran: list[int], most: int = 1000) -> None:
        while len(ran) < most and (index := search.wanted()) is not None:
            again = search.wanted()
            if again != index:  # enough has come meanwhile
                continue
            search.begins(index)
            recipe = search.recipe(index)
            search.add(index, look(score(recipe)), module("loop.kept").Made(f"result {recipe.seed}", False))
            search.let_go()
            ran.append(index)

    def run(self, most: int = 1000) -> Any:
        self._run(self.search, self.score, self.ran, most)
        return self

    @property
    def report(self) -> Any:
        return self.search.found().reports[0]


def assert_same(ours: Any, theirs: Any) -> None:
    assert ours.search.made == theirs.search.made
    ours, theirs = ours.report, theirs.report
    assert (ours.best.index, ours.stopped) == (theirs.best.index, theirs.stopped)
    for part in ("score", "recipe", "round", "index", "nfe", "failed"):
        assert [getattr(o, part) for o in ours.candidates] == [getattr(o, part) for o in theirs.candidates], part


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_crew_finds_the_same(method: Any, seed: int) -> None:
    alone = Loop(method, None).run()
    for settings in CREWS:
        crew = FakeCrew(**settings, seed=seed)
        found = Loop(method, crew).run()
        assert_same(found, alone)
        assert crew.pieces
        assert all(len(piece.candidates) == 1 for piece in crew.pieces), "whoever is free takes the next"


def test_the_board_says_who_has_what(monkeypatch: pytest.MonkeyPatch) -> None:
    board, told = module("board.board").Board, []
    plain = board.progress
    monkeypatch.setattr(
        board, "progress", lambda self, *done, **nfe: (told.append(self.hands), plain(self, *done, **nfe))
    )
    found = Loop(METHODS["random"], FakeCrew(workers=2, seed=1)).run()
    has = [{hand.who: hand.numbers for hand in hands} for hands in told if hands]
    assert {name for hands in has for name in hands} == {"this GPU", "worker 1", "worker 2"}
    for hands in has:
        numbers = [number for of in hands.values() for number in of]
        assert len(numbers) == len(set(numbers)), "nobody has what another one has"
    assert any(hands["this GPU"] for hands in has)
    assert any(hands["worker 1"] for hands in has)
    assert found.search.board.hands == ()


def test_the_winner_runs_here_once_more_if_others_have_scored_it_and_nothing_else_does() -> None:
    found = Loop(METHODS["random"], FakeCrew(helps=False)).run()
    assert found.ran == [found.search.best]
    assert found.search.made.value == f"result {100 + found.search.best}"


def test_what_ran_here_ahead_of_its_turn_does_not_run_again() -> None:
    best = [5]
    for seed in range(8):
        crew = FakeCrew(workers=1, seed=seed)
        found = Loop(RandomSearch(9), crew, lambda recipe: -abs(recipe.seed - 100 - best[0])).run()
        assert found.search.best == 5
        own = [number for piece in crew.own for number in piece.numbers]
        assert found.ran == [*own, *([] if 5 in own else [5])]


def test_limits_hold_as_alone() -> None:
    for limits in ({"patience": 3}, {"target": Target(100.0)}):
        assert_same(Loop(RandomSearch(40), FakeCrew(), **limits).run(), Loop(RandomSearch(40), None, **limits).run())


def test_people_who_have_seen_enough_end_it() -> None:
    found = Loop(RandomSearch(400), FakeCrew(workers=1)).run(most=3)
    found.search.board.ask_to_stop()
    found.run()
    assert found.report.stopped == "user"
    assert len(found.report.candidates) < 20
    assert found.search.made is not None


def test_wordings_are_drawn_as_alone() -> None:
    def score(recipe: Recipe) -> float:
        return height(recipe) + 100 * (recipe.wording == "a hat")

    wordings = ("", "a hat", "a cap")
    crew = FakeCrew()
    found = Loop(RandomSearch(20), crew, score, wordings=wordings).run()
    assert_same(found, Loop(RandomSearch(20), None, score, wordings=wordings).run())
    assert crew.pieces


def test_more_candidates_run_only_what_is_new() -> None:
    before = kept()
    Loop(RandomSearch(16), FakeCrew(), kept=before).run()
    crew = FakeCrew(helps=False)
    found = Loop(RandomSearch(24), crew, kept=before).run()
    assert sorted(number for piece in crew.pieces for number in piece.numbers) == list(range(16, 24))
    assert len(found.report.candidates) == 24


def test_where_others_score_otherwise_all_run_here(caplog: pytest.LogCaptureFixture) -> None:
    found = Loop(RandomSearch(6), FakeCrew(helps=False), there=lambda recipe: -height(recipe)).run()
    alone = Loop(RandomSearch(6), None).run()
    assert_same(found, alone)
    assert found.ran[1:] == [0, 1, 2, 3, 4, 5]
    assert found.report.notes == (module("loop.spread").DIFFERS,)
    assert "on another GPU and has" in caplog.text


def test_what_was_lost_runs_again_and_people_are_told() -> None:
    crew = FakeCrew(workers=2, dies=0.4, seed=3)
    found = Loop(METHODS["random"], crew).run()
    assert crew.lost
    assert "a worker was lost." in found.report.notes
    own = sum(len(piece.candidates) for piece in crew.own)
    shares = f"Candidates ran on several GPUs: {own} on this GPU, {11 - own} on worker 1."
    others = f"Candidates ran on several GPUs: {11 - own} on worker 1, {own} on this GPU."
    assert found.report.notes[-1] in (shares, others)


def test_a_candidate_that_ends_every_worker_is_named() -> None:
    with pytest.raises(module("crew.seam").CrewError, match="candidate 5 has ended three workers"):
        Loop(METHODS["random"], FakeCrew(helps=False, deadly=frozenset({5}))).run()


def test_without_others_it_is_as_alone_and_says_why() -> None:
    nobody = module("crew.seam").Nobody("All candidates ran on this GPU.")
    found, alone = Loop(METHODS["random"], nobody).run(), Loop(METHODS["random"], None).run()
    assert_same(found, alone)
    assert found.ran == alone.ran
    assert found.report.notes == ("All candidates ran on this GPU.",)


class Silent:
    """A crew whose workers never answer, and that this process does not help."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def start(self, job: Any, units: Any, most: int) -> Any:
        return self

    def take(self) -> None:
        return None

    def wait(self, seconds: float) -> list[Any]:
        return []

    def is_over(self) -> bool:
        return False

    def close(self) -> list[Any]:
        self.closed.set()
        return []

    def who(self) -> list[Any]:
        return []


def test_a_search_that_waits_can_be_cancelled() -> None:
    management = importlib.import_module("comfy.model_management")
    found = Loop(METHODS["random"], Silent())
    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        found.run()


def test_time_ends_a_search_that_waits() -> None:
    crew = Silent()
    before = kept()
    Loop(RandomSearch(1), None, kept=before).run()
    found = Loop(RandomSearch(9), crew, kept=before, max_seconds=0.05).run()
    assert (found.report.stopped, len(found.report.candidates)) == ("time", 1)
    assert crew.closed.is_set()


def test_others_stop_when_the_prompt_has_ended_without_telling(monkeypatch: pytest.MonkeyPatch) -> None:
    spread, crew, running = module("loop.spread"), Silent(), threading.Event()
    monkeypatch.setattr(spread, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(spread, "PROMPTS", SimpleNamespace(is_running=lambda prompt: not running.is_set()))
    seam = module("crew.seam")
    made = spread.LoopSpread(seam.Offer(crew, seam.Job({}, "9", "9", 0, "a loop")), kept(), "a prompt")
    made.hand_out({0: Recipe(1)})
    assert not crew.closed.wait(0.05)
    running.set()
    assert crew.closed.wait(5)


class Queued(Graph):
    """Open -> KSampler -> VAEDecode -> ImageInvert, the last of which stands for a score, -> Close, and a larger
    result."""

    def __init__(self) -> None:
        super().__init__()
        self.loader = self.node("CheckpointLoaderSimple", ckpt_name="a model.safetensors")
        self.latent = self.node("EmptyLatentImage", width=64, height=64, batch_size=1)
        self.open = self.node("SearchLoopOpen", seed=5)
        self.sampler = self.node("KSampler", model=self.loader, seed=self.open.out(1), latent_image=self.latent)
        self.decoded = self.node("VAEDecode", samples=self.sampler, vae=self.loader.out(2))
        self.larger = self.node("ImageScaleBy", image=self.decoded, upscale_method="bilinear", scale_by=2.0)
        self.shown = self.node("PreviewImage", images=self.decoded)
        self.score = self.node("ImageInvert", image=self.decoded)
        self.close = self.node("SearchLoopClose", flow=self.open, score=self.score, result=self.larger)


@pytest.fixture
def offered(comfy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """What is offered to a loop that is queued like this."""
    spread, body, loop = module("loop.spread"), module("loop.body"), importlib.import_module("noise_search.nodes.loop")
    for node in (loop.SearchLoopOpen, loop.SearchLoopClose):
        monkeypatch.setitem(importlib.import_module("nodes").NODE_CLASS_MAPPINGS, node.__name__, node)

    def offered(queued: Queued, found: Any = (), page: Any = tmp_path / "page", part: bool = False, **how: Any) -> Any:
        prompt = SimpleNamespace(nodes={} if part else queued.prompt, settings={}, found=dict.fromkeys(found))
        monkeypatch.setattr(spread, "PROMPTS", SimpleNamespace(executing=lambda: (prompt, (queued.close.id, 2))))
        monkeypatch.setattr(spread, "CREWS", SimpleNamespace(crew=lambda settings: "a crew"))
        graph = importlib.import_module("comfy_execution.graph").DynamicPrompt(queued.prompt)
        flow = body.Flow(queued.open.id, 5, None, 2, how.get("run_outputs", False))
        read = body.read_body(graph, flow, queued.close.id, how.get("score", queued.score).out(), queued.larger.out())
        return spread.offer_of("a loop", flow, read, kept(module("history.ledger").Page(page)), graph)

    return offered


def test_others_get_what_the_score_needs_and_not_the_result(offered: Callable[..., Any]) -> None:
    queued = Queued()
    offer = offered(queued)
    assert offer.crew == "a crew"
    job = offer.job
    assert (job.sampler, job.search, job.item, job.title) == (queued.close.id, queued.close.id, 2, "a loop")
    needed = (queued.loader, queued.latent, queued.open, queued.sampler, queued.decoded, queued.score, queued.close)
    assert job.nodes.keys() == {node.id for node in needed}
    assert job.nodes[queued.close.id]["inputs"].keys() == {"flow", "score"}
    assert "result" in queued.prompt[queued.close.id]["inputs"], "of the user's own prompt nothing changes"


def test_a_loop_that_no_one_else_can_run_says_why(offered: Callable[..., Any]) -> None:
    place = module("host.prompts").Place
    queued = Queued()
    inside, before = (place(node.id, node.id, 0) for node in (queued.sampler, queued.loader))
    own = place(queued.close.id, queued.close.id, 0)
    assert offered(queued, found=(inside, own)).crew == "a crew"
    reasons = {
        "another search comes before the loop": {"found": (before,)},
        "the loop is a part of another node or loop": {"part": True},
        "something in the loop may give something else each time": {"page": None},
        "nodes that save or show something run for each candidate": {"run_outputs": True},
    }
    for reason, how in reasons.items():
        assert offered(queued, **how).crew.because == f"All candidates ran on this GPU, because {reason}."
    assert "save or show" in offered(queued, score=queued.shown).crew.because
