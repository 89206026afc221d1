"""Random search on its own, without a sampler: what it asks for, and when it ends."""

from __future__ import annotations

import pytest

from noise_search.search.methods.random_search import random_search
from noise_search.search.records.recipe import Recipe


def test_it_asks_once_for_consecutive_seeds_from_the_samplers_own() -> None:
    search = random_search(seed=41, candidates=4)
    assert next(search) == [Recipe(41), Recipe(42), Recipe(43), Recipe(44)]
    with pytest.raises(StopIteration):
        search.send([0.1, 0.4, 0.2, 0.3])


def test_one_candidate_is_the_sampler_without_search() -> None:
    assert next(random_search(seed=41, candidates=1)) == [Recipe(41)]


def test_seeds_wrap_where_a_browser_would_round() -> None:
    assert next(random_search(seed=2**50 - 1, candidates=2)) == [Recipe(2**50 - 1), Recipe(0)]


def test_more_candidates_are_the_same_ones_and_further() -> None:
    few, many = next(random_search(5, 3)), next(random_search(5, 8))
    assert many[:3] == few


def test_it_can_be_closed_before_its_scores_come() -> None:
    search = random_search(1, 3)
    next(search)
    search.close()
    with pytest.raises(StopIteration):
        search.send([0.0, 0.0, 0.0])
