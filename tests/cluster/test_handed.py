"""What happens when: each line of the table of failures, on the real hand-out, with Ray and workers that are played."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fake_crew import offered
from fake_ray import HERE, HOLDS, NFE, STEPS_DONE, FakeRay, FakeWorker, RayActorError, RayTaskError, Ref, members
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.records.recipe import Recipe
from small_models import Brightness, SmallVAE, made_plan, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 8
SOON = 0.02  # seconds


@pytest.fixture(autouse=True)
def crew(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with clocks that are faster, and with a played Ray."""
    module = importlib.import_module("noise_search.cluster.crew")
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    monkeypatch.setattr(module.worker, "told", lambda nodes: HERE)
    for clock in ("POLL", "ASK_EVERY", "END_WITHIN"):
        monkeypatch.setattr(module, clock, SOON)
    return module


def seam() -> Any:
    return importlib.import_module("noise_search.search.crew.seam")


def started(workers: Sequence[FakeWorker], count: int = 16, most: int = 4, there: list[Any] | None = None) -> Any:
    """A round of so many candidates, handed out. there: the workers as an earlier search has left them."""
    pieces = [seam().Piece(((Recipe(number),),), (number,), STEPS) for number in range(count)]
    job = seam().Job({}, "sampler", "search", 0, "a search")
    crews = importlib.import_module("noise_search.cluster.crew")
    return crews.RayCrew(members(workers) if there is None else there).start(job, pieces, most)


def ended(handed: Any, helps: bool = False) -> SimpleNamespace:
    """All that comes of it. helps: whether this process takes part."""
    found = SimpleNamespace(numbers=[], own=[], notes=[], beside=[], by={})
    while not handed.is_over():
        if helps and (piece := handed.take()) is not None:
            found.own += piece.numbers
        for one in handed.wait(SOON):
            if isinstance(one, seam().Note):
                found.notes.append(one.text)
                found.beside += one.beside
                continue
            assert [candidates[0].scores["a"] for candidates in one.candidates] == list(one.piece.numbers)
            assert one.fetch(0, 0) is None
            found.numbers += one.piece.numbers
            found.by.setdefault(one.who, []).extend(one.piece.numbers)
    handed.close()
    return found


def until(is_so: Callable[[], Any]) -> None:
    """Wait for what another thread does."""
    patience = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < patience
        time.sleep(0.001)


def once(came: Any) -> Any:
    """A worker that does this with its first piece, and scores the others."""
    fates = iter([came])
    return lambda _: next(fates, None)


def test_all_is_scored_once() -> None:
    workers = [FakeWorker("worker 1"), FakeWorker("worker 2")]
    found = ended(started(workers))
    assert sorted(found.numbers) == list(range(16))
    assert found.notes == []
    assert {name: sorted(numbers) for name, numbers in found.by.items()} == {
        worker.name: sorted(number for piece in worker.given for number in piece) for worker in workers if worker.given
    }


def test_who_has_what() -> None:
    joins = FakeWorker("worker 1", lambda _: HOLDS, joining=Ref())
    lacks = FakeWorker("worker 2", there={**HERE, "torch": "another"})
    lost = FakeWorker("worker 3", once(HOLDS))
    handed = started([joins, lacks, lost])

    def who() -> dict[str, Any]:
        return {hand.who: hand for hand in handed.who()}

    until(lambda: who()["worker 3"].steps)
    assert {name: hand.state for name, hand in who().items()} == {
        "worker 1": "starts",
        "worker 2": "out",
        "worker 3": "runs",
    }
    has = who()["worker 3"]
    assert (has.numbers, has.steps, has.work) == (lost.given[0], STEPS_DONE, STEPS * len(lost.given[0]))
    lost.joining = Ref()
    lost.end(RayActorError("killed"))
    until(lambda: who()["worker 3"].state == "lost")
    assert who()["worker 3"].numbers == ()
    lost.join()
    joins.join()
    until(lambda: who()["worker 1"].state == "runs")
    until(lambda: who()["worker 3"].state == "waits")
    handed.close()


