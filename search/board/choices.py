"""A candidate of a search that has ended, which a person has made again without the search: its picture says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from comfy_execution.graph_utils import is_link

from ..host.graph import held, upstream_of
from ..host.prompts import PROMPTS
from ..records.recipe import Recipe
from ..records.recipe_text import RecipeError, parse_recipes
from .board import Board, Origin
from .boards import BOARDS

CHOICE = "noise_search_choice"  # in the `extra` of the workflow that the browser queues: board, image and index
REPLAY = "ReplayNoise"


def on_prompt(body: Any) -> Any:
    """What ComfyUI calls with the body of each request that queues a prompt, after Prompts.on_prompt."""
    metadata = held(held(body, "extra_data"), "extra_pnginfo")
    extra = held(held(metadata, "workflow"), "extra")
    choice = extra.pop(CHOICE, None) if isinstance(extra, dict) else None
    board_id, image, index = (held(choice, name) for name in ("board", "image", "index"))
    if isinstance(board_id, str) and isinstance(image, int) and isinstance(index, int):
        board = BOARDS.get(board_id)
        if board is not None:
            _note(body["prompt_id"], board, image, index)
    return body


def _note(prompt_id: str, board: Board, image: int, index: int) -> None:
    """Only of a prompt that makes this candidate and nothing else."""
    prompt, before = PROMPTS.get(prompt_id), PROMPTS.get(board.origin.prompt)
    candidate = board.candidate(image, index)
    if prompt is None or before is None or candidate is None or candidate.recipe is None:
        return
    if makes(prompt.nodes, before.nodes, board.origin, board.node, candidate.recipe):
        where = {"node": board.node, "board": board.id, "images": 1, "image": image}
        PROMPTS.choose(prompt, board.origin.sampler, {**where, **winner(board, image, index)})


def winner(board: Board, image: int, index: int) -> dict[str, Any]:
    """As if the search had given out this candidate. One that was stopped on its way has no score as an image."""
    told = replace(board.report(image), chosen=index).winner()
    candidate = board.candidate(image, index)
    if candidate is not None and not candidate.is_finished:
        told["best"] |= {"score": None, "scores": {}}
    return told


def makes(now: Mapping[str, Any], before: Mapping[str, Any], origin: Origin, search: str, recipe: Recipe) -> bool:
    """Whether the sampler makes this recipe's image: its prompt is what the search ran in, but for the search itself,
    and the seed is the recipe's or Replay Noise has it.

    now, before: the nodes of both prompts. search: the search node's id.
    """
    replayed, seeds = [], []
    for node in upstream_of(now, origin.sampler):
        inputs, known = held(now.get(node), "inputs"), held(before.get(node), "inputs")
        if held(now.get(node), "class_type") == REPLAY:
            replayed.append(held(inputs, "recipe"))
            continue
        is_same = held(now.get(node), "class_type") == held(before.get(node), "class_type")
        if node == search or not is_same or not isinstance(inputs, dict) or inputs.keys() != (known or {}).keys():
            return False
        for name, value in inputs.items():
            if (node, name) == origin.seed_at:
                seeds.append(value)
            elif value != known[name] and not (is_link(value) and _is_of(known[name], search)):
                return False
    if replayed:
        return len(replayed) == 1 and _is_recipe(replayed[0], recipe)
    return recipe.plain_seed is not None and seeds == [recipe.plain_seed]


def _is_recipe(text: Any, recipe: Recipe) -> bool:
    try:
        return [one.to_dict() for one in parse_recipes(text)] == [recipe.to_dict()]
    except (RecipeError, AttributeError):  # also where it is no text
        return False


def _is_of(value: Any, node: str) -> bool:
    return bool(is_link(value)) and str(value[0]) == node
