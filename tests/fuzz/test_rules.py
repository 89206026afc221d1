"""What holds for every algorithm, recipe and split, whatever it is asked for: drawn at random, without ComfyUI."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_search.search.methods.base import Algorithm, Enough, Heat
from noise_search.search.methods.paths import cost, path_search, turns
from noise_search.search.methods.random_search import pruned_random_search, random_search
from noise_search.search.methods.zero_order import LONGEST, zero_order
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Move, Path, Recipe, Turn
from noise_search.search.records.recipe_text import RecipeError, parse_recipes
from noise_search.search.records.standing import Result, Standing
from noise_search.search.sampling.levels import thin
from noise_search.search.steps import spacing
from noise_search.search.steps.allocation import allocate
from noise_search.search.steps.pilot import Pilot, Stage
from noise_search.verifiers.ensemble import METHODS, Ensemble

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)
SEEDS = st.integers(0, 2**64 - 1)
UNIT = st.floats(0, 1)
TURNS = st.lists(st.builds(Turn, SEEDS, UNIT, UNIT), max_size=3).map(tuple)
REFINED = st.lists(st.builds(Turn, SEEDS, UNIT, st.just(0.0)), min_size=1, max_size=3).map(tuple)
PATHS = st.none() | st.builds(Path, UNIT, TURNS, st.just(True)) | st.builds(Path, st.none(), REFINED, st.just(False))
MOVES = st.lists(st.builds(Move, SEEDS, st.floats(-1, 1)), max_size=4).map(tuple)
RECIPES = st.builds(Recipe, SEEDS, MOVES, PATHS, variety=st.just(0.0) | UNIT)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(["seed", "moves", "path", "start", "turns", "variety", "cosine", "up", "down", "x"])
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))


@given(st.lists(RECIPES, min_size=1, max_size=3))
@PROPERTY
def test_a_recipes_text_gives_the_recipe_again(recipes: list[Recipe]) -> None:
    assert parse_recipes(json.dumps([recipe.to_dict() for recipe in recipes])) == recipes
    assert parse_recipes(json.dumps(recipes[0].to_dict(), indent=2)) == recipes[:1]


@given(RECIPES)
@PROPERTY
def test_the_way_of_a_recipe_begins_at_noise_and_each_goes_on_from_the_one_before(recipe: Recipe) -> None:
    way = recipe.way()
    assert way[0].before() is None and way[-1] == recipe
    assert all(after.before() == before for before, after in pairwise(way))
    assert all(part.is_open or recipe.is_refined for part in way[:-1])


@given(st.one_of(JSON, st.fixed_dictionaries({"seed": JSON, "moves": JSON}, optional={"path": JSON})))
@PROPERTY
def test_any_json_is_a_recipe_that_writes_itself_again_or_is_refused(value: object) -> None:
    try:
        recipes = parse_recipes(json.dumps(value))
    except RecipeError:
        return
    assert parse_recipes(json.dumps([recipe.to_dict() for recipe in recipes])) == recipes


@given(st.text(max_size=40))
@PROPERTY
def test_any_text_is_a_recipe_or_is_refused(text: str) -> None:
    try:
        assert parse_recipes(text)
    except RecipeError:
        pass


@given(st.integers(1, 300), st.integers(1, 300))
@PROPERTY
def test_fewer_steps_of_a_schedule_are_falling_steps_of_it_with_its_ends(steps: int, wanted: int) -> None:
    sigmas = torch.linspace(14.6, 0, steps + 1)
    chosen = thin(sigmas, wanted)
    assert len(chosen) == min(steps, wanted) + 1
    assert (chosen[0], chosen[-1]) == (sigmas[0], sigmas[-1])
    assert (chosen[1:] < chosen[:-1]).all()
    assert set(chosen.tolist()) <= set(sigmas.tolist())


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), st.integers(1, 100), st.floats(0.2, 1))
@PROPERTY
def test_spaced_levels_fall_from_the_pilots_start_to_0(bends: list[float], steps: int, top: float) -> None:
    edges = [top - (top - 0.01) * at / len(bends) for at in range(len(bends) + 1)]
    pilot = Pilot(tuple(Stage(*edges[at : at + 2], bend) for at, bend in enumerate(bends)), 9, 0, 1.0)
    levels = spacing.levels(pilot, steps)
    assert len(levels) == steps + 1
    assert (levels[0], levels[-1]) == (top, 0.0)
    assert all(above > below for above, below in pairwise(levels))
    tolerance = spacing.expected_error(pilot, steps)
    assert spacing.steps_for(pilot, tolerance) == steps
    assert spacing.expected_error(pilot, steps + 1) < tolerance


@given(st.integers(1, 5000), st.integers(0, 50), st.integers(1, 3), st.integers(0, 3))
@PROPERTY
def test_a_budget_is_never_exceeded_and_never_too_small_by_a_step(
    nfe: int, candidates: int, each: int, first: int
) -> None:
    price = lambda steps: first + each * steps if steps else 0  # noqa: E731
    try:
        split = allocate(nfe, candidates, price)
    except ValueError as error:
        assert f"{nfe} NFE do not pay for one step" in str(error)
        assert price(1) * max(candidates, 1) > nfe or not candidates
        return
    assert split.nfe == split.candidates * price(split.steps) <= nfe
    assert split.steps >= 1 and split.candidates == (candidates or split.candidates) >= 1
    if candidates:
        assert candidates * price(split.steps + 1) > nfe


Round = list[tuple[Recipe, float]]


def driven(algorithm: Algorithm, scores: st.DataObject, enough_after: int = 1000, missing: int = 0) -> list[Round]:
    """The rounds that it asks for, with the scores they get; after so many rounds, in the last of which so many have
    not run, people want the best so far.
    """
    rounds: list[Round] = []
    asked = next(algorithm)
    while asked is not None:
        recipes = asked.recipes if isinstance(asked, Heat) else asked
        rounds.append([(recipe, float(scores.draw(st.integers(-3, 3)))) for recipe in recipes])
        try:
            if len(rounds) == enough_after:
                del rounds[-1][len(rounds[-1]) - missing :]
                asked = algorithm.throw(Enough([score for done in rounds for _, score in done]))
            else:
                asked = algorithm.send([score for done in rounds for _, score in done])
        except (StopIteration, Enough):
            asked = None
    return rounds


@given(SEEDS, st.integers(1, 40), st.integers(1, 30))
@PROPERTY
def test_random_searches_ask_for_consecutive_seeds_each_once(seed: int, candidates: int, steps: int) -> None:
    plain, *_ = list(random_search(seed, candidates))
    pruned = [recipe for heat in pruned_random_search(seed, candidates, steps) for recipe in heat.recipes]
    for recipes in (plain, pruned):
        assert recipes[0] == Recipe(seed)
        assert len(set(recipes)) == len(recipes) >= candidates
    assert pruned[:candidates] == plain


@given(SEEDS, st.integers(1, 6), st.integers(1, 5), st.floats(0, 0.9999), st.data())
@PROPERTY
def test_zero_order_goes_on_from_the_best_it_has_seen_and_costs_what_it_says(
    seed: int, iterations: int, neighbors: int, cosine: float, data: st.DataObject
) -> None:
    rounds = driven(zero_order(seed, iterations, neighbors, cosine), data)
    seen = list(rounds[0])
    assert seen[0][0] == Recipe(seed)
    for around in rounds[1:]:
        best = max(seen, key=lambda one: one[1])[0]
        assert len(around) == neighbors
        for recipe, _ in around:
            assert recipe._replace(moves=recipe.moves[:-1]) == best
            angle = math.acos(recipe.moves[-1].cosine)
            assert angle <= min(LONGEST * math.acos(cosine), math.pi / 2) + 1e-6
        seen += around
    assert len(seen) == 1 + iterations * neighbors


LEVELS = st.tuples(st.integers(1, 60), st.integers(1, 40), st.integers(5, 60)).filter(lambda at: at[1] + at[2] < 100)


@given(SEEDS, st.integers(1, 3), st.integers(1, 3), LEVELS, st.data())
@PROPERTY
def test_paths_go_on_from_latents_of_the_round_before_and_cost_what_they_say(
    seed: int, paths: int, branches: int, levels: tuple[int, int, int], data: st.DataObject
) -> None:
    start, forward, net = (level / 100 for level in levels)
    settings = (paths, branches, start, forward, forward + net)
    rounds = driven(path_search(seed, *settings), data)
    for before, after in pairwise(rounds[1:]):
        assert {recipe.before() for recipe, _ in after} <= {recipe for recipe, _ in before}
    asked = [recipe for done in rounds for recipe, _ in done]
    assert asked[0] == Recipe(seed)
    assert not any(recipe.is_open for recipe, _ in rounds[-1])
    assert sum(map(length, asked)) == pytest.approx(cost(*settings))
    assert (len(rounds), len(rounds[-1])) == (len(turns(*settings[2:])) + 3, paths)
    assert len(set(asked)) == len(asked)


@given(SEEDS, st.integers(1, 3), st.integers(1, 3), LEVELS, st.integers(1, 6), st.integers(0, 9), st.data())
@PROPERTY
def test_when_people_have_seen_enough_the_best_path_goes_on_from_where_it_was(
    seed: int,
    paths: int,
    branches: int,
    levels: tuple[int, int, int],
    enough_after: int,
    missing: int,
    data: st.DataObject,
) -> None:
    """Be it of the round in which they say so, or of the one before."""
    start, forward, net = (level / 100 for level in levels)
    rounds = driven(path_search(seed, paths, branches, start, forward, forward + net), data, enough_after, missing)
    said, ending = rounds[:enough_after], rounds[enough_after:]
    going = [max(done, key=lambda one: one[1]) for done in said[-2:] if done and done[0][0].is_open]
    if enough_after >= len(turns(start, forward, forward + net)) + 3 or not going:
        assert not ending
        return
    ((recipe, _),) = ending[0]
    assert recipe.path.finished
    assert recipe.before() == max(going, key=lambda one: one[1])[0]


def length(recipe: Recipe) -> float:
    """Of the last stretch, in levels."""
    if recipe.path is None:
        return 1.0
    if recipe.path.finished:
        return recipe.path.level
    return recipe.path.turns[-1].up - recipe.path.turns[-1].down if recipe.path.turns else 1 - recipe.path.start


class Named:
    needs_prompt = False

    def __init__(self, name: str):
        self.name = name

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        raise AssertionError("not asked here")


GRADES = st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.sampled_from([None, None, None, 5]))


@given(st.lists(GRADES, min_size=1, max_size=12), st.lists(st.integers(1, 4), max_size=12), st.sampled_from(METHODS))
@PROPERTY
def test_the_winner_of_an_ensemble_is_the_same_whatever_was_judged_together_and_its_latent_is_kept(
    grades: list[tuple[int, int, int | None]], sizes: list[int], method: str
) -> None:
    ensemble = Ensemble([Named("a"), Named("b")], method)
    seen = [Candidate({"a": float(a), "b": float(b)}, Recipe(7), 20, b"", stopped) for a, b, stopped in grades]
    candidates = [(one, Result(torch.tensor(at), torch.tensor(at))) for at, one in enumerate(seen)]
    whole, parts = (Standing(ensemble) for _ in range(2))
    whole.add(candidates)
    at = 0
    for size in [*sizes, len(candidates)]:
        parts.add(candidates[at : at + size])
        at += size
        if at >= len(candidates):
            break
    assert parts.best == whole.best
    assert parts.candidates() == whole.candidates()
    finished = [candidate for candidate in whole.candidates() if candidate.is_finished]
    assert (whole.best is None) == (not finished)
    if finished:
        assert whole.best == max(finished, key=lambda candidate: candidate.score).index
        assert int(parts.results[whole.best].latent) == whole.best
