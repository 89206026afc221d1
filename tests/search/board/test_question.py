"""What people are asked at a cut, and what is an answer to it."""

from __future__ import annotations

import pytest

from noise_search.search.board.question import Question


def asked(seconds: float = 60.0) -> tuple[Question, list[float]]:
    """A question of one image, and the time it goes by."""
    now = [100.0]
    return Question(3, (1, 2), [[0, 1, 2]], [[1]], seconds, clock=lambda: now[0]), now


@pytest.mark.parametrize(
    ("step", "keep", "why"),
    [(6, [[1]], "waits after step 3"), (3, [[]], "at least one"), (3, [], "at least one"), (3, [[7]], "Candidate 7")],
)
def test_what_is_no_answer_is_refused(step: int, keep: list[list[int]], why: str) -> None:
    question, _ = asked()
    with pytest.raises(ValueError, match=why):
        question.take(step, keep)
    assert question.answer is None and not question.answered.is_set()


def test_each_candidate_counts_once() -> None:
    question, _ = asked()
    question.take(3, [[2, 0, 2]])
    assert question.answer == [[0, 2]] and question.answered.is_set()


def test_it_tells_what_waits_and_how_long() -> None:
    question, now = asked(60.0)
    now[0] += 45.0
    told = question.message()
    assert (told["step"], told["cut"], told["cuts"], told["left"]) == (3, 1, 2, 15.0)
    assert (told["waiting"], told["suggested"]) == ([[0, 1, 2]], [[1]])
    now[0] += 45.0
    assert question.left == 0.0
