"""The report as JSON: the keys that other tools read, and numbers that every JSON parser takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_reports import candidate, report_of
from noise_search.search.records.failures import VAE_NAN
from noise_search.search.records.recipe import Move, Recipe
from noise_search.search.records.report import Report, one_or_many, recipes_json, reports_json

NAN, INFINITY = float("nan"), float("inf")


def parsed(text: str) -> Any:
    """What a strict JSON parser reads: Python's own also takes NaN and Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def with_candidate(report: Report, index: int, **changes: Any) -> Report:
    changed = [replace(c, **changes) if c.index == index else c for c in report.candidates]
    return replace(report, candidates=tuple(changed))


def test_a_report_is_exactly_this() -> None:
    report = with_candidate(report_of([0.25, 0.5]), 1, recipe=Recipe(100, (Move(9, 0.95),)), round=1, nfe=8)
    assert parsed(reports_json([report])) == {
        "version": 1,
        "algorithm": "random",
        "seed": 100,
        "sampler_steps": 20,
        "nfe": {"search": 28, "total": 28},
        "seconds": {"sampling": 3.0, "decoding": 0.5, "scoring": 0.25, "total": 4.0},
        "baseline": {"score": 0.25},
        "best": {"index": 1, "score": 0.5, "recipe": {"seed": 100, "moves": [{"seed": 9, "cosine": 0.95}]}},
        "candidates": [
            {
                "index": 0,
                "round": 0,
                "score": 0.25,
                "scores": {"taste": 0.25},
                "recipe": {"seed": 100, "moves": []},
                "nfe": 20,
                "stopped_at_step": None,
            },
            {
                "index": 1,
                "round": 1,
                "score": 0.5,
                "scores": {"taste": 0.5},
                "recipe": {"seed": 100, "moves": [{"seed": 9, "cosine": 0.95}]},
                "nfe": 8,
                "stopped_at_step": None,
            },
        ],
        "stopped": "finished",
    }


def test_notes_are_told_where_there_are_some() -> None:
    report = replace(report_of([0.25, 0.5]), notes=("No seed gives it.",))
    assert report.to_dict()["notes"] == report.winner()["notes"] == ["No seed gives it."]
    assert "notes" not in report_of([0.25]).winner()


def test_best_is_the_highest_score_and_of_equal_ones_the_first() -> None:
    assert report_of([0.1, 0.7, 0.3, 0.7]).best.index == 1
    assert report_of([0.5, 0.5]).best.index == 0
    assert report_of([-3.0, -2.0]).best.index == 1


def test_the_baseline_is_candidate_0_even_if_it_is_worst() -> None:
    assert report_of([0.1, 0.7]).baseline.score == 0.1


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_what_is_not_finite_becomes_null(value: float) -> None:
    report = with_candidate(report_of([0.1, 0.2]), 1, scores={"taste": value, "other": 1.0})
    read = parsed(reports_json([report]))
    assert read["candidates"][1]["scores"] == {"taste": None, "other": 1.0}
    worst = parsed(reports_json([report_of([value])]))
    assert worst["baseline"]["score"] is worst["best"]["score"] is worst["candidates"][0]["score"] is None


@given(st.lists(st.floats() | st.integers(-5, 5), min_size=1, max_size=5))
def test_any_scores_make_valid_json(scores: list[float]) -> None:
    read = parsed(reports_json([report_of(scores)]))
    assert len(read["candidates"]) == len(scores)


def test_a_noise_without_recipe_is_null() -> None:
    report = with_candidate(report_of([0.1]), 0, recipe=None)
    read = parsed(reports_json([report]))
    assert read["best"]["recipe"] is read["candidates"][0]["recipe"] is None
    assert recipes_json([report]) == "null"


def test_pictures_are_no_part_of_the_json() -> None:
    assert "thumbnail" not in reports_json([report_of([0.1])])


def test_a_batch_is_an_array_of_reports() -> None:
    read = parsed(reports_json([report_of([0.1, 0.2]), report_of([0.4, 0.3])]))
    assert [report["best"]["index"] for report in read] == [1, 0]


def test_the_winners_recipe_of_an_image_and_of_a_batch() -> None:
    one, other = report_of([0.1, 0.2]), report_of([0.4, 0.3])
    assert parsed(recipes_json([one])) == {"seed": 101, "moves": []}
    assert parsed(recipes_json([one, other])) == [{"seed": 101, "moves": []}, {"seed": 100, "moves": []}]


@pytest.mark.parametrize(("values", "text"), [(["a"], '"a"'), (["a", "b"], '["a", "b"]'), ([None], "null")])
def test_one_or_many(values: list[Any], text: str) -> None:
    assert one_or_many(values, None) == text


def test_nfe_adds_up_what_each_candidate_cost() -> None:
    report = replace(report_of([0.1]), candidates=(candidate(0, 0.1, nfe=11), candidate(1, 0.2, nfe=9)))
    assert report.nfe == 20


def test_a_candidate_that_was_stopped_is_never_the_best() -> None:
    report = with_candidate(report_of([0.25, 0.5, 0.4]), 1, stopped_at_step=8)
    assert report.best.index == 2


def test_a_stopped_candidate_0_is_no_baseline() -> None:
    report = with_candidate(report_of([0.25, 0.5]), 0, stopped_at_step=8)
    assert parsed(reports_json([report]))["baseline"] == {"score": None}


def test_a_failed_candidate_has_a_reason_instead_of_a_score() -> None:
    whole = report_of([0.9, 0.2, 0.5])
    report = replace(whole, candidates=(whole.candidates[0].failing(VAE_NAN), *whole.candidates[1:]))
    read = parsed(reports_json([report]))
    assert (read["candidates"][0]["score"], read["candidates"][0]["failed"]) == (None, VAE_NAN)
    assert "failed" not in read["candidates"][1]
    assert read["failed"] == f"1 of 3 candidates failed: {VAE_NAN} for candidate 0"
    assert (read["best"]["index"], read["baseline"]["score"]) == (2, None)
    assert report.nfe == whole.nfe, "it was paid for"
    assert "failed" not in parsed(reports_json([whole]))
