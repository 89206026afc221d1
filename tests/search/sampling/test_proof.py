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
        out = torch.empty_like(rows)
        out[order] = predict(rows[order])
        rows = 0.5 * rows + 0.5 * watcher.look(rows, out)
    return after(rows)


def proven(
    predict: Predict, count: int = 4, images: int = 1, kind: str = "Witness", after: Predict = torch.clone
) -> bool:
    draw = torch.Generator().manual_seed(0)
    candidates = [torch.randn(images, 3, generator=draw) for _ in range(count)]
    recording = proof().Recording()
    recording.join(["first"], count, images)
    alone = stepped(predict, candidates[0], recording, images, after)
    witness = getattr(proof(), kind)(recording, 1e-4)
    joined = witness.join(["other"] * (count - 1 if kind == "Witness" else count), count, images)
    assert len(joined) == count
    others = candidates[1:]
    rows = [*others, candidates[0]] if kind == "Witness" else candidates
    try:
        ended = stepped(predict, torch.cat(rows), witness, images, after)
        witness.close(ended[witness.rows], alone)
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
@pytest.mark.parametrize("place", [1, 2, 3])
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
    witness = proof().Witness(recording, 1e-4)
    witness.join(["other"], 2, 1)
    with pytest.raises(proof().Apart):
        witness.close(alone, alone)


def test_no_more_run_together_than_there_are_places_to_look_at() -> None:
    recording = proof().Recording()
    recording.join(["first"], 8, 1)
    for _ in range(3):
        recording.look(torch.ones(1, 3), torch.ones(1, 3))
    assert len(proof().Witness(recording, 1e-4).join(["other"] * 7, 8, 1)) == 4
