"""Search over paths: which recipes it asks for, whom it keeps, what it costs."""

from __future__ import annotations

import math

import pytest

from noise_search.search.methods.base import Enough
from noise_search.search.methods.paths import cost, path_search, turns
from noise_search.search.records.recipe import Path, Recipe
from noise_search.search.records.recipe_text import parse_recipes

PAPER = {"start": 0.11, "forward": 0.78, "backward": 0.81}


def run(scores, **settings):
    """Every round a search asks for; `scores` judges a round."""
    algorithm = path_search(5, **settings)
    rounds = [next(algorithm)]
    known: list[float] = []
    while True:
        known += scores(rounds[-1])
        try:
            rounds.append(algorithm.send(known))
        except StopIteration:
            return rounds


def test_the_papers_values_make_three_turns_before_the_end() -> None:
    assert [down for _, down in turns(**PAPER)] == pytest.approx([0.08, 0.05, 0.02])
    assert [up for up, _ in turns(**PAPER)] == pytest.approx([0.89, 0.86, 0.83])


def test_a_start_that_the_first_turn_would_finish_has_no_turns() -> None:
    assert turns(0.1, 0.2, 0.4) == []


def test_the_image_without_search_comes_first_and_runs_to_its_end() -> None:
    assert run(lambda asked: [0.0] * len(asked), paths=2, branches=2, **PAPER)[0] == [Recipe(5)]


def test_the_rounds() -> None:
    rounds = run(lambda asked: [0.0] * len(asked), paths=3, branches=2, **PAPER)
    assert [len(asked) for asked in rounds] == [1, 3, 6, 6, 6, 3]
    assert rounds[1] == [Recipe(5 + i, path=Path(0.11)) for i in range(3)]
    assert all(recipe.is_open for asked in rounds[1:-1] for recipe in asked)
    assert not any(recipe.is_open for recipe in rounds[-1])
    seeds = [recipe.path.turns[-1].seed for asked in rounds[2:-1] for recipe in asked]
    assert len(set(seeds)) == len(seeds)


def test_the_best_are_kept() -> None:
    def by_seed(asked: list[Recipe]) -> list[float]:
        return [float(recipe.path.turns[-1].seed) if recipe.path and recipe.path.turns else 0.0 for recipe in asked]

    rounds = run(by_seed, paths=2, branches=3, start=0.5, forward=0.1, backward=0.4)
    turned = rounds[2]
    best = sorted(turned, key=lambda recipe: -recipe.path.turns[-1].seed)[:2]
    assert [recipe.before() for recipe in rounds[3]] == best


def test_cost_counts_what_is_denoised() -> None:
    assert cost(2, 2, **PAPER) == pytest.approx(1 + 2 * 0.89 + 3 * 4 * 0.81 + 2 * 0.02)


def test_a_path_survives_being_written_down() -> None:
    import json

    recipe = run(lambda asked: [0.0] * len(asked), paths=1, branches=1, **PAPER)[-1][0]
    assert parse_recipes(json.dumps(recipe.to_dict())) == [recipe]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "can not be read as JSON"),
        ("[]", "empty"),
        ("null", "came from the workflow"),
        ('{"seed": 1}', "looks like"),
        ('{"seed": -1, "moves": []}', "whole number"),
        ('{"seed": 1.5, "moves": []}', "whole number"),
        ('{"seed": true, "moves": []}', "whole number"),
        ('{"seed": 1, "moves": [{"seed": 1, "cosine": 2}]}', "cosine"),
        ('{"seed": 1, "moves": [], "path": {"start": 0.1}}', "path looks like"),
        ('{"seed": 1, "moves": [], "path": {"start": 0.1, "turns": [{"seed": 1, "up": 3, "down": 0}]}}', "level up"),
        ('{"seed": 1, "moves": [], "more": 1}', "looks like"),
    ],
)
def test_what_is_not_a_recipe_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_recipes(text)


FEW_TURNS = {"start": 0.5, "forward": 0.1, "backward": 0.4}


def failing_rounds(*fail: int, fill: bool = False, most: int = 3) -> list[list[Recipe]]:
    """The rounds when these of every round of paths fail."""

    def scores(asked: list[Recipe]) -> list[float]:
        return [-math.inf if len(asked) > 1 and at in fail else float(at) for at in range(len(asked))]

    return run(scores, paths=most, branches=2, fill=fill, **FEW_TURNS)


def test_nothing_goes_on_from_a_latent_that_failed() -> None:
    rounds = failing_rounds(1, 2)
    assert [len(asked) for asked in rounds] == [1, 3, 2, 1]
    assert {recipe.before() for recipe in rounds[2]} == {rounds[1][0]}
    assert [recipe.before() for recipe in rounds[3]] == [rounds[2][0]]


def test_when_all_have_failed_there_is_no_further_round() -> None:
    assert [len(asked) for asked in failing_rounds(0, 1, 2)] == [1, 3]


def test_beside_other_images_as_many_are_asked_for_all_the_same() -> None:
    rounds = failing_rounds(1, 2, fill=True)
    assert [len(asked) for asked in rounds] == [1, 3, 6, 3]
    assert {recipe.before() for recipe in rounds[2]} == {rounds[1][0]}
    assert len(set(rounds[2])) == 6, "different turns of the sound one"
    assert [len(asked) for asked in failing_rounds(*range(6), fill=True)] == [1, 3, 6, 3]


def test_the_best_to_finish_when_people_have_seen_enough_has_not_failed() -> None:
    algorithm = path_search(5, paths=2, branches=2, **FEW_TURNS)
    next(algorithm)
    paths = algorithm.send([0.0])
    assert algorithm.throw(Enough([0.0, -math.inf, 0.1])) == [paths[1].finished()]
    algorithm = path_search(5, paths=2, branches=2, **FEW_TURNS)
    next(algorithm)
    algorithm.send([0.0])
    with pytest.raises(StopIteration):
        algorithm.throw(Enough([0.0, -math.inf, -math.inf]))


def test_images_of_a_batch_finish_from_the_same_level_when_people_have_seen_enough() -> None:
    """One of them has its best before the turn, the other behind it."""
    finished = []
    for turned in ([0.1, 0.2], [0.8, 0.9]):
        algorithm = path_search(7, 2, 1, 0.7, 0.1, 0.3, fill=True)
        next(algorithm)
        algorithm.send([0.0])
        algorithm.send([0.0, 0.5, 0.4])
        (best,) = algorithm.throw(Enough([0.0, 0.5, 0.4, *turned]))
        finished.append(best)
    assert len({recipe.along.level for recipe in finished}) == 1
