"""The time limit, with a clock that only the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noise_search.search.stopping import TimeLimit


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_first_round_always_runs() -> None:
    clock = Clock()
    limit = TimeLimit(1e-9, clock)
    clock.now += 100
    assert limit.affords(8) == 8


def test_no_limit_affords_everything_forever() -> None:
    clock = Clock()
    limit = TimeLimit(0, clock)
    clock.now += 1e9
    limit.spent_on(4)
    assert limit.affords(10_000) == 10_000


def test_a_round_is_cut_to_what_fits() -> None:
    clock = Clock()
    limit = TimeLimit(10, clock)
    clock.now += 4
    limit.spent_on(2)  # 2 seconds each, 6 left
    assert limit.affords(8) == 3
    assert limit.affords(2) == 2


def test_nothing_is_left_when_less_than_one_candidate_fits() -> None:
    clock = Clock()
    limit = TimeLimit(10, clock)
    clock.now += 9
    limit.spent_on(4)
    assert limit.affords(8) == 0
    clock.now += 5
    assert limit.affords(8) == 0


def test_the_last_round_sets_the_price() -> None:
    clock = Clock()
    limit = TimeLimit(100, clock)
    clock.now += 40  # the first round pays for loading the model
    limit.spent_on(2)
    clock.now += 10
    limit.spent_on(10)
    assert limit.affords(1000) == 50


def test_rounds_that_take_no_time_are_affordable() -> None:
    limit = TimeLimit(10, Clock())
    limit.spent_on(4)
    assert limit.affords(1000) == 1000


def test_elapsed_counts_from_the_start() -> None:
    clock = Clock()
    limit = TimeLimit(10, clock)
    clock.now += 3
    limit.spent_on(1)
    clock.now += 2
    assert limit.elapsed == 5


@given(
    st.floats(0.01, 100),
    st.integers(1, 200),
    st.integers(1, 16),
    st.lists(st.floats(0.001, 10), min_size=1, max_size=200),
)
def test_the_limit_is_overrun_by_one_round_at_most(
    seconds: float, candidates: int, most_together: int, prices: list[float]
) -> None:
    """Whatever candidates cost, the clock never passes the limit by more than the round that was running then."""
    clock = Clock(0.0)
    limit, done, rounds = TimeLimit(seconds, clock), 0, 0
    while done < candidates:
        count = min(limit.affords(candidates - done), most_together)
        if not count:
            break
        assert not rounds or clock.now < seconds, "a round was begun after the limit"
        clock.now += count * prices[rounds % len(prices)]
        limit.spent_on(count)
        done, rounds = done + count, rounds + 1
    assert rounds >= 1
