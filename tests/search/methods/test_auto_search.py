"""Auto search on toy scores: what it asks for, what that costs, and whom it refines."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_search.search.methods.auto_search import AutoSearch, auto_search, is_trusted, next_round, refined_around
from noise_search.search.methods.base import Algorithm, Enough, Heat, Start
from noise_search.search.methods.checks import SettingError
from noise_search.search.methods.pruning import Race
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.scores import Scores

UNHURRIED = settings(deadline=None)  # on a busy machine any call can take long


def levels(steps: int) -> list[float]:
    return [1 - step / steps for step in range(steps + 1)]


def played(
    budget: int,
    steps: int,
    score: Callable[[Recipe], float],
    most_rows: int = 64,
    algorithm: Algorithm | None = None,
) -> tuple[list[Heat], list[Recipe], Scores]:
    """All rounds of a search whose races are decided by the scores themselves."""
    algorithm = algorithm or auto_search(7, budget, levels(steps), most_rows)
    heats: list[Heat] = []
    asked: list[Recipe] = []
    scores = Scores()
    told = None
    while True:
        try:
            given = algorithm.send(told)
        except StopIteration:
            return heats, asked, scores
        heat = given if isinstance(given, Heat) else Heat(given, Race(steps, len(given)))
        new = [score(recipe) for recipe in heat.recipes]
        alive = sorted(new, reverse=True)[: heat.race.finishers]
        heats, asked = [*heats, heat], [*asked, *heat.recipes]
        told = scores = Scores([*scores, *new], [*scores.finished, *(one in alive for one in new)])
        scores.recipes = asked


def noise(recipe: Recipe) -> float:
    return random.Random(str(recipe)).random()


@UNHURRIED
@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 64))
def test_the_budget_is_never_exceeded(budget: int, steps: int, most_rows: int) -> None:
    heats, asked, _ = played(budget, steps, noise, most_rows)
    assert sum(heat.race.cost for heat in heats) <= budget * steps
    assert len(set(asked)) == len(asked), "none is asked for twice"


@UNHURRIED
@given(st.integers(6, 60), st.integers(8, 60))
def test_little_of_the_budget_is_left_over(budget: int, steps: int) -> None:
    heats, _, _ = played(budget, steps, noise)
    assert budget * steps - sum(heat.race.cost for heat in heats) < 0.35 * steps + 1


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_of_a_small_budget_only_what_the_start_leaves_over_refines(budget: int) -> None:
    _, asked, _ = played(budget, 20, noise)
    assert sum(recipe.is_refined for recipe in asked) <= 1
    assert asked[0] == Recipe(7)


def first_children(budget: int, count: int | None = None) -> tuple[list[Recipe], list[Recipe]]:
    """Of a start of which so many were run, with rising scores; the first four are images."""
    algorithm = auto_search(7, budget, levels(20))
    ran = next(algorithm).recipes[:count]
    scores = Scores(map(float, range(len(ran))), [index < 4 for index in range(len(ran))])
    scores.recipes = ran
    return ran, algorithm.send(scores).recipes


@pytest.mark.parametrize("budget", [6, 8, 16])
def test_children_come_from_the_best_two_images_so_far(budget: int) -> None:
    ran, children = first_children(budget)
    assert {child.before() for child in children} == {ran[2], ran[3]}
    assert {child.along.turns[-1].down for child in children} == {0.0}
    assert len({child.along.turns[-1].seed for child in children}) == len(children)


def test_where_candidates_run_one_by_one_fewer_start_and_those_are_refined() -> None:
    ran, children = first_children(8, count=4)
    assert {child.before() for child in children} == {ran[2], ran[3]}


def test_a_child_of_a_child_goes_on_from_that() -> None:
    _, asked, _ = played(40, 20, lambda recipe: len(recipe.path.turns) if recipe.path else 0.0)
    deepest = max(asked, key=lambda recipe: len(recipe.path.turns) if recipe.path else 0)
    assert len(deepest.along.turns) > 2
    assert deepest.before() in asked


def test_the_same_whatever_is_seen_of_it() -> None:
    assert played(16, 20, noise)[1] == played(16, 20, noise)[1]


def test_rounds_are_shares_of_the_steps() -> None:
    first = [next_round(8 * steps, steps) for steps in (20, 50)]
    assert [race and race.steps for race in first] == [14, 35]
    assert next_round(8, 1) is None


def test_looks_that_were_wrong_too_often_stop_no_children() -> None:
    right = Scores([1.0, 2.0, 3.0], early=[0.1, 0.2, 0.3])
    wrong = Scores([3.0, 2.0, 1.0], early=[0.1, 0.2, 0.3])
    elsewhere = Scores([3.0, 2.0, 1.0], rounds=[0, 1, 2], early=[0.1, 0.2, 0.3])
    assert [is_trusted(scores) for scores in (Scores(), right, wrong, elsewhere)] == [True, True, False, True]
    looked, unseen = next_round(160, 20), next_round(160, 20, looks=False)
    assert looked is not None and looked.cuts
    assert unseen is not None and not unseen.cuts


def test_it_can_end_after_any_round() -> None:
    algorithm = auto_search(7, 8, levels(20))
    heat = next(algorithm)
    with pytest.raises(Enough):
        algorithm.throw(Enough(Scores([0.0] * len(heat.recipes))))


@UNHURRIED
@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_all_but_one_image_of_the_budget_goes_into_a_given_recipe(budget: int, steps: int, is_long: bool) -> None:
    given = Recipe(21).moved(1, 0.9).refined(2, 0.5) if is_long else Recipe(21)
    algorithm = AutoSearch(budget, given).begin(Start(7, steps, levels=tuple(levels(steps))))
    heats, asked, _ = played(budget, steps, noise, algorithm=algorithm)
    assert asked[0] == given
    assert all(recipe.way()[: len(given.way())] == given.way() for recipe in asked)
    assert len(set(asked)) == len(asked), "none is asked for twice"
    spent = sum(heat.race.cost for heat in heats[1:])
    assert spent <= (budget - 1) * steps
    if budget > 1 and steps >= 8:
        assert (budget - 1) * steps - spent < 0.35 * steps + 1
    assert AutoSearch(budget, given).trajectories == budget + 0.5 * is_long


def test_where_a_given_recipe_fails_there_is_nothing_to_go_on_from() -> None:
    algorithm = refined_around(Recipe(21), 7, 8, levels(20))
    assert next(algorithm) == [Recipe(21)]
    with pytest.raises(StopIteration):
        algorithm.send(Scores([0.0], [False]))


def test_no_budget_is_refused() -> None:
    with pytest.raises(SettingError, match="budget is 0"):
        AutoSearch(0)
