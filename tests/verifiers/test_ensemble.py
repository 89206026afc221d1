"""Ranks and z-scores over candidates judged together."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from noise_search.verifiers import base
from noise_search.verifiers.ensemble import RANK_MEAN, Z_SCORE, Ensemble, shares_beaten, z_scores


class Channel:
    """Mean of one channel."""

    needs_prompt = False

    def __init__(self, channel: int, name: str = "channel"):
        self.channel, self.name = channel, name

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return images[..., self.channel].flatten(1).mean(1)


def test_shares_beaten_are_ranks_with_ties_in_the_middle() -> None:
    assert shares_beaten([3.0, 1.0, 2.0]).tolist() == [1.0, 0.0, 0.5]
    assert shares_beaten([1.0, 1.0, 5.0, 5.0, 3.0]).tolist() == [0.125, 0.125, 0.875, 0.875, 0.5]
    assert shares_beaten([7.0, 7.0]).tolist() == [0.5, 0.5]
    assert shares_beaten([7.0]).tolist() == [0.5]


def test_z_scores_of_equal_values_are_zero() -> None:
    assert z_scores([2.0, 2.0]).tolist() == [0.0, 0.0]
    assert z_scores([1.0, 3.0]).tolist() == [-1.0, 1.0]


def test_rank_mean_is_the_paper_s() -> None:
    """Rank 1 is best; mean of ranks; ascending. Ours is the same order, turned to 1 for the best."""
    draw = random.Random(1)
    scores = {"a": [draw.random() for _ in range(9)], "b": [100 * draw.random() for _ in range(9)]}
    ranks = {name: [1 + sum(other > value for other in values) for value in values] for name, values in scores.items()}
    means = [sum(of_one) / 2 for of_one in zip(*ranks.values())]
    ours = Ensemble([Channel(0, "a"), Channel(1, "b")]).combine(scores)
    assert ours == pytest.approx([(9 - mean) / 8 for mean in means])


def test_weights_and_the_scale_of_z_scores() -> None:
    scores = {"a": [0.0, 1.0, 0.4], "b": [30.0, 10.0, 20.0]}
    heavy = Ensemble([Channel(0, "a"), Channel(1, "b")], Z_SCORE, [3, 1]).combine(scores)
    assert heavy == pytest.approx((0.75 * z_scores(scores["a"]) + 0.25 * z_scores(scores["b"])).tolist())
    assert max(range(3), key=heavy.__getitem__) == 1


@pytest.mark.parametrize("method", [RANK_MEAN, Z_SCORE])
def test_the_order_of_arrival_plays_no_part(method: str) -> None:
    ensemble = Ensemble([Channel(0, "a"), Channel(1, "b")], method)
    draw = random.Random(2)
    scores = {"a": [draw.random() for _ in range(7)], "b": [draw.random() for _ in range(7)]}
    order = [3, 1, 6, 0, 5, 2, 4]
    shuffled = ensemble.combine({name: [values[i] for i in order] for name, values in scores.items()})
    assert shuffled == pytest.approx([ensemble.combine(scores)[i] for i in order])


@pytest.mark.parametrize("method", [RANK_MEAN, Z_SCORE])
def test_whoever_wins_later_is_a_contender_now(method: str) -> None:
    """Later candidates can make a second one best; it was never one that another equals in everything."""
    ensemble = Ensemble([Channel(0, "a"), Channel(1, "b"), Channel(2, "c")], method)
    draw = random.Random(3)
    changes = 0
    for _ in range(300):
        scores = {name: [float(draw.randrange(6)) for _ in range(8)] for name in "abc"}
        first = {name: values[:5] for name, values in scores.items()}
        early, late = ensemble.combine(first), ensemble.combine(scores)
        winner = max(range(5), key=late.__getitem__)
        assert late[winner] == max(late[index] for index in base.contenders(ensemble, first))
        changes += early[winner] < max(early) - 1e-9
    assert changes > 0


def test_contenders_of_one_verifier_are_its_best() -> None:
    assert base.contenders(Channel(0), {"channel": [1.0, 4.0, 4.0, 2.0]}) == [1]


def test_a_held_out_verifier_is_asked_and_does_not_count() -> None:
    ensemble = Ensemble([Channel(0, "a")], held_out=Channel(1, "b"))
    assert list(base.parts(ensemble)) == ["a", "b"]
    assert ensemble.combine({"a": [1.0, 2.0], "b": [9.0, 0.0]}) == [0.0, 1.0]
    assert base.contenders(ensemble, {"a": [1.0, 2.0], "b": [9.0, 0.0]}) == [1]


def test_a_verifier_alone_is_its_own_only_part() -> None:
    judge = Channel(0)
    assert base.parts(judge) == {"channel": judge}
    assert base.combine(judge, {"channel": [2.0, 1.0]}) == [2.0, 1.0]


def test_two_of_one_kind_get_names_of_their_own() -> None:
    assert list(Ensemble([Channel(0), Channel(1)], held_out=Channel(2)).parts) == ["channel", "channel 2", "channel 3"]


def test_scored_as_a_verifier_it_compares_the_images_of_the_call() -> None:
    images = torch.zeros(3, 2, 2, 3)
    images[0, ..., 0], images[1, ..., 1], images[2, ..., 0] = 1.0, 0.5, 0.5
    ensemble = Ensemble([Channel(0, "a"), Channel(1, "b")])
    assert isinstance(ensemble, base.Verifier)
    assert base.ask(ensemble, images, [""] * 3, str) == pytest.approx([0.625, 0.5, 0.375])


def test_a_failing_part_is_named() -> None:
    class Broken(Channel):
        def score(self, images: Tensor, prompts: list[str]) -> Tensor:
            raise ValueError("no such channel")

    ensemble = Ensemble([Channel(0, "a"), Broken(1, "b")])
    with pytest.raises(base.VerifierError, match="b failed on image 0: ValueError: no such channel"):
        base.ask(ensemble, torch.zeros(1, 2, 2, 3), [""], lambda index: "candidate 4")


@pytest.mark.parametrize(
    "verifiers, weights, message",
    [
        ([], [], "at least one"),
        ([Channel(0)], [1, 2], "1 verifiers needs as many weights, but was given 2"),
        ([Channel(0)], [-1], "finite, not negative and not all 0; not \\[-1\\]"),
        ([Channel(0), Channel(1)], [0, 0], "not all 0"),
        ([Channel(0), Channel(1)], [1, float("nan")], "are finite"),
        ([Channel(0), Channel(1)], [1, float("inf")], "are finite"),
        ([Ensemble([Channel(0)])], [], "can not be part of an ensemble"),
    ],
)
def test_what_is_refused(verifiers: Any, weights: Any, message: str) -> None:
    with pytest.raises(base.VerifierError, match=message):
        Ensemble(verifiers, weights=weights)
