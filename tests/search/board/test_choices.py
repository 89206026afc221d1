"""When a queued prompt makes what a person has chosen, and nothing else."""

from __future__ import annotations

import copy
import importlib
import json
from typing import Any

import pytest

from made_reports import candidate
from noise_search.search.records.recipe import Move, Recipe

pytestmark = pytest.mark.usefixtures("comfy")
SEARCHED = {
    "1": {"class_type": "Loader", "inputs": {}},
    "2": {"class_type": "RandomSearch", "inputs": {"model": ["1", 0], "verifier": ["9", 0], "candidates": 4}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0], "positive": ["5", 0], "cfg": 7, "seed": 40}},
    "5": {"class_type": "Text", "inputs": {"text": "a cat"}},
    "9": {"class_type": "Verifier", "inputs": {}},
}
MOVED = Recipe(40, (Move(3, 0.6),))
BY_SEED = {"3": {"model": ["1", 0], "seed": 42}}


@pytest.fixture
def choices() -> Any:
    return importlib.import_module("noise_search.search.board.choices")


def changed(**nodes: dict[str, Any]) -> dict[str, Any]:
    """The prompt without the search, and with these inputs."""
    after: dict[str, Any] = {name: copy.deepcopy(node) for name, node in SEARCHED.items() if name not in ("2", "9")}
    for name, inputs in nodes.items():
        after[name]["inputs"] |= inputs
    return after


def replaying(recipe: str, **more: Any) -> dict[str, Any]:
    after = changed(**({"3": {"model": ["7", 1]}} | more))
    return after | {"7": {"class_type": "ReplayNoise", "inputs": {"recipe": recipe, "model": ["1", 0]}}}


def makes(choices: Any, now: dict[str, Any], recipe: Recipe) -> bool:
    origin = importlib.import_module("noise_search.search.board.board").Origin("p", "w", 40, ("3", "seed"), "3")
    return choices.makes(now, SEARCHED, origin, "2", recipe)


def test_the_seed_without_the_search(choices: Any) -> None:
    assert makes(choices, changed(**BY_SEED), Recipe(42))


def test_replay_noise_in_place_of_the_search(choices: Any) -> None:
    assert makes(choices, replaying(json.dumps(MOVED.to_dict())), MOVED)
    assert makes(choices, replaying(json.dumps(MOVED.to_dict()), **{"3": {"model": ["7", 1], "seed": 7}}), MOVED)


@pytest.mark.parametrize(
    ("now", "recipe"),
    [
        (changed(**BY_SEED), Recipe(43)),
        (changed(**BY_SEED), MOVED),
        (changed(**BY_SEED, **{"5": {"text": "a dog"}}), Recipe(42)),
        (changed(**{"3": {"model": ["1", 0], "seed": 42, "cfg": 8}}), Recipe(42)),
        (changed(**{"3": {"model": ["5", 0], "seed": 42, "steps": 8}}), Recipe(42)),
        (SEARCHED, Recipe(40)),
        (replaying(json.dumps(Recipe(40).to_dict())), MOVED),
        (replaying("no recipe"), MOVED),
        (replaying(["8", 0]), MOVED),  # type: ignore[arg-type]
        ({}, Recipe(42)),
    ],
    ids=["seed", "moves", "prompt", "setting", "input", "searches", "recipe", "text", "link", "nothing"],
)
def test_what_makes_something_else_says_nothing(choices: Any, now: dict[str, Any], recipe: Recipe) -> None:
    assert not makes(choices, now, recipe)


def test_the_record_is_the_one_of_a_search_that_gave_it_out(choices: Any) -> None:
    board = importlib.import_module("noise_search.search.board.boards").BOARDS.start("2", "random", 3)
    stopped = candidate(2, 0.9).__class__(**{**vars(candidate(2, 0.9)), "stopped_at_step": 7})
    board.show([[candidate(0, 0.5), candidate(1, 0.7), stopped]], {})
    board.end("interrupted")
    told = choices.winner(board, 0, 0)
    assert (told["chosen_by"], told["best"]["index"], told["best"]["score"]) == ("a person", 0, 0.5)
    assert (told["candidates"], told["stopped"], told["baseline"]) == (3, "interrupted", {"score": 0.5})
    assert choices.winner(board, 0, 2)["best"]["score"] is None


@pytest.mark.parametrize(
    "choice", [None, 7, {}, {"board": "b", "image": "0", "index": 0}, {"board": "gone", "image": 0, "index": 0}]
)
def test_a_choice_that_nobody_knows_of_leaves_the_prompt_as_it_is(choices: Any, choice: Any) -> None:
    body = {"prompt_id": "p", "extra_data": {"extra_pnginfo": {"workflow": {"extra": {choices.CHOICE: choice}}}}}
    assert choices.on_prompt(body)["extra_data"] == {"extra_pnginfo": {"workflow": {"extra": {}}}}
    assert choices.on_prompt({}) == {}
