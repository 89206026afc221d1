"""Zero-order search on toy rewards of a noise: what it gains, what it costs, what it never does."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import pytest
import torch
from torch import Tensor

from noise_search.search.methods.noise import neighbor
from noise_search.search.methods.zero_order import zero_order
from noise_search.search.records.recipe import Recipe

DIMENSIONS = 4096
Reward = Callable[[Tensor], float]


def noise_of(recipe: Recipe, dimensions: int = DIMENSIONS) -> Tensor:
    start = torch.randn(dimensions, generator=torch.Generator().manual_seed(recipe.seed))
    return reduce(lambda n, m: neighbor(n, m.cosine, torch.Generator().manual_seed(m.seed)), recipe.moves, start)


def climb(reward: Reward, seed: int, iterations: int, neighbors: int, cosine: float = 0.95) -> list[float]:
    """Every score of a search, in the order they were asked for; noises are cached as the chain of moves grows."""
    known: dict[Recipe, Tensor] = {}

    def realise(recipe: Recipe) -> Tensor:
        if recipe not in known:
            if not recipe.moves:
                known[recipe] = noise_of(recipe)
            else:
                move, before = recipe.moves[-1], Recipe(recipe.seed, recipe.moves[:-1])
                known[recipe] = neighbor(realise(before), move.cosine, torch.Generator().manual_seed(move.seed))
        return known[recipe]

    algorithm = zero_order(seed, iterations, neighbors, cosine)
    scores: list[float] = []
    asked = next(algorithm)
    while True:
        scores += [reward(realise(recipe)) for recipe in asked]
        try:
            asked = algorithm.send(scores)
        except StopIteration:
            return scores


def linear(seed: int) -> Reward:
    direction = torch.randn(DIMENSIONS, generator=torch.Generator().manual_seed(10_000 + seed))
    direction = direction / direction.norm()
    return lambda noise: float(direction @ noise)


def multimodal(seed: int) -> Reward:
    """A sum of waves across 50 directions, some eight periods over the range of a noise."""
    draw = torch.Generator().manual_seed(20_000 + seed)
    waves = torch.randn(50, DIMENSIONS, generator=draw)
    waves = waves / waves.norm(dim=1, keepdim=True)
    phases = torch.rand(50, generator=draw) * 2 * math.pi
    return lambda noise: float(torch.cos(8 * (waves @ noise) + phases).mean() * math.sqrt(100))


def random_best(reward: Reward, seed: int, count: int) -> float:
    return max(reward(noise_of(Recipe(1_000_000 + 1000 * seed + i))) for i in range(count))


def test_it_gains_three_sigma_on_a_linear_reward_where_random_search_gains_two() -> None:
    runs = range(200)
    climbed = sum(max(climb(linear(seed), seed, 12, 4)) for seed in runs) / len(runs)
    random = sum(random_best(linear(seed), seed, 50) for seed in runs) / len(runs)
    assert climbed >= 3.0
    assert random == pytest.approx(2.25, abs=0.1)


def test_it_does_not_fall_below_random_on_a_multimodal_reward() -> None:
    runs = range(40)
    climbed = sum(max(climb(multimodal(seed), seed, 12, 4)) for seed in runs) / len(runs)
    random = sum(random_best(multimodal(seed), seed, 49) for seed in runs) / len(runs)
    assert climbed >= random


def test_the_adaptive_step_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("noise_search.search.methods.zero_order", fromlist=["SHRINK"])
    runs = range(40)
    adaptive = [sum(max(climb(toy(seed), seed, 12, 4)) for seed in runs) for toy in (linear, multimodal)]
    monkeypatch.setattr(module, "SHRINK", 1.0)
    monkeypatch.setattr(module, "GROW", 1.0)
    fixed = [sum(max(climb(toy(seed), seed, 12, 4)) for seed in runs) for toy in (linear, multimodal)]
    assert adaptive[0] > fixed[0]
    assert adaptive[1] > fixed[1]


def test_it_costs_one_and_iterations_times_neighbors() -> None:
    assert len(climb(linear(0), 0, iterations=5, neighbors=3)) == 1 + 5 * 3


def test_it_replays_from_its_seed() -> None:
    assert climb(linear(0), 4, 5, 3) == climb(linear(0), 4, 5, 3)
    assert climb(linear(0), 4, 5, 3) != climb(linear(0), 5, 5, 3)


def test_the_pivot_is_kept_when_it_is_best_and_never_asked_again() -> None:
    algorithm = zero_order(3, 4, 2, 0.9)
    (pivot,) = next(algorithm)
    assert pivot == Recipe(3)
    seen = [pivot]
    scores = [1.0]
    for _ in range(4):
        asked = algorithm.send(scores)
        assert all(recipe.moves[:-1] == () for recipe in asked), "neighbours of the first pivot, every time"
        seen += asked
        scores = scores + [0.0] * len(asked)
    assert len(set(seen)) == len(seen)


def test_the_best_neighbour_becomes_the_pivot() -> None:
    algorithm = zero_order(3, 2, 3, 0.9)
    next(algorithm)
    first = algorithm.send([0.0])
    second = algorithm.send([0.0, 0.5, 2.0, 1.0])
    assert all(recipe.moves[:-1] == first[1].moves for recipe in second)


def test_the_step_shortens_without_and_lengthens_with_improvement() -> None:
    algorithm = zero_order(3, 3, 1, 0.9)
    next(algorithm)
    (first,) = algorithm.send([0.0])
    (second,) = algorithm.send([0.0, -1.0])
    (third,) = algorithm.send([0.0, -1.0, 1.0])
    assert first.moves[-1].cosine == pytest.approx(0.9)
    assert second.moves[-1].cosine > first.moves[-1].cosine
    assert third.moves[-1].cosine < second.moves[-1].cosine


def test_the_pivot_is_ranked_anew_with_its_neighbours() -> None:
    """A verifier that ranks candidates among each other may change its mind about old ones when new ones come."""
    algorithm = zero_order(3, 3, 1, 0.9)
    next(algorithm)
    (first,) = algorithm.send([0.0])
    (second,) = algorithm.send([0.0, 1.0])
    assert second.moves[:-1] == first.moves
    (third,) = algorithm.send([0.0, 0.2, 0.5])
    assert third.moves[:-1] == second.moves


def test_norms_are_kept_along_a_path() -> None:
    recipe = Recipe(1)
    for seed in range(20):
        recipe = recipe.moved(seed, 0.9)
    assert noise_of(recipe).norm() == pytest.approx(float(noise_of(Recipe(1)).norm()), rel=1e-6)


def test_a_pivot_that_failed_gives_way_and_a_neighbour_that_failed_does_not_become_one() -> None:
    algorithm = zero_order(5, iterations=3, neighbors=2, cosine=0.9)
    next(algorithm)
    first = algorithm.send([-math.inf])
    second = algorithm.send([-math.inf, -math.inf, 0.1])
    third = algorithm.send([-math.inf, -math.inf, 0.1, -math.inf, -math.inf])
    assert [recipe.moves[:-1] for recipe in first] == [()] * 2
    assert [recipe.moves[:-1] for recipe in [*second, *third]] == [first[1].moves] * 4
