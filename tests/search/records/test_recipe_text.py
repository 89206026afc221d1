"""Recipes that somebody has typed: what is not a number is not taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noise_search.search.records.recipe_text import NoSearch, RecipeError, no_recipe, parse_recipes


def with_seed(place: str, seed: Any) -> str:
    recipe = {"seed": 7, "moves": [{"seed": 7, "cosine": 0.5}]}
    recipe["path"] = {"start": 0.1, "turns": [{"seed": 7, "up": 0.9, "down": 0.1}]}
    {"recipe": recipe, "move": recipe["moves"][0], "turn": recipe["path"]["turns"][0]}[place]["seed"] = seed
    return json.dumps(recipe)


@pytest.mark.parametrize("seed", [True, False])
@pytest.mark.parametrize("place", ["recipe", "move", "turn"])
def test_true_and_false_are_no_seeds(place: str, seed: bool) -> None:
    """To Python they are 1 and 0."""
    assert parse_recipes(with_seed(place, int(seed)))
    with pytest.raises(RecipeError, match=f"a seed is a whole number .*, not {json.dumps(seed)}"):
        parse_recipes(with_seed(place, seed))


@pytest.mark.parametrize("kind", ["Pyramid", "ComfyUI's own"])
@pytest.mark.parametrize("rest", [{}, {"path": {"start": 0.1, "turns": []}}])
def test_what_draws_the_noise_is_read(kind: str, rest: dict[str, Any]) -> None:
    told = {"seed": 7, "moves": [], **rest, "noise": kind}
    (recipe,) = parse_recipes(json.dumps(told))
    assert recipe.kind == kind
    assert recipe.to_dict() == told


@pytest.mark.parametrize("kind", ["", 3, None, ["Pyramid"]])
def test_a_noise_without_a_name_is_refused(kind: Any) -> None:
    with pytest.raises(RecipeError, match="a recipe's noise is a name"):
        parse_recipes(json.dumps({"seed": 7, "moves": [], "noise": kind}))


def test_in_the_place_of_a_recipe_stands_why_nothing_has_searched() -> None:
    with pytest.raises(NoSearch, match="is bypassed"):
        parse_recipes(no_recipe("No search. The node is bypassed."))
