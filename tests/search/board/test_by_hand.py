"""Pruning by hand, with a person that answers from another thread."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
import torch

from small_models import best_report, plan_of, raced, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 10
CUTS = [3, 6]
SOON = 60.0  # seconds, of a wait that is not to be waited for


def board() -> Any:
    boards = importlib.import_module("noise_search.search.board.boards").BOARDS._boards
    return list(boards.values())[-1]


class Person(threading.Thread):
    """answer: of the question, for each that is asked; called with the board and its question."""

    def __init__(self, answer: Callable[[Any, Any], None]):
        super().__init__(daemon=True)
        self.answer = answer
        self.asked: list[Any] = []
        self.is_over = False
        self.known = set(importlib.import_module("noise_search.search.board.boards").BOARDS._boards)

    def run(self) -> None:
        while not self.is_over:
            boards = importlib.import_module("noise_search.search.board.boards").BOARDS._boards
            now = [one for name, one in list(boards.items()) if name not in self.known]
            question = now[-1].question if now else None
            if question is not None and question not in self.asked:
                self.asked.append(question)
                self.answer(now[-1], question)
            time.sleep(0.01)


def by_hand(answer: Callable[[Any, Any], None], model: Any = None, images: int = 1, **settings: Any) -> Any:
    """What was sampled, the search, and what was asked."""
    model = model or small_model("FLOW")
    found = raced(model, pruning="by hand", **settings)
    person = Person(answer)
    person.start()
    try:
        samples = sample(found.model, steps=STEPS, latent={"samples": torch.zeros(images, 4, 8, 8)})
    finally:
        person.is_over = True
        person.join()
    return samples, found, person.asked


def take_first(number: int) -> Callable[[Any, Any], None]:
    def answer(_: Any, question: Any) -> None:
        question.take(question.step, [waiting[:number] for waiting in question.waiting])

    return answer


def test_it_goes_on_with_those_that_were_ticked_and_the_winner_is_a_plain_seed() -> None:
    model = small_model("FLOW")
    samples, found, asked = by_hand(take_first(3), model)
    report = best_report(found)
    assert [question.step for question in asked] == CUTS
    assert [one.index for one in report.candidates if one.stopped_at_step is None] == [0, 1, 2]
    assert {one.stopped_at_step for one in report.candidates[3:]} == {CUTS[0]}
    stock = sample(model, seed=report.best.recipe.seed, steps=STEPS)
    assert torch.allclose(samples, stock, atol=1e-4)


def test_nfe_is_counted_exactly() -> None:
    model, rows = small_model("FLOW"), []
    model.model.diffusion_model.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    _, found, asked = by_hand(take_first(3), model)
    report = best_report(found)
    first, second = (sum(map(len, question.waiting)) for question in asked)
    assert second == 3
    assert report.nfe == first * 3 + second * 3 + 3 * 4
    assert sum(rows) == 2 * report.nfe, "a CFG pair counts as one"


def test_more_than_the_verifier_would_take_may_go_on() -> None:
    _, found, asked = by_hand(take_first(99))
    report = best_report(found)
    assert all(one.is_finished for one in report.candidates)
    assert len(asked[1].waiting[0]) == len(report.candidates) > len(asked[1].suggested[0])


def test_the_verifier_chooses_when_nobody_answers() -> None:
    _, found, asked = by_hand(lambda *_: None, answer_within=1)
    report = best_report(found)
    assert len(asked) == 2
    assert sum(one.is_finished for one in report.candidates) == len(asked[1].suggested[0])
    told = report.to_dict()["cuts"]
    assert [(cut["step"], cut["by"]) for cut in told] == [(step, "the verifier") for step in CUTS]
    assert told[0]["why"] == "nobody has answered within 1 s"
    assert "the verifier (nobody has answered within 1 s)" in report.notes[0]


def test_the_report_says_who_chose_at_each_cut() -> None:
    def only_first(_: Any, question: Any) -> None:
        if question.step == CUTS[0]:
            question.take(question.step, [[question.waiting[0][0], question.waiting[0][2]]])

    _, found, _ = by_hand(only_first, answer_within=1)
    report = best_report(found)
    first = report.cuts[0]
    assert (first["by"], first["of"], first["kept"]) == ("a person", len(report.candidates), 2)
    assert [cut["by"] for cut in report.winner()["cuts"]] == ["a person", "the verifier"]


def test_keep_best_goes_on_with_the_verifiers_best_at_once() -> None:
    started = time.monotonic()
    _, found, asked = by_hand(lambda shown, _: shown.ask_to_stop())
    report = best_report(found)
    assert time.monotonic() - started < SOON
    assert len(asked) == 1
    assert sum(one.is_finished for one in report.candidates) == 1
    assert (report.stopped, report.cuts[0]["by"]) == ("user", "Keep best")
    best = max(report.candidates, key=lambda one: one.early if one.early is not None else -9)
    assert best.is_finished


def test_cancel_ends_it_at_once() -> None:
    management = importlib.import_module("comfy.model_management")
    started = time.monotonic()
    with pytest.raises(management.InterruptProcessingException):
        by_hand(lambda *_: management.interrupt_current_processing())
    assert time.monotonic() - started < SOON
    assert (board().stopped, board().question) == ("interrupted", None)


def test_each_image_of_a_batch_is_asked_for() -> None:
    def answer(_: Any, question: Any) -> None:
        question.take(question.step, [question.waiting[0][:1], question.waiting[1][-2:]])

    _, found, asked = by_hand(answer, images=2)
    one, other = found.search.runs[0].reports
    assert len(asked[0].waiting) == 2
    assert [each.index for each in one.candidates if each.is_finished] == [0]
    assert [each.index for each in other.candidates if each.is_finished] == asked[0].waiting[1][-2:]
    assert (one.cuts[0]["kept"], other.cuts[0]["kept"]) == (1, 2)


def test_while_it_waits_the_host_is_asked_to_unload_its_models_and_loads_them_again() -> None:
    management = importlib.import_module("comfy.model_management")
    did: list[str] = []
    unload, load = management.unload_all_models, management.load_models_gpu

    def answer(shown: Any, question: Any) -> None:
        did.append("asked")
        take_first(3)(shown, question)

    with (
        patch.object(management, "unload_all_models", lambda: (did.append("unloaded"), unload())),
        patch.object(management, "load_models_gpu", lambda *a, **k: (did.append("loaded"), load(*a, **k))[1]),
    ):
        by_hand(answer)
    at = [index for index, what in enumerate(did) if what == "unloaded"]
    assert len(at) == 2
    assert all("loaded" in did[one:] for one in at), "it goes on with the model loaded"


def test_the_wait_is_no_part_of_the_time() -> None:
    def slowly(shown: Any, question: Any) -> None:
        time.sleep(1.5)
        take_first(3)(shown, question)

    _, found, _ = by_hand(slowly)
    report = best_report(found)
    assert all(cut["waited"] >= 1.5 for cut in report.cuts)
    assert report.seconds.total < 2.5
    assert report.seconds.sampling < 2.5


def test_a_person_can_not_look_at_so_many() -> None:
    error = importlib.import_module("noise_search.search.methods.checks").SettingError
    with pytest.raises(error, match="at most 32"):
        plan_of(33, "by hand")
