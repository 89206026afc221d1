"""The few numbers that recreate a candidate's noise exactly."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SEEDS = 2**64
RECIPE_KEYS = ({"seed", "moves"}, {"seed", "moves", "path"})


class Move(NamedTuple):
    """One step on the sphere: the seed of its random direction, and the cosine between the noise before and after."""

    seed: int
    cosine: float


class Turn(NamedTuple):
    """Noise added up to one level, with this seed, and denoised down to another. Levels are flow time, 0..1."""

    seed: int
    up: float
    down: float


class Path(NamedTuple):
    """How a latent was denoised when not in one go: down to level `start`, the turns, then, if finished, to the end."""

    start: float
    turns: tuple[Turn, ...] = ()
    finished: bool = False

    @property
    def level(self) -> float:
        """Where the turns have ended."""
        return self.turns[-1].down if self.turns else self.start


class Recipe(NamedTuple):
    """A base seed, as typed into a KSampler, the moves made from its noise, and the path if it took one."""

    seed: int
    moves: tuple[Move, ...] = ()
    path: Path | None = None

    @property
    def is_open(self) -> bool:
        """Whether the latent is not denoised to its end."""
        return self.path is not None and not self.path.finished

    def moved(self, seed: int, cosine: float) -> Recipe:
        return self._replace(moves=(*self.moves, Move(seed, cosine)))

    def turned(self, seed: int, up: float, down: float) -> Recipe:
        return self._replace(path=self.path._replace(turns=(*self.path.turns, Turn(seed, up, down))))

    def finished(self) -> Recipe:
        return self._replace(path=self.path._replace(finished=True))

    def way(self) -> list[Recipe]:
        """The recipe of every latent on the way, the first from noise, the last this one."""
        before = self.before()
        return [self] if before is None else [*before.way(), self]

    def before(self) -> Recipe | None:
        """The recipe of the latent this one goes on from; None when it starts from noise."""
        if self.path is None or (not self.path.turns and not self.path.finished):
            return None
        if self.path.finished:
            return self._replace(path=self.path._replace(finished=False))
        return self._replace(path=self.path._replace(turns=self.path.turns[:-1]))

    def to_dict(self) -> dict[str, Any]:
        plain = {"seed": self.seed, "moves": [move._asdict() for move in self.moves]}
        if self.path is None:
            return plain
        return plain | {"path": {"start": self.path.start, "turns": [turn._asdict() for turn in self.path.turns]}}


class RecipeError(ValueError):
    """A text that is not a recipe; the message says why."""


def parse_recipes(text: str) -> list[Recipe]:
    """The recipes in a Search Report's recipe output: one object, or an array with one for each image of a batch.

    Raises RecipeError, saying what is wrong.
    """
    try:
        return _recipes(json.loads(text))
    except RecipeError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, or numbers too long, or nested too deep
        raise RecipeError(f"this is not a recipe: {_shorten(text)} can not be read as JSON ({error}).") from error


def _recipes(value: Any) -> list[Recipe]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise RecipeError("the list of recipes is empty.")
    return [_recipe(item) for item in values]


def _recipe(value: Any) -> Recipe:
    if value is None:
        raise RecipeError(
            "null is not a recipe: that candidate's noise came from the workflow, and no seed recreates it."
        )
    if not isinstance(value, dict) or not isinstance(value.get("moves"), list) or set(value) not in RECIPE_KEYS:
        raise RecipeError(f'a recipe looks like {{"seed": 7, "moves": []}}, not {_shorten(json.dumps(value))}.')
    path = _path(value["path"]) if "path" in value else None
    return Recipe(_seed(value["seed"]), tuple(_move(move) for move in value["moves"]), path)


def _move(value: Any) -> Move:
    if not isinstance(value, dict) or set(value) != {"seed", "cosine"}:
        raise RecipeError(f'a move looks like {{"seed": 7, "cosine": 0.95}}, not {_shorten(json.dumps(value))}.')
    return Move(_seed(value["seed"]), _number(value["cosine"], "a move's cosine", -1))


def _path(value: Any) -> Path:
    if not isinstance(value, dict) or set(value) != {"start", "turns"} or not isinstance(value["turns"], list):
        raise RecipeError(f'a path looks like {{"start": 0.11, "turns": []}}, not {_shorten(json.dumps(value))}.')
    return Path(
        _number(value["start"], "a path's start", 0), tuple(_turn(turn) for turn in value["turns"]), finished=True
    )


def _turn(value: Any) -> Turn:
    if not isinstance(value, dict) or set(value) != {"seed", "up", "down"}:
        raise RecipeError(
            f'a turn looks like {{"seed": 7, "up": 0.9, "down": 0.1}}, not {_shorten(json.dumps(value))}.'
        )
    return Turn(_seed(value["seed"]), *(_number(value[name], f"a turn's level {name}", 0) for name in ("up", "down")))


def _number(value: Any, name: str, least: int) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 1:
        raise RecipeError(f"{name} is a number from {least} to 1, not {_shorten(json.dumps(value))}.")
    return float(value)


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SEEDS:
        raise RecipeError(f"a seed is a whole number from 0 to 2^64 - 1, not {_shorten(json.dumps(value))}.")
    return value


def _shorten(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
