"""A search method is two files: one in search/methods, one in nodes/searches. Both are written here, into a copy of the
pack, and everything works with it: on MODEL, in a loop, after a cancel, and again from its recipe."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comfy_client import Client
from comfy_graph import Node
from comfy_server import Server, serve
from layout import PACK_NAME, ROOT, custom_nodes
from loop_graph import LoopGraph
from shapes_graph import ROUNDING, SEED, difference, pictures, reports

STEPS, GENERATIONS, POPULATION = 4, 2, 4
METHOD = '''
"""CMA-ES (package cmaes) over the angles of three moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from cmaes import CMA

from ..records.recipe import Recipe
from .base import Algorithm, Method, Start
from .checks import at_least

ANGLES = 3


@dataclass(frozen=True)
class Evolution(Method):
    name: ClassVar[str] = "evolution"
    needs_noise: ClassVar[bool] = True

    generations: int
    population: int

    def __post_init__(self) -> None:
        at_least(generations=(self.generations, 1), population=(self.population, 3))

    @property
    def trajectories(self) -> float:
        return 1 + self.generations * self.population

    def begin(self, start: Start) -> Algorithm:
        yield [Recipe(start.seed)]
        bounds = np.array([[0.0, math.pi / 2]] * ANGLES)
        strategy = CMA(np.full(ANGLES, 0.4), 0.2, bounds=bounds, seed=start.seed, population_size=self.population)
        for _ in range(self.generations):
            points = [strategy.ask() for _ in range(self.population)]
            scores = yield [moved(start.seed, point) for point in points]
            strategy.tell([(point, -score) for point, score in zip(points, scores[-self.population:])])


def moved(seed: int, angles: np.ndarray) -> Recipe:
    recipe = Recipe(seed)
    for direction, angle in enumerate(angles):
        recipe = recipe.moved(direction, math.cos(angle))
    return recipe
'''
NODE = '''
"""CMA-ES as a node."""

from comfy_api.latest import io

from ...search.methods.evolution import Evolution
from .base import SearchNode


class EvolutionSearch(SearchNode):
    METHOD = Evolution
    TITLE = "Evolution Search"

    @classmethod
    def define_schema(cls) -> io.Schema:
        return cls.schema("EvolutionSearch", "Searches by an evolution strategy.", aliases=["cma-es"])

    @classmethod
    def settings(cls) -> list[io.Input]:
        return [
            io.Int.Input("generations", default=2, min=1, max=100, tooltip="How often it learns."),
            io.Int.Input("population", default=4, min=3, max=100, tooltip="Candidates in each."),
        ]
'''
SHIPPED = ("demo", "nodes", "search", "verifiers", "web", "locales", "__init__.py", "pyproject.toml")


@pytest.fixture(scope="module")
def server(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("own_method")
    pack = base / "a copy"
    pack.mkdir()
    for name in SHIPPED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, pack / name)
    (pack / "search" / "methods" / "evolution.py").write_text(METHOD)
    (pack / "nodes" / "searches" / "evolution.py").write_text(NODE)
    with serve(comfyui, base, packs=custom_nodes() | {PACK_NAME: pack}) as server:
        yield server


def evolution(graph: LoopGraph, generations: int = GENERATIONS, **settings: Any) -> Node:
    values = {"model": graph.loader, "vae": graph.loader.out(2), "verifier": graph.verifier, "prompt": graph.caption}
    values |= {"max_seconds": 0.0, "batch_size": 0, "generations": generations, "population": POPULATION}
    return graph.node("EvolutionSearch", **(values | settings))


def test_it_searches_on_model_and_its_recipe_replays(client: Client) -> None:
    graph = LoopGraph(steps=STEPS)
    search = evolution(graph)
    sampled = graph.ksampler(search)
    recipe = graph.node("SearchReport", latent=sampled, search=search.out(1)).out(4)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    replay = graph.node("ReplayNoise", recipe=recipe, model=graph.loader)
    again = graph.saved(graph.ksampler(replay.out(1), seed=99))
    result = client.run(graph).check()
    (report,) = reports(result, shown)
    assert report["algorithm"] == "evolution"
    assert len(report["candidates"]) == 1 + GENERATIONS * POPULATION
    assert report["nfe"]["search"] == STEPS * len(report["candidates"])
    assert difference(pictures(client, result, saved), pictures(client, result, again)) <= ROUNDING


def test_more_generations_run_only_the_new_ones(client: Client) -> None:
    spent = []
    for generations in (1, 3):
        graph = LoopGraph(steps=STEPS)
        search = evolution(graph, generations)
        shown = graph.report(graph.ksampler(search, seed=77), search)
        (report,) = reports(client.run(graph).check(), shown)
        spent.append(report["nfe"])
    known = STEPS * (1 + POPULATION)
    assert spent[0] == {"search": known, "total": known}
    assert spent[1]["total"] - spent[1]["search"] == known, "also the settings of a new method are none of the score's"


def test_it_goes_on_after_a_cancel(client: Client, server: Server) -> None:
    graph = LoopGraph(side=64, steps=20)
    search = evolution(graph, generations=40, batch_size=1)
    shown = graph.report(graph.ksampler(search, seed=88), search)
    before = _lines(server)
    client.post("/prompt", {"prompt": graph.prompt})
    while _lines(server) < before + 3:
        time.sleep(0.02)
    client.interrupt()
    graph.prompt[search.id]["inputs"]["generations"] = 1
    (report,) = reports(client.run(graph).check(), shown)
    assert len(report["candidates"]) == 1 + POPULATION
    assert report["nfe"]["total"] - report["nfe"]["search"] >= 2 * 20


def test_it_searches_in_a_loop(client: Client) -> None:
    graph = LoopGraph(steps=STEPS)
    method = {"method": "evolution", "method.generations": 1, "method.population": POPULATION}
    loop = graph.guided_loop(method, seed=SEED)
    shown = graph.reported(loop.close)
    (report,) = reports(client.run(graph).check(), shown)
    assert report["algorithm"] == "evolution"
    assert len(report["candidates"]) == 1 + POPULATION
    assert len({tuple(map(tuple, map(dict.items, c["recipe"]["moves"]))) for c in report["candidates"]}) > 3


def test_a_wrong_setting_names_node_and_setting(client: Client) -> None:
    graph = LoopGraph(steps=STEPS)
    search = evolution(graph, population=graph.node("PrimitiveInt", value=2))
    graph.saved(graph.ksampler(search))
    error = client.run(graph).error
    assert error is not None and f"Evolution Search (node {search.id}): population is 2, but" in str(error)


def _lines(server: Server) -> int:
    """Candidates on disk."""
    return sum(page.read_bytes().count(b"\n") for page in server.base.glob("user/**/*.jsonl"))
