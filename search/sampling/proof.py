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
Recipes = Sequence[Recipe]  # of a candidate, one per image


class Apart(BaseException):
    """A candidate is not among others what it is alone. Not an Exception: it has to reach the search through code that
    handles those."""


class Watcher:
    """Looks on while candidates go through one call; this one changes nothing. most: candidates in the call.

    is_alone: whether it is a call as there would be without a search. counts: whether people see its steps. done: steps
    of an earlier call that they see with these. turns: whether it changes the order of the rows.
    only_first: see Witness.
    """

    is_alone = False
    turns = False
    done = 0
    only_first = False

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

    needed: also where it is wanted for nothing else. wanted: whether others would fit beside it, so that there is
    something to prove; where there is not, as with large videos, nothing is kept.
    """

    is_alone = True

    def __init__(self, needed: bool = False, counts: bool = True, done: int = 0) -> None:
        super().__init__(most=1, counts=counts)
        self.done = done
        self.needed = needed
        self.recipes: Recipes = ()
        self.wanted = False
        self.seen: list[tuple[Tensor, Tensor]] = []

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        self.recipes = waiting[0]
        self.wanted = fitting > 1
        return waiting[:1]

    def look(self, x: Tensor, prediction: Tensor) -> Tensor:
        if self.needed or self.wanted:
            self.seen.append((x.detach().cpu().clone(), prediction.detach().cpu().clone()))
        return prediction

    @property
    def is_witness(self) -> bool:
        """Whether it can tell something. NaN is the same as NaN, whatever else is done to it."""
        return bool(self.seen) and all(bool(one.isfinite().all()) for step in self.seen for one in step)


class Witness(Watcher):
    """Recorded candidates among others, in the last rows; each time they are predicted somewhere else.

    There are two of them: a part may leave the one with the largest values as it is, and change all others by it. Both
    are there at some steps and none at the step after, so that they cost no more than one that is always there. Where
    no others fit, they are the others.

    same: how far one may be off. places: where each is among the rows of the call. now: the rows predicted last.
    only_first: whether the solver looks at more than the prediction, so that one has to be there always.
    """

    turns = True

    def __init__(self, recordings: Sequence[Recording], same: float, counts: bool = True):
        self.recordings = recordings
        self.same = same
        self.steps = min(len(recording.seen) for recording in recordings)
        self.places: list[Tensor] = []
        self.now = torch.empty(0, dtype=torch.long)
        self.has_others = True
        self.at = 0
        most = sum(self._present(at) > 0 for at in range(self.steps))  # so that one is everywhere once
        super().__init__(most=most, counts=counts)

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        own = [recording.recipes for recording in self.recordings]
        others = super().join([*waiting, *own], max(fitting, len(own)), images)[: -len(own)]
        self.has_others = len(others) > 0
        self.places = [torch.arange(images) + images * (len(others) + at) for at in range(len(own))]
        return [*others, *own]

    def order(self, rows: Tensor, images: int) -> Tensor:
        """Whole candidates in turn; once some images were cut, rows."""
        absent = self._absent(rows)
        if len(absent):
            rows = rows[~torch.isin(rows, absent)]
        whole = len(rows) % images == 0 and torch.equal(rows % images, torch.arange(len(rows)).to(rows) % images)
        self.now = rows.roll(-self._turn() * (images if whole else 1)) if len(rows) else rows
        return self.now

    def look(self, x: Tensor, prediction: Tensor) -> Tensor:
        """Raises Apart when a candidate was given something else, or has got something else."""
        prediction = prediction.clone()
        for recording, place in zip(self.recordings, self.places, strict=True):
            if self.at == len(recording.seen):
                raise Apart
            given, got = recording.seen[self.at]
            is_now = bool(torch.isin(place.to(self.now), self.now).all())
            if self._is_gone(is_now):
                continue
            is_given = self._is_same(x[place], given) or (self.only_first and not is_now)
            if not is_given or (is_now and not self._is_same(prediction[place], got)):
                raise Apart
            prediction[place] = got.to(prediction)
        self.at += 1
        return prediction

    def close(self, ended: Sequence[Tensor], alone: Sequence[Tensor]) -> None:
        """ended, alone: what the sampler gave out for each candidate among others, and alone [B, ...].

        Raises Apart when that is not the same, or there was less to predict than alone.
        """
        is_all = all(self.at == len(recording.seen) for recording in self.recordings)
        if not is_all or not all(map(self._is_same, ended, alone)):
            raise Apart

    def _present(self, at: int) -> int:
        """How many of the two are predicted at this step."""
        if self.only_first:
            return 1
        every = 10 if self.has_others else 2
        if at % every == 0 and at + 1 < self.steps:
            return 2
        return 0 if at % every == 1 else 1

    def _absent(self, rows: Tensor) -> Tensor:
        """Rows that are not predicted this time; where one of the two is, they take turns."""
        present = self._present(self.at)
        first = self.at % 2 if present == 1 and not self.only_first else present
        return torch.cat([self.now[:0], *self.places[first : first + 2 - present]]).to(rows)

    def _turn(self) -> int:
        return self.at

    def _is_gone(self, is_now: bool) -> bool:
        """Whether the candidate is of no interest any more."""
        return False

    def _is_same(self, one: Tensor, other: Tensor) -> bool:
        other = other.to(one)
        if one.shape != other.shape or not torch.equal(one.isfinite(), other.isfinite()):
            return False
        one, other = one.nan_to_num(0, 0, 0), other.nan_to_num(0, 0, 0)
        return bool((one - other).abs().max() <= self.same * other.abs().max())


class RaceWitness(Witness):
    """The recorded candidates in a race, in the first rows, where they are anyway; one is predicted to the end."""

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        self.places = [torch.arange(images) + images * at for at in range(len(self.recordings))]
        return waiting

    def keeps(self, rows: list[int]) -> list[int]:
        return sorted({*rows, *self.places[0].tolist()})

    def _absent(self, rows: Tensor) -> Tensor:
        return rows[:0]

    def _turn(self) -> int:
        return self.at + 1

    def _is_gone(self, is_now: bool) -> bool:
        return not is_now


class Repeat(RaceWitness):
    """A recorded candidate alone once more: whether its seed gives the same again."""

    is_alone = True

    def join(self, waiting: Sequence[Recipes], fitting: int, images: int) -> Sequence[Recipes]:
        super().join(waiting, fitting, images)
        return [self.recordings[0].recipes]


def tolerance(call: SamplerCall) -> float:
    """How far a prediction may be off that was made among others, of the largest value: rounding alone does that."""
    model: Any = call.guider.model_patcher.model
    return max(SAME, ROUNDINGS * torch.finfo(model.get_dtype_inference()).eps)
