"""The few numbers that recreate a candidate's noise exactly."""

from __future__ import annotations

from typing import Any, NamedTuple


class Move(NamedTuple):
    """One step on the sphere: the seed of its random direction, and the cosine between the noise before and after."""

    seed: int
    cosine: float


class Recipe(NamedTuple):
    """A base seed, as typed into a KSampler, and the moves made from its noise."""

    seed: int
    moves: tuple[Move, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "moves": [move._asdict() for move in self.moves]}
