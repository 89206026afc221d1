"""Proof that candidates may share a call of the sampler with parts in it that are not ComfyUI's own.

One candidate runs alone, as it would without a search: its predictions are recorded. Then it runs once more among
others. At every prediction it has to be given what it was given alone, and it has to get what it got. It is somewhere
else among the rows each time, so that parts that go by a row's place are found as well as those that mix rows or
remember the step before. What it then goes on with is what it got alone: rounding does not add up over the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..records.recipe import Recipe
from .call import SamplerCall

SAME = 1e-4  # of the largest value, where the model computes in 32 bits
ROUNDINGS = 5  # where it computes in fewer: as many times its rounding
Recipes = Sequence[Recipe]  # of a candidate, one an image


class Apart(BaseException):
    """A candidate is not among others what it is alone. Not an Exception: it has to reach the search through code that
    handles those."""


class Watcher:
    """Looks on while candidates go through one call; this one changes nothing. most: candidates in the call.

    is_alone: whether it is a call as there would be without a search. counts: whether people see its steps. done: steps
    of an earlier call that they see with these.
    """

    is_alone = False
    done = 0

    def __init__(self, most: int | None = None, counts: bool = True):
        self.most = most
        self.counts = counts

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        """Those of the waiting candidates that run, of which so many fit."""
        return waiting[: fitting if self.most is None else min(fitting, self.most)]

    def order(self, rows: Tensor, images: int) -> Tensor:
        """In which order the rows are predicted."""
        return rows

    def look(self, x: Tensor, prediction: Tensor) -> Tensor:
        """x, prediction: [rows, ...]. Returns what the solver gets."""
        return prediction

    def keeps(self, rows: list[int]) -> list[int]:
        """The rows that go on to be predicted, of these that are left after a cut."""
        return rows


class Recording(Watcher):
    """What the first candidate alone is given and gets, [B, ...] on the CPU, at each prediction.

    wanted: whether others would fit beside it, so that there is something to prove.
    """

    is_alone = True

    def __init__(self, counts: bool = True) -> None:
        super().__init__(most=1, counts=counts)
        self.recipes: Recipes = ()
        self.wanted = False
        self.seen: list[tuple[Tensor, Tensor]] = []

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        self.recipes = waiting[0]
        self.wanted = fitting > 1
        return waiting[:1]

    def look(self, x: Tensor, prediction: Tensor) -> Tensor:
        self.seen.append((x.detach().cpu().clone(), prediction.detach().cpu().clone()))
        return prediction


class Witness(Watcher):
    """The recorded candidate among others, in the last rows; each time they are predicted somewhere else.

    same: how far it may be off. ahead: places by which rows are in turn at the first prediction.
    """

    ahead = 0

    def __init__(self, recording: Recording, same: float, counts: bool = True):
        super().__init__(most=len(recording.seen) + 1, counts=counts)  # so that it is everywhere once
        self.recording = recording
        self.same = same
        self.rows = torch.empty(0, dtype=torch.long)
        self.at = 0

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        others = super().join([*waiting, self.recording.recipes], fitting, images)[:-1]
        self.rows = torch.arange(images) + images * len(others)
        return [*others, self.recording.recipes]

    def order(self, rows: Tensor, images: int) -> Tensor:
        """Whole candidates in turn; once some images were cut, rows."""
        whole = len(rows) % images == 0 and torch.equal(rows % images, torch.arange(len(rows)).to(rows) % images)
        return rows.roll(-(self.at + self.ahead) * (images if whole else 1))

    def look(self, x: Tensor, prediction: Tensor) -> Tensor:
        """Raises Apart when the candidate was given something else, or has got something else."""
        if self.at == len(self.recording.seen):
            raise Apart
        given, got = self.recording.seen[self.at]
        self.at += 1
        if not (self._is_same(x[self.rows], given) and self._is_same(prediction[self.rows], got)):
            raise Apart
        prediction = prediction.clone()
        prediction[self.rows] = got.to(prediction)
        return prediction

    def close(self, ended: Tensor, alone: Tensor) -> None:
        """ended, alone: what the sampler gave out for the candidate among others, and alone [B, ...].

        Raises Apart when that is not the same, or there was less to predict than alone.
        """
        if self.at < len(self.recording.seen) or not self._is_same(ended, alone):
            raise Apart

    def _is_same(self, one: Tensor, other: Tensor) -> bool:
        other = other.to(one)
        if one.shape != other.shape or not torch.equal(one.isfinite(), other.isfinite()):
            return False
        one, other = one.nan_to_num(0, 0, 0), other.nan_to_num(0, 0, 0)
        return bool((one - other).abs().max() <= self.same * other.abs().max())


class RaceWitness(Witness):
    """The recorded candidate in a race, in the first rows, where it is anyway; it is predicted to the end."""

    ahead = 1

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        self.rows = torch.arange(images)
        return waiting

    def keeps(self, rows: list[int]) -> list[int]:
        return sorted({*rows, *self.rows.tolist()})


class Repeat(Witness):
    """The recorded candidate alone once more: whether its seed gives the same again."""

    is_alone = True

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        self.rows = torch.arange(images)
        return [self.recording.recipes]


def tolerance(call: SamplerCall) -> float:
    """How far a prediction may be off that was made among others, of the largest value: rounding alone does that."""
    model: Any = call.guider.model_patcher.model
    return max(SAME, ROUNDINGS * torch.finfo(model.get_dtype_inference()).eps)
