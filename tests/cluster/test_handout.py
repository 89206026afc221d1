"""Whoever is free gets what is next, and nothing is dropped: everything is done once, or named as hopeless."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from noise_search.cluster.handout import LOST_AT_MOST, Handout


def test_work_goes_out_in_its_order_in_smaller_and_smaller_shares() -> None:
    work = Handout(range(40), 40, most=8)
    shares = []
    while share := work.take(hands=2):
        shares.append(share.units)
    assert [unit for share in shares for unit in share] == list(range(40))
    sizes = list(map(len, shares))
    assert sizes[0] == 8
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-4:] == [1, 1, 1, 1]
    assert not work.is_over


def test_what_is_whole_goes_by_itself() -> None:
    work = Handout([1, 2, "race", 3, 4], 5, most=8, is_whole=lambda unit: unit == "race")
    shares = [work.take(hands=1) for _ in range(4)]
    assert [share.units for share in shares if share] == [(1, 2), ("race",), (3,), (4,)]


def test_what_is_lost_goes_back_to_the_front_then_alone_then_to_nobody() -> None:
    work = Handout(range(32), 32, most=4)
    first = work.take(2)
    assert first is not None
    assert first.units == (0, 1, 2, 3)
    assert work.lost(first) == []
    again = work.take(2)
    assert again is not None
    assert again.units == (0, 1, 2, 3)
    assert work.lost(again) == []
    alone = [work.take(2) for _ in range(4)]
    assert [share.units for share in alone if share] == [(0,), (1,), (2,), (3,)]
    for share in alone[1:]:
        work.done(share)
    assert work.lost(alone[0]) == [0]
    assert work.take(2).units[0] == 4


def test_how_many_losses_end_a_unit_can_be_chosen() -> None:
    work = Handout(range(2), losses=2)
    assert work.lost(work.take(1)) == []
    assert work.lost(work.take(1)) == [0]
    assert work.take(1).units == (1,)


def test_what_is_closed_gives_nothing_more() -> None:
    work = Handout(range(4), 4)
    share = work.take(1)
    work.close()
    assert work.take(1) is None
    assert not work.is_over
    work.back(share)
    assert work.is_over


def test_units_are_read_as_they_are_needed() -> None:
    work = Handout(itertools.count())
    for expected in range(1000):
        share = work.take(8)
        assert share.units == (expected,)
        work.done(share)
    assert work.has_more
    assert work._losses == {}


@given(
    st.integers(0, 40),
    st.integers(1, 6),
    st.integers(1, 8),
    st.lists(st.sampled_from(["done", "lost", "back"]), max_size=60),
)
def test_each_unit_is_done_once_or_named(count: int, hands: int, most: int, ends: list[str]) -> None:
    work: Handout[int] = Handout(range(count), count, most)
    done, hopeless, out, fates = [], [], [], iter(ends)
    while not work.is_over:
        while len(out) < hands and (share := work.take(hands)):
            out.append(share)
        share, fate = out.pop(0), next(fates, "done")
        if fate == "done":
            done += share.units
            work.done(share)
        elif fate == "back":
            work.back(share)
        else:
            hopeless += work.lost(share)
    assert sorted(done + hopeless) == list(range(count))
    assert ends.count("lost") >= LOST_AT_MOST or hopeless == []
