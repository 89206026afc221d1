"""What a person thinks of candidates, and how well the verifier agrees."""

from __future__ import annotations

from dataclasses import replace

from made_reports import candidate, report_of
from noise_search.search.records.marks import REJECT, STAR, Marks
from noise_search.search.records.recipe import Recipe

SCORES = [0.5, 0.9, 0.1, 0.7]


def marked(marks: dict[int, str], scores: list[float] = SCORES):
    report = report_of(scores)
    for index, mark in marks.items():
        report.marks.give(report.candidates[index], mark)
    return report


def test_a_mark_is_given_and_taken_back() -> None:
    marks, one = Marks(), candidate(3, 0.5)
    assert marks.of(one) == ""
    marks.give(one, STAR)
    assert marks.of(one) == STAR
    marks.give(one, REJECT)
    assert marks.is_rejected(one)
    marks.give(one, "")
    assert marks.of(one) == "" and not marks.is_rejected(one)


def test_a_draft_in_full_has_the_drafts_mark() -> None:
    marks = Marks()
    marks.give(candidate(3, 0.5), STAR)
    full = replace(candidate(9, 0.6), repeats=3)
    assert marks.of(full) == STAR
    marks.give(full, REJECT)
    assert (marks.of(full), marks.of(candidate(3, 0.5))) == (REJECT, STAR)


def test_what_an_earlier_run_has_kept_holds() -> None:
    kept = {Recipe(103): STAR}
    marks = Marks(lambda recipe: kept.get(recipe, ""), kept.__setitem__)
    assert marks.of(candidate(3, 0.5)) == STAR
    marks.give(candidate(3, 0.5), "")
    assert marks.of(candidate(3, 0.5)) == "" and kept == {Recipe(103): ""}


def test_the_report_says_how_well_the_judge_agrees() -> None:
    told = marked({0: STAR, 3: STAR, 1: REJECT}).to_dict()
    assert told["person"] == {
        "stars": [0, 3],
        "rejected": [1],
        "agreement": "The judge ranks your stars at 2, 3 and what you rejected at 1 of 4.",
    }
    assert [one.get("mark") for one in told["candidates"]] == ["star", "reject", None, "star"]
    assert marked({2: REJECT}).to_dict()["person"]["agreement"] == "The judge ranks what you rejected at 4 of 4."
    assert "person" not in marked({}).to_dict()


def test_only_images_are_ranked() -> None:
    report = report_of(SCORES)
    stopped = replace(report.candidates[1], stopped_at_step=4)
    report = replace(report, candidates=(report.candidates[0], stopped, *report.candidates[2:]))
    report.marks.give(stopped, STAR)
    assert report.marks.agreement(report.candidates) == ""
    report.marks.give(report.candidates[3], STAR)
    assert report.marks.agreement(report.candidates) == "The judge ranks your stars at 1 of 3."


def test_what_was_passed_over_is_not_the_best_and_the_report_says_so() -> None:
    report = replace(marked({1: REJECT}), passed_over=(1,))
    assert report.best.index == 3
    told = report.to_dict()
    assert told["best"]["index"] == 3
    assert told["notes"] == ["The best that was not rejected: a person has rejected what scores higher (candidate 1)."]
    assert report.winner()["person"]["rejected"] == [1]


def test_what_is_rejected_after_the_search_stays_what_it_gave_out() -> None:
    report = marked({1: REJECT})
    assert report.best.index == 1 and "notes" not in report.to_dict()
