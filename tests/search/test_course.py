"""One search, whoever runs its candidates, on a verifier that is never asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from noise_search.search.course import Course, Judged
from noise_search.search.methods.base import Start
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.plan import Limits, Plan
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.report import Seconds


class Plain:
    name, needs_prompt = "plain", False

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        raise AssertionError("nobody asks")


def course(people: Any = None, images: int = 1, **limits: Any) -> Course[str]:
    people = people or SimpleNamespace(have_seen_enough=False)
    plan = Plan("a search", ZeroOrder(iterations=3, neighbors=2, cosine=0.9), Limits(**limits))
    return Course(plan, Start(7), Plain(), lambda: people.have_seen_enough, images)


def answer(one: Course[str], *scores: float) -> int:
    """Ask for a round, and take it in with these scores, the same for every image; how many were asked for."""
    asked = one.next_round()
    assert asked is not None
    judged = [
        [
            Candidate({"plain": score}, recipes[image], 1, b"", round=one.rounds)
            for score, recipes in zip(scores, asked[0])
        ]
        for image in range(len(one.standings))
    ]
    one.take(Judged(asked.candidates, judged, [["made"] * len(row) for row in judged]))
    one.rounds += 1
    return len(asked.candidates)


def test_it_asks_until_the_method_has_ended_and_reports_all() -> None:
    one = course()
    assert [answer(one, 1.0), answer(one, 0.5, 2.0), answer(one, 0.1, 0.2), answer(one, 0.3, 3.0)] == [1, 2, 2, 2]
    assert one.next_round() is None
    report = one.report(0, steps=4, seconds=Seconds())
    assert (report.stopped, report.best.score, report.best.index) == ("finished", 3.0, 6)
    assert [candidate.round for candidate in report.candidates] == [0, 1, 1, 2, 2, 3, 3]
    assert one.standings[0].won == "made"


def test_people_are_heard_once_there_is_something_to_keep() -> None:
    people = SimpleNamespace(have_seen_enough=True)
    one = course(people)
    assert not one.stopping.is_enough()
    answer(one, 1.0)
    assert one.stopping.is_enough() and one.stopping.reason == "user"
    assert one.next_round() is None, "the best of zero-order is an image already"


def test_patience_waits_for_every_image_of_a_batch() -> None:
    one = course(images=2, patience=2)
    answer(one, 1.0)
    answer(one, 0.5, 0.6)
    assert one.stopping.is_enough() and one.stopping.reason == "patience"


def test_the_first_candidate_runs_though_the_time_is_over() -> None:
    one = course(max_seconds=1e-9)
    one.stopping.limit.spent_on(1)
    assert one.stopping.affords(3) == 1 and one.stopping.reason is None
    answer(one, 1.0)
    assert one.stopping.affords(3) == 0 and one.stopping.reason == "time"


def test_a_search_does_not_go_on_from_what_a_person_rejects() -> None:
    one = course()
    answer(one, 1.0), answer(one, 0.5, 2.0)
    one.marks[0].give(one.standings[0].seen[2], "reject")
    asked = one.next_round()
    assert asked is not None
    assert all(len(recipe.moves) == 1 for (recipe,) in asked.candidates), "around the pivot before it"
    one.standings[0].pass_over(one.marks[0].is_rejected)
    assert one.report(0, steps=4, seconds=Seconds()).best.index == 0


def test_where_a_person_rejects_all_the_best_of_all_wins() -> None:
    one = course()
    answer(one, 1.0), answer(one, 0.5, 2.0)
    for seen in one.standings[0].seen:
        one.marks[0].give(seen, "reject")
    one.standings[0].pass_over(one.marks[0].is_rejected)
    report = one.report(0, steps=4, seconds=Seconds())
    assert (report.best.index, report.passed_over) == (2, ())
    assert one.next_round() is not None


def test_what_a_person_has_chosen_wins_although_another_was_rejected() -> None:
    one = course()
    answer(one, 1.0), answer(one, 0.5, 2.0)
    one.marks[0].give(one.standings[0].seen[2], "reject")
    one.standings[0].choose(1)
    one.standings[0].pass_over(one.marks[0].is_rejected)
    assert one.report(0, steps=4, seconds=Seconds()).best.index == 1
