"""When an image is good enough."""

from __future__ import annotations

import pytest

from noise_search.search.records.target import HOLDS, Target


def part(holds: bool) -> dict[str, object]:
    return {"text": "a cat", "score": 0.5, "holds": holds}


def test_a_score_is_reached_from_itself_on() -> None:
    assert [Target(0.5).is_reached(score, {}) for score in (0.4, 0.5, 0.6)] == [False, True, True]
    assert Target(-1.0).is_reached(-0.5, {}) and not Target(0.0).is_reached(-0.5, {})


@pytest.mark.parametrize(
    ("details", "reached"),
    [
        ({}, False),
        ({"a": []}, False),
        ({"a": [part(True)]}, True),
        ({"a": [part(True), part(False)]}, False),
        ({"a": [part(True)], "b": [part(False)]}, False),
        ({"a": [part(True)], "held": [part(False)]}, True),
        ({"held": [part(True)]}, False),
    ],
)
def test_everything_that_counts_has_to_hold(details: dict[str, list[dict[str, object]]], reached: bool) -> None:
    assert Target().is_reached(0.0, details, ignored={"held"}) is reached


def test_a_report_tells_it_as_people_write_it() -> None:
    assert (Target(0.5).told, Target().told) == (0.5, HOLDS)
