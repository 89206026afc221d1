"""Finished latents that a search holds, so that any of them can be taken without running again (`keep`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from .pictures.likeness import ALIKE, apart, small
from .records.candidate import Candidate, places
from .records.standing import Result, Standing


class Held(NamedTuple):
    """latent: [...] on the CPU; None of a candidate that only an earlier run has made. small: its picture."""

    latent: Tensor | None
    small: np.ndarray | None


class Keeping:
    """Of one image of the batch: the winner's latent and those of others that are good and different, `most` together.

    The rule. All that are held are gone through from the best score down. Each is taken, unless its picture is nearly
    that of one already taken: closer than likeness.ALIKE, by small copies. Where that gives fewer than `most`, the best
    of those passed over fill up. It is applied whenever a candidate has come, one after the other in the order they
    ran, so that never more than `most` + 1 are held and the number that ran side by side changes nothing; and at the
    end once more, with the winner first, whoever chose it. An ensemble ranks those that are held among themselves.
    Nothing is random.
    """

    def __init__(self, most: int):
        self.most = most
        self.held: dict[int, Held] = {}

    def add(self, item: Standing[Result], results: Sequence[Result | None]) -> None:
        """What the standing has taken in last."""
        if self.most == 1:
            return
        for index, result in enumerate(results, start=len(item.seen) - len(results)):
            one = item.seen[index]
            if not one.is_finished:
                continue
            self.held[index] = Held(None if result is None else result.latent, _small(one))
            order = item.ranked([held for held in self.held if item.seen[held].is_finished])
            self._keep(order)

    def choose(self, item: Standing[Result]) -> list[int]:
        """What is kept in the end, by rank: the winner first."""
        self.held.setdefault(item.winner, Held(None, _small(item.seen[item.winner])))
        ranked = [index for index in places(item.candidates(), item.winner) if index in self.held]
        self._keep(ranked)
        return [index for index in ranked if index in self.held]

    def is_missing(self, item: Standing[Result], index: int) -> bool:
        return index != item.winner and self.held[index].latent is None

    def give(self, index: int, result: Result | None) -> None:
        """What was made again."""
        if result is not None:
            self.held[index] = self.held[index]._replace(latent=result.latent)

    def latents(self, item: Standing[Result], chosen: Sequence[int]) -> dict[int, Tensor]:
        """Of those that were chosen, where they are there; that of the winner is."""
        known = {index: self.held[index].latent for index in chosen} | {item.winner: item.won.latent}
        return {index: latent for index, latent in known.items() if latent is not None}

    def _keep(self, order: Sequence[int]) -> None:
        chosen = good_and_different(order, self._is_alike, self.most)
        self.held = {index: held for index, held in self.held.items() if index in chosen}

    def _is_alike(self, one: int, other: int) -> bool:
        pictures = self.held[one].small, self.held[other].small
        return all(picture is not None for picture in pictures) and apart(*pictures) < ALIKE  # type: ignore[arg-type]


def _small(one: Candidate) -> np.ndarray | None:
    return small(one.thumbnail) if one.thumbnail else None


def good_and_different(order: Sequence[int], alike: Callable[[int, int], bool], most: int) -> set[int]:
    """The rule of Keeping. order: the best first."""
    taken: list[int] = []
    passed: list[int] = []
    for one in order:
        (passed if any(alike(one, other) for other in taken) else taken).append(one)
    return {*taken[:most], *passed[: max(most - len(taken), 0)]}
