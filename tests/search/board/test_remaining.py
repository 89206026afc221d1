"""How long a search will still take, with a clock that only the test moves."""

from __future__ import annotations

import pytest

from noise_search.search.board.remaining import Remaining


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_is_claimed_before_anything_is_done(clock: Clock) -> None:
    remaining = Remaining(16, clock=clock)
    clock.now += 5
    assert remaining.seconds is None


def test_the_rest_takes_as_long_as_what_is_done(clock: Clock) -> None:
    remaining = Remaining(16, clock=clock)
    clock.now += 10
    remaining.reached(4)
    assert remaining.seconds == pytest.approx(30)


def test_judging_counts_once_something_is_judged(clock: Clock) -> None:
    remaining = Remaining(16, clock=clock)
    clock.now += 10
    remaining.reached(4)
    clock.now += 6
    remaining.judged()
    assert remaining.seconds == pytest.approx(12 * 4)
    clock.now += 10
    remaining.reached(8)
    assert remaining.seconds == pytest.approx(8 * 4), "the steps of this round alone say nothing of judging"


def test_never_more_than_the_time_limit_leaves(clock: Clock) -> None:
    remaining = Remaining(1000, max_seconds=30, clock=clock)
    clock.now += 10
    remaining.reached(1)
    assert remaining.seconds == pytest.approx(20)
    clock.now += 40
    assert remaining.seconds == 0


def test_a_search_that_overruns_its_plan_has_nothing_left(clock: Clock) -> None:
    remaining = Remaining(4, clock=clock)
    clock.now += 10
    remaining.reached(4.5)
    assert remaining.seconds == 0
