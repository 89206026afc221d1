"""Reading a recipe that somebody has typed or pasted."""

from __future__ import annotations

import json
from typing import Any

from .recipe import Move, Path, Recipe, Turn

SEEDS = 2**64
NOTE = "note"
NEEDED, OPTIONAL = {"seed", "moves"}, {"path", "noise", "variety", "wording"}


class RecipeError(ValueError):
    """A text that is not a recipe; the message says why."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


class NoSearch(RecipeError):
    """What a Search Report gives as recipe where nothing has searched; the message says why not."""

    __module__ = "builtins"


def no_recipe(why: str) -> str:
    """In the place of a recipe where nothing has searched."""
    return json.dumps({NOTE: why})


def parse_recipes(text: str) -> list[Recipe]:
    """The recipes in a Search Report's recipe output: one object, or an array with one for each image of a batch.

    Raises RecipeError, saying what is wrong; NoSearch for a no_recipe.
    """
    if not text.strip():
        raise RecipeError("the recipe is empty. Connect the recipe of a Search Report, or paste one.")
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
    if isinstance(value, dict) and value.keys() == {NOTE}:
        raise NoSearch(str(value[NOTE]))
    if not isinstance(value, dict) or not isinstance(value.get("moves"), list) or set(value) - OPTIONAL != NEEDED:
        raise RecipeError(f'a recipe looks like {{"seed": 7, "moves": []}}, not {_shorten(json.dumps(value))}.')
    path = _path(value["path"]) if "path" in value else None
    moves, variety = tuple(_move(move) for move in value["moves"]), value.get("variety", 0.0)
    kind, wording = _text(value, "noise", "a name"), _text(value, "wording", "a text")
    return Recipe(_seed(value["seed"]), moves, path, kind, _number(variety, "variety", 0), wording)


def _text(value: dict[str, Any], name: str, what: str) -> str:
    if name not in value:
        return ""
    if not isinstance(value[name], str) or not value[name]:
        raise RecipeError(f"a recipe's {name} is {what}, not {_shorten(json.dumps(value[name]))}.")
    return value[name]


def _move(value: Any) -> Move:
    if not isinstance(value, dict) or set(value) != {"seed", "cosine"}:
        raise RecipeError(f'a move looks like {{"seed": 7, "cosine": 0.95}}, not {_shorten(json.dumps(value))}.')
    return Move(_seed(value["seed"]), _number(value["cosine"], "a move's cosine", -1))


def _path(value: Any) -> Path:
    is_path = isinstance(value, dict) and {"turns"} <= set(value) <= {"start", "turns"}
    if not is_path or not isinstance(value["turns"], list):
        raise RecipeError(f'a path looks like {{"start": 0.11, "turns": []}}, not {_shorten(json.dumps(value))}.')
    turns = tuple(_turn(turn) for turn in value["turns"])
    if "start" in value:
        return Path(_number(value["start"], "a path's start", 0), turns, finished=True)
    if not turns or any(turn.down for turn in turns):
        raise RecipeError("a path without a start goes on from an image: it has turns, and each goes down to 0.")
    return Path(None, turns)


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
