"""The paragraph of an auto search's report."""

from __future__ import annotations

from noise_search.search.methods.auto_words import in_words
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe


def candidate(index: int, score: float, stopped: int | None = None, turns: int = 0, **more: object) -> Candidate:
    recipe = Recipe(7 + index)
    for turn in range(turns):
        recipe = recipe.refined(turn, 0.7)
    return Candidate({"red": score}, recipe, 1, b"", stopped, index=index, score=score, **more)


def test_what_started_what_was_refined_and_what_won() -> None:
    told = in_words(
        [
            candidate(0, 0.1, stopped=6),
            candidate(1, 0.5, early=0.4),
            candidate(2, 0.4, early=0.3),
            candidate(3, 0.2, stopped=4, turns=1, round=1),
            candidate(4, 0.75, turns=2, round=1),
        ]
    )
    assert told == (
        "3 seeds started; 1 was stopped after 6 steps, as others looked better; 2 finished, the best with a score of "
        "0.5. The best images were then refined in 2 ways; 1 was stopped after 4 steps, as others looked better; 1 "
        "finished, the best with a score of 0.75. Candidate 4 won, an image refined 2 times. Early scores put 1 of 1 "
        "pair of finished images in the order in which they ended."
    )


def test_where_nothing_was_better() -> None:
    assert in_words([candidate(0, 0.5), candidate(1, 0.1, failed="it is black")]) == (
        "2 seeds started; 1 failed; 1 finished, the best with a score of 0.5. Nothing was better than the image "
        "without a search."
    )


def test_what_was_refined_is_said_of_a_given_recipe() -> None:
    given = candidate(0, 0.5, turns=1)
    children = [candidate(1, 0.25, stopped=4, turns=2), candidate(2, 0.75, turns=3)]
    assert in_words([given, *children], given.recipe) == (
        "The search refined around a given recipe, whose image has a score of 0.5, in 2 ways; 1 was stopped after 4 "
        "steps, as others looked better; 1 finished, the best with a score of 0.75. Candidate 2 won, the given image "
        "refined 2 times."
    )
    assert in_words([given], given.recipe) == (
        "The search refined around a given recipe, whose image has a score of 0.5; nothing was left of the budget. "
        "Nothing was better than the given image."
    )