def test_what_a_killed_worker_had_goes_to_another_and_it_comes_back() -> None:
    one = FakeWorker("worker 1", once(RayActorError("killed")))
    found = ended(started([one]))
    assert sorted(found.numbers) == list(range(16))
    assert found.notes == ["worker 1 was lost; what it had ran again."]
    assert one.given[0] == one.given[1], "it is next"
    assert one.asked == 2


def test_what_a_lost_worker_had_told_is_counted() -> None:
    one = FakeWorker("worker 1", once(HOLDS), spent=(5,))
    handed = started([one])
    until(lambda: handed.state.spent)
    one.end(RayActorError("killed"))
    found = ended(handed)
    assert found.beside == [5]
    assert sorted(found.numbers) == list(range(16))


def test_candidates_that_have_ended_two_workers_go_alone_and_the_one_that_ends_a_third_is_named() -> None:
    given: list[Sequence[int]] = []

    def ends(numbers: Sequence[int]) -> Any:
        given.extend([numbers] if 2 in numbers else [])
        return RayActorError("killed") if 2 in numbers else None

    workers = [FakeWorker("worker 1", ends), FakeWorker("worker 2", ends)]
    handed = started(workers)
    with pytest.raises(seam().CrewError, match="candidate 2 has ended every worker that had it, so the search stops"):
        ended(handed)
    handed.close()
    assert len(given) == 3
    assert len(given[0]) > len(given[-1]) == 1


def test_when_all_workers_are_gone_the_search_goes_on_here(crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "BACK_WITHIN", 0.0)
    workers = [FakeWorker(f"worker {at}") for at in (1, 2)]

    def end(_: Sequence[int]) -> Any:
        for worker in workers:
            worker.starts = False
        return RayActorError("killed")

    for worker in workers:
        worker.does = end
    handed = started(workers, count=4, most=1)
    found = ended(handed, helps=True)
    assert sorted(found.own + found.numbers) == list(range(4))
    assert any(note.endswith("takes no part: it does not start (RayActorError).") for note in found.notes)


def test_a_worker_that_says_nothing_is_lost_and_takes_part_again_when_it_answers(
    crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "SILENT_AFTER", 2 * SOON)
    silent = FakeWorker("worker 1", once(HOLDS), answers=False)
    other = FakeWorker("worker 2", lambda _: None if silent.interrupted else HOLDS)
    handed = started([silent, other])
    until(lambda: silent.interrupted)
    held = list(silent.running)[:1]
    other.end(RayActorError("killed"))
    found = ended(handed)
    assert silent.interrupted == held
    assert any(note.startswith("worker 1 has said nothing for") for note in found.notes)
    assert sorted(found.numbers) == list(range(16)), "each once"
    assert silent.asked == 2


def test_a_worker_that_answers_is_not_silent(crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "SILENT_AFTER", 2 * SOON)
    one = FakeWorker("worker 1", once(HOLDS))
    handed = started([one])
    for _ in range(10):
        assert handed.wait(SOON) == []
    assert not one.interrupted
    handed.close()


def test_a_worker_that_fails_takes_no_part_any_more() -> None:
    failing = FakeWorker("worker 1", lambda _: RayTaskError(RuntimeError("KSampler (node 3): out of luck")))
    other = FakeWorker("worker 2")
    found = ended(started([failing, other]))
    assert sorted(found.numbers) == list(range(16))
    assert found.notes == ["worker 1 takes no part any more: KSampler (node 3): out of luck"]
    assert len(failing.given) == 1


def test_what_is_no_score_is_not_taken() -> None:
    odd = FakeWorker("worker 1", lambda _: {"lines": [[b"no score"]], "results": {}, "ends": {}, "beside": [0]})
    found = ended(started([odd, FakeWorker("worker 2")]))
    assert sorted(found.numbers) == list(range(16))
    assert found.notes[0].startswith("worker 1 takes no part any more")


