"""What is sent to others and what comes back, as plain values: the pack has another module name in another ComfyUI.

What comes back of a candidate are the lines that the ledger writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..history.ledger import entry
from ..methods.pruning import Cut, Race
from ..records.candidate import Candidate
from ..records.recipe import Move, Path, Recipe, Turn
from .seam import CrewError, Piece


def lines_read(lines: Sequence[Sequence[bytes]]) -> list[list[Candidate]]:
    """The candidates in these lines. Raises CrewError for a line that is none."""
    read = [[entry(one) for one in images] for images in lines]
    candidates = [[found[1] for found in images if found is not None] for images in read]
    if list(map(len, candidates)) != list(map(len, lines)):
        raise CrewError("a worker has sent something that is no score.")
    return candidates


def piece_to_wire(piece: Piece) -> dict[str, Any]:
    """As plain values and arrays."""
    race = piece.race
    return {
        "candidates": [[recipe_to_wire(recipe) for recipe in recipes] for recipes in piece.candidates],
        "numbers": list(piece.numbers),
        "steps": piece.steps,
        "race": race and [race.steps, race.starts, [list(cut) for cut in race.cuts]],
        "starts": [[image, recipe_to_wire(recipe), start.numpy()] for (image, recipe), start in piece.starts.items()],
        "outcomes": dict(piece.outcomes),
    }


def piece_from_wire(told: Mapping[str, Any], tensor: Callable[[Any], Tensor]) -> Piece:
    """tensor: makes one of an array."""
    race = told["race"]
    return Piece(
        tuple(tuple(map(recipe_from_wire, recipes)) for recipes in told["candidates"]),
        tuple(told["numbers"]),
        told["steps"],
        race and Race(race[0], race[1], tuple(Cut(*cut) for cut in race[2])),
        {(image, recipe_from_wire(recipe)): tensor(start) for image, recipe, start in told["starts"]},
        told["outcomes"],
    )


def value_to_wire(value: Any) -> list[Any]:
    """What is all tensors, numbers and texts, such as a CONDITIONING, as [kind, ..] with arrays of bytes."""
    if isinstance(value, Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return ["tensor", str(value.dtype).removeprefix("torch."), list(value.shape), flat]
    if isinstance(value, dict):
        return ["dict", *([value_to_wire(name), value_to_wire(part)] for name, part in value.items())]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(value_to_wire, value)]
    return ["plain", value]


def value_from_wire(told: Sequence[Any]) -> Any:
    """Tensors are on the CPU, and nobody else's."""
    kind, *parts = told
    if kind == "tensor":
        dtype, shape, flat = parts
        made = torch.empty(shape, dtype=getattr(torch, dtype))
        made.view(-1).view(torch.uint8).numpy()[:] = flat
        return made
    if kind == "dict":
        return {value_from_wire(name): value_from_wire(part) for name, part in parts}
    if kind == "plain":
        return parts[0]
    return [value_from_wire(part) for part in parts] if kind == "list" else tuple(map(value_from_wire, parts))


def recipe_to_wire(recipe: Recipe) -> list[Any]:
    path = recipe.path and [recipe.path.start, [list(turn) for turn in recipe.path.turns], recipe.path.finished]
    return [recipe.seed, [list(move) for move in recipe.moves], path, *recipe[3:]]


def recipe_from_wire(told: Sequence[Any]) -> Recipe:
    seed, moves, path, *rest = told
    along = path and Path(path[0], tuple(Turn(*turn) for turn in path[1]), path[2])
    return Recipe(seed, tuple(Move(*move) for move in moves), along, *rest)
