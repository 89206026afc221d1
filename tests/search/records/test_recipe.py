"""The numbers that recreate a noise."""

from __future__ import annotations

import json

import pytest

from noise_search.search.records.recipe import Move, Path, Recipe
from noise_search.search.records.recipe_text import parse_recipes


def test_a_recipe_is_plain_numbers_in_json() -> None:
    recipe = Recipe(7, (Move(11, 0.95), Move(2**50 - 1, 0.9)))
    assert json.loads(json.dumps(recipe.to_dict())) == {
        "seed": 7,
        "moves": [{"seed": 11, "cosine": 0.95}, {"seed": 2**50 - 1, "cosine": 0.9}],
    }


def test_a_recipe_without_moves_is_its_seed() -> None:
    assert Recipe(7).to_dict() == {"seed": 7, "moves": []}


def test_only_a_seed_alone_is_plain() -> None:
    assert Recipe(7).plain_seed == 7
    assert Recipe(0).plain_seed == 0
    others = [Recipe(7).moved(1, 0.9), Recipe(7).refined(1, 0.5), Recipe(7, kind="perlin"), Recipe(7, variety=0.3)]
    assert [recipe.plain_seed for recipe in others] == [None] * 4


def test_equal_recipes_are_one_key() -> None:
    assert len({Recipe(7, (Move(1, 0.5),)), Recipe(7, (Move(1, 0.5),)), Recipe(7)}) == 2


def test_a_seed_that_stands_for_another_noise_says_so() -> None:
    assert Recipe(7, kind="Pyramid").to_dict() == {"seed": 7, "moves": [], "noise": "Pyramid"}


ON_A_PATH = Recipe(7, path=Path(0.75)).turned(1, 0.875, 0.5).turned(2, 0.625, 0.25).finished()


def test_what_a_path_has_led_to_can_be_refined() -> None:
    child = ON_A_PATH.refined(3, 0.5)
    assert child.is_refined
    assert not child.is_open
    assert child.before() == ON_A_PATH
    assert child.refined(4, 0.5).way() == [*ON_A_PATH.way(), child, child.refined(4, 0.5)]
    assert parse_recipes(json.dumps(child.to_dict())) == [child]


@pytest.mark.parametrize(
    ("recipe", "cost"),
    [
        (Recipe(7), 1),
        (Recipe(7).moved(1, 0.9).refined(2, 0.5), 1.5),
        (Recipe(7).refined(2, 0.5).refined(3, 0.75), 2.25),
        (ON_A_PATH, 1.25),
        (ON_A_PATH.refined(3, 0.5), 1.75),
    ],
)
def test_what_a_way_costs(recipe: Recipe, cost: float) -> None:
    assert recipe.trajectories == pytest.approx(cost)
