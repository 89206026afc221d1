"""What a method is told of its candidates."""

from __future__ import annotations

from noise_search.search.records.scores import Scores


def test_the_best_are_images_and_others_only_where_there_is_none() -> None:
    assert Scores([1.0, 9.0, 3.0, 3.0], [True, False, True, True]).best(2) == [2, 3]
    assert Scores([1.0, 9.0], [False, False]).best(1) == [1]


def test_pairs_of_one_round_that_early_scores_ordered_right_and_wrong() -> None:
    scores = Scores([1.0, 2.0, 3.0, 9.0], rounds=[0, 0, 0, 1], early=[0.1, 0.3, 0.2, 0.0])
    assert scores.kept_order() == (2, 1)
    assert Scores([1.0, 2.0], [True, False], early=[0.1, 0.2]).kept_order() == (0, 0)
