"""The few numbers that recreate a candidate's noise exactly."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SEEDS = 2**64


class Move(NamedTuple):
    """One step on the sphere: the seed of its random direction, and the cosine between the noise before and after."""

    seed: int
    cosine: float


class Recipe(NamedTuple):
    """A base seed, as typed into a KSampler, and the moves made from its noise."""

    seed: int
    moves: tuple[Move, ...] = ()

    def moved(self, seed: int, cosine: float) -> Recipe:
        return Recipe(self.seed, (*self.moves, Move(seed, cosine)))

    def to_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "moves": [move._asdict() for move in self.moves]}


class RecipeError(ValueError):
    """A text that is not a recipe; the message says why."""


def parse_recipes(text: str) -> list[Recipe]:
    """The recipes in a Search Report's recipe output: one object, or an array with one for each image of a batch.

    Raises RecipeError, saying what is wrong.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"this is not a recipe: {_shorten(text)} is not JSON ({error}).") from error
    values = value if isinstance(value, list) else [value]
    if not values:
        raise RecipeError("the list of recipes is empty.")
    return [_recipe(item) for item in values]


def _recipe(value: Any) -> Recipe:
    if value is None:
        raise RecipeError(
            "null is not a recipe: that candidate's noise came from the workflow, and no seed recreates it."
        )
    if not isinstance(value, dict) or set(value) != {"seed", "moves"} or not isinstance(value["moves"], list):
        raise RecipeError(f'a recipe looks like {{"seed": 7, "moves": []}}, not {_shorten(json.dumps(value))}.')
    return Recipe(_seed(value["seed"]), tuple(_move(move) for move in value["moves"]))


def _move(value: Any) -> Move:
    if not isinstance(value, dict) or set(value) != {"seed", "cosine"}:
        raise RecipeError(f'a move looks like {{"seed": 7, "cosine": 0.95}}, not {_shorten(json.dumps(value))}.')
    cosine = value["cosine"]
    if isinstance(cosine, bool) or not isinstance(cosine, (int, float)) or not -1 <= cosine <= 1:
        raise RecipeError(f"a move's cosine is a number from -1 to 1, not {_shorten(json.dumps(cosine))}.")
    return Move(_seed(value["seed"]), float(cosine))


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SEEDS:
        raise RecipeError(f"a seed is a whole number from 0 to 2^64 - 1, not {_shorten(json.dumps(value))}.")
    return value


def _shorten(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
