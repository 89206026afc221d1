"""When failed candidates make a failed search, and what people are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_reports import candidate
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.failures import SAMPLER_NAN, VAE_NAN, failure, hopeless, summary


def ran(*failed: int, count: int = 6, reason: str = VAE_NAN) -> list[Candidate]:
    """Candidates of which these have failed."""
    made = [candidate(index, index / 10) for index in range(count)]
    return [one.failing(reason) if one.index in failed else one for one in made]


def test_a_summary_says_how_many_why_and_which() -> None:
    assert summary(ran()) == ""
    assert summary(ran(4)) == "1 of 6 candidates failed: the VAE gave NaN or infinite values for candidate 4"
    mixed = [*ran(1, 2), candidate(6, 0.0).failing(SAMPLER_NAN)]
    assert summary(mixed) == (
        "3 of 7 candidates failed: the VAE gave NaN or infinite values for candidates 1, 2; "
        "the sampler gave NaN or infinite values for candidate 6"
    )
    assert summary(ran(*range(40), count=50)).endswith("candidates 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 28 more")


@pytest.mark.parametrize(
    ("failed", "fails"),
    [((), False), ((0,), False), ((0, 1, 2), False), ((0, 1, 2, 3), True), ((1, 2, 3, 4, 5), False), (range(6), True)],
)
def test_the_image_without_search_and_most_others(failed: tuple[int, ...], fails: bool) -> None:
    assert (failure(ran(*failed)) is not None) == fails


def test_without_any_image_to_give_it_has_failed() -> None:
    stopped = [replace(one, stopped_at_step=3) for one in ran(count=3)]
    assert failure([*stopped, candidate(3, 0.0).failing(VAE_NAN)]) is not None


def test_the_message_has_the_candidate_the_image_and_what_helps() -> None:
    told = failure(ran(*range(6)), " of image 2")
    assert told is not None
    assert told.startswith(
        "the VAE gave NaN or infinite values for candidate 0 of image 2, as some do in half precision."
    )
    assert "--fp32-vae" in told and told.endswith("for candidates 0, 1, 2, 3, 4, 5.")


def test_of_drafts_only_what_ran_in_full_counts() -> None:
    drafts = [replace(one, stopped_at_step=3) for one in ran(0, 1, 2, 3, 4)]
    full = [replace(candidate(6, 0.4), repeats=5), replace(candidate(7, 0.1), repeats=0)]
    assert failure([*drafts, *full]) is None
    told = failure([*drafts, *(one.failing(VAE_NAN) for one in full)])
    assert told is not None and "for candidate 0," in told


def test_a_search_ends_early_only_when_many_ran_and_none_came_out() -> None:
    assert not hopeless(ran(*range(7), count=7))
    assert hopeless(ran(*range(8), count=8))
    assert not hopeless(ran(*range(8), count=9))


def test_on_the_way_only_what_is_lost_for_good_counts() -> None:
    for reason, fails in ((SAMPLER_NAN, True), (VAE_NAN, False)):
        candidates = [replace(one, stopped_at_step=3) if one.failed else one for one in ran(0, 1, 2, 3, reason=reason)]
        assert (failure(candidates) is not None) == fails
