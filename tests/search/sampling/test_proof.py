"""The proof on numbers: a witness finds what mixes rows, goes by a row's place, or remembers; rounding is no fault."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 8
Predict = Callable[[Tensor], Tensor]


def proof() -> Any:
    return importlib.import_module("noise_search.search.sampling.proof")


def stepped(predict: Predict, rows: Tensor, watcher: Any, images: int, after: Predict = torch.clone) -> Tensor:
    """A solver of so many steps, whose rows are predicted in the watcher's order. after: what is done at the end."""
    for _ in range(STEPS):
        order = watcher.order(torch.arange(len(rows)), images)
        out = torch.full_like(rows, torch.nan)
        if len(order):
            out[order] = predict(rows[order])
        rows = 0.5 * rows + 0.5 * watcher.look(rows, out)
    return after(rows)


def proven(
    predict: Predict,
    count: int = 5,
    images: int = 1,
    kind: str = "Witness",
    after: Predict = torch.clone,
    most: int = 0,
) -> bool:
    """most: which candidate has the largest values."""
    draw = torch.Generator().manual_seed(0)
    candidates = [torch.randn(images, 3, generator=draw) * (1 + 9 * (at == most)) for at in range(count)]
    recordings = [proof().Recording(), proof().Recording()]
    alone = []
    for recording, candidate in zip(recordings, candidates, strict=False):
        recording.join(["one"], count, images)
        alone.append(stepped(predict, candidate, recording, images, after))
    witness = getattr(proof(), kind)(recordings, 1e-4)
    is_race = kind == "RaceWitness"
    assert len(witness.join(["other"] * (count if is_race else count - 2), count, images)) == count
    rows = candidates if is_race else [*candidates[2:], *candidates[:2]]
    try:
        ended = stepped(predict, torch.cat(rows), witness, images, after)
        witness.close([ended[place] for place in witness.places], alone)
    except proof().Apart:
        return False
    return True


def by_place(place: int) -> Predict:
    return lambda x: torch.where(torch.arange(len(x))[:, None] == place, 0.5 * x, x)


def remembering() -> Predict:
    held: list[Tensor] = []

    def predict(x: Tensor) -> Tensor:
        again = held and len(held) % 3 == 0 and held[-1].shape == x.shape
        held.append(held[-1] if again else x.sin())
        return held[-1]

    return predict


@pytest.mark.parametrize("kind", ["Witness", "RaceWitness"])
@pytest.mark.parametrize("images", [1, 2])
def test_rows_that_go_by_themselves_are_proven(kind: str, images: int) -> None:
    assert proven(torch.sin, images=images, kind=kind)


@pytest.mark.parametrize("kind", ["Witness", "RaceWitness"])
@pytest.mark.parametrize("predict", [lambda x: x - x.mean(), lambda x: x + x.roll(1, 0), lambda x: x / x.std()])
def test_rows_that_hear_of_each_other_are_not(predict: Predict, kind: str) -> None:
    assert not proven(predict, kind=kind)


@pytest.mark.parametrize("kind", ["Witness", "RaceWitness"])
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_whatever_place_is_treated_in_another_way_it_is_found(place: int, kind: str) -> None:
    assert not proven(by_place(place), kind=kind)


def test_what_remembers_the_step_before_is_found() -> None:
    assert not proven(remembering())


@pytest.mark.parametrize("kind", ["Witness", "RaceWitness"])
def test_what_happens_after_the_last_prediction_is_seen(kind: str) -> None:
    assert not proven(torch.sin, after=lambda x: x - x.mean(), kind=kind)


def test_images_of_the_users_batch_may_hear_of_each_other() -> None:
    def pairs(x: Tensor) -> Tensor:
        return x + 0.1 * x.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)

    assert proven(pairs, images=2)
    assert not proven(lambda x: x + 0.1 * x.flip(0))


def test_rounding_is_no_fault() -> None:
    draw = torch.Generator().manual_seed(1)
    assert proven(lambda x: x.sin() * (1 + 1e-5 * torch.randn(x.shape, generator=draw)))


def test_a_solver_that_ends_early_is_another() -> None:
    recording = proof().Recording()
    recording.join(["first"], 2, 1)
    alone = stepped(torch.sin, torch.ones(1, 3), recording, 1)
    witness = proof().Witness([recording, recording], 1e-4)
    witness.join(["other"], 3, 1)
    with pytest.raises(proof().Apart):
        witness.close([alone], [alone])


@pytest.mark.parametrize("kind", ["Witness", "RaceWitness"])
@pytest.mark.parametrize("most", range(5))
def test_whoever_has_the_largest_values_a_part_that_goes_by_them_is_found(most: int, kind: str) -> None:
    """It leaves that one as it is."""
    assert not proven(lambda x: x / x.abs().max(), most=most, kind=kind)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("steps", range(2, 24))
def test_two_witnesses_cost_as_much_as_one(count: int, steps: int) -> None:
    recording = proof().Recording()
    recording.join(["first"], 8, 1)
    for _ in range(steps):
        recording.look(torch.ones(1, 3), torch.ones(1, 3))
    witness = proof().Witness([recording, recording], 1e-4)
    rows = len(witness.join(["other"] * (count - 2), count, 1))
    cost = 0
    for _ in range(steps):
        cost += len(witness.order(torch.arange(rows), 1)) - (rows - 2)
        witness.look(torch.ones(rows, 3), torch.ones(rows, 3))
    assert cost == steps


def test_what_is_not_finite_is_no_witness_and_what_nobody_needs_is_not_kept() -> None:
    sound, spoilt, alone = proof().Recording(), proof().Recording(), proof().Recording()
    for recording, fitting in ((sound, 2), (spoilt, 2), (alone, 1)):
        recording.join(["first"], fitting, 1)
        recording.look(torch.ones(1, 3), torch.ones(1, 3))
    spoilt.look(torch.ones(1, 3), torch.full((1, 3), float("nan")))
    assert [one.is_witness for one in (sound, spoilt, alone)] == [True, False, False]
    assert alone.seen == []


def test_no_more_run_together_than_there_are_places_to_look_at() -> None:
    recording = proof().Recording()
    recording.join(["first"], 8, 1)
    for _ in range(5):
        recording.look(torch.ones(1, 3), torch.ones(1, 3))
    assert len(proof().Witness([recording, recording], 1e-4).join(["other"] * 7, 8, 1)) == 4
