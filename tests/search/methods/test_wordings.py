"""The bandit that shares candidates out among wordings, on toy scores."""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from noise_search.search.methods.wordings import TOGETHER, Bandit


def played(means: list[float], budget: int, seed: int = 0) -> Counter[int]:
    rng, bandit = random.Random(seed), Bandit(len(means), seed)
    seen: list[tuple[int, float]] = []
    while len(seen) < budget:
        seen += [(own, rng.gauss(means[own], 1.0)) for own in bandit.choose(seen, min(TOGETHER, budget - len(seen)))]
    return Counter(own for own, _ in seen)


def test_each_is_tried_once_and_the_user_s_own_first() -> None:
    assert Bandit(3, 0).choose([], 3) == [0, 1, 2]
    bandit = Bandit(6, 0)
    assert bandit.choose([], 4) == [0, 1, 2, 3]
    assert bandit.choose([(own, 0.0) for own in range(4)], 4)[:2] == [4, 5]


def test_what_scores_well_is_drawn_more_and_nothing_is_given_up() -> None:
    total: Counter[int] = Counter()
    for seed in range(20):
        total += played([0.0, 2.0, -2.0], 64, seed)
    assert total[1] > 0.75 * total.total()
    assert total[2] >= 20


def test_it_goes_by_differences_not_by_the_scale_of_scores() -> None:
    small = [(own, score / 1000) for own, score in ((0, 1.0), (1, 5.0), (0, 2.0), (1, 6.0), (2, 0.0))]
    large = [(own, 1e6 * score + 1e9) for own, score in small]
    assert Bandit(3, 5).choose(small, 16) == Bandit(3, 5).choose(large, 16)


def test_equal_scores_and_failures_leave_it_open() -> None:
    assert set(Bandit(2, 0).choose([(0, 1.0), (1, 1.0)], 40)) == {0, 1}
    assert set(Bandit(2, 0).choose([(0, -math.inf), (1, -math.inf)], 40)) == {0, 1}


@given(st.integers(1, 5), st.integers(0, 2**64 - 1), st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(1, 8))
def test_the_same_is_chosen_again_and_it_is_one_of_them(count: int, seed: int, scores: list[float], more: int) -> None:
    seen = [(at % count, score) for at, score in enumerate(scores)]
    chosen = Bandit(count, seed).choose(seen, more)
    assert chosen == Bandit(count, seed).choose(seen, more)
    assert len(chosen) == more and set(chosen) <= set(range(count))