def test_a_worker_that_lacks_a_file_is_left_out_by_name() -> None:
    lacking = FakeWorker("worker 1", there={**HERE, "files": {}})
    found = ended(started([lacking, FakeWorker("worker 2")]))
    assert found.notes == ["worker 1 (there) takes no part: checkpoints/a is not there."]
    assert lacking.given == []
    assert sorted(found.numbers) == list(range(16))


def test_workers_are_asked_once_what_they_have_and_again_when_they_have_begun_anew() -> None:
    one = FakeWorker("worker 1")
    there = members([one])
    for _ in range(3):
        assert sorted(ended(started([], there=there)).numbers) == list(range(16))
    assert one.asked == 1
    one.is_new = True  # killed while nobody had anything for it
    found = ended(started([], there=there))
    assert sorted(found.numbers) == list(range(16))
    assert (one.asked, found.notes) == (2, [])


def test_close_interrupts_what_runs_and_tells_what_it_has_cost() -> None:
    holding = [FakeWorker(f"worker {at}", lambda _: HOLDS, spent=(at,), answers=at < 3) for at in (1, 2, 3)]
    handed = started(holding)
    until(lambda: all(worker.running for worker in holding))
    found = handed.close()
    assert [worker.interrupted for worker in holding] == [list(worker.running) for worker in holding]
    assert sorted(note.beside for note in found) == [(), (1,), (2,)]
    assert handed.take() is None
    assert handed.is_over()


class Announcing(Brightness):
    def __init__(self, workers: Sequence[FakeWorker]):
        super().__init__()
        self.workers = workers

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        for worker in self.workers:
            worker.join()
        return super().score(images, prompts)


class Searched:
    """A search whose workers join when this process has judged its first candidates, and hold what they are given."""

    def __init__(self, **limits: Any):
        patch = importlib.import_module("noise_search.search.patch")
        self.workers = [FakeWorker(f"worker {at}", lambda _: HOLDS, spent=(NFE,), joining=Ref()) for at in (1, 2)]
        plan = made_plan("Search (node 1)", RandomSearch(40), **limits)
        self.model, self.record = patch.put_on(small_model("FLOW"), plan, SmallVAE(), Announcing(self.workers), "")

    def run(self) -> Any:
        crews = importlib.import_module("noise_search.cluster.crew")
        with offered(crews.RayCrew(members(self.workers))):
            sample(self.model, latent={"samples": torch.zeros(1, 4, 8, 8)}, steps=STEPS)
        return self.record.runs[-1].reports[0]

    def assert_interrupted(self) -> None:
        for worker in self.workers:
            assert worker.interrupted == list(worker.running) != []


def test_cancel_ends_it_everywhere(comfy: Any) -> None:
    management = importlib.import_module("comfy.model_management")
    searched = Searched()

    def hold(_: Sequence[int]) -> Any:
        management.interrupt_current_processing(all(worker.running for worker in searched.workers))
        return HOLDS

    for worker in searched.workers:
        worker.does = hold
    with pytest.raises(management.InterruptProcessingException):
        searched.run()
    searched.assert_interrupted()


def test_keep_best_ends_it_everywhere_and_counts_what_it_has_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = Searched()
    board = importlib.import_module("noise_search.search.board.board").Board
    stop = property(lambda _: all(worker.running for worker in searched.workers), lambda _, given: None)
    monkeypatch.setattr(board, "stop_asked", stop, raising=False)
    report = searched.run()
    searched.assert_interrupted()
    assert 0 < len(report.candidates) < 40
    assert report.nfe >= NFE * (len(report.candidates) + len(searched.workers))


def test_max_seconds_ends_it_everywhere() -> None:
    searched = Searched(max_seconds=0.2)
    report = searched.run()
    assert report.stopped == "time"
    searched.assert_interrupted()
