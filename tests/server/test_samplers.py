"""Stock sampler nodes on a real server: they search, and the winner's seed in the same node gives the same picture."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from comfy_client import Client, Result
from comfy_graph import Link, Node
from shapes_graph import ROUNDING, SAMPLERS, SEED, ShapesGraph, difference, pictures, reports, winning_seed

EVERY_SAMPLER = importlib.import_module("comfy.samplers").SAMPLER_NAMES

Sampling = Callable[[ShapesGraph, Node | Link, int], Node]  # (graph, model, seed) -> the sampler node


@dataclass(frozen=True)
class Pair:
    """The report of a search, its picture, and that of the winner's seed in the stock sampler."""

    report: dict[str, Any]
    searched: np.ndarray
    replayed: np.ndarray


def searched_and_replayed(
    client: Client, cases: dict[str, tuple[Sampling, dict[str, Any]]], **of_graph: Any
) -> dict[str, Pair]:
    """Every case searches, in one prompt; then every winner's seed without a search, in another."""
    graph, nodes = ShapesGraph(**of_graph), {}
    for name, (sample, settings) in cases.items():
        search = graph.search(**settings)
        sampled = sample(graph, search, SEED)
        nodes[name] = graph.saved(sampled), graph.report(sampled, search)
    result = client.run(graph).check()
    found = {name: reports(result, shown)[0] for name, (_, shown) in nodes.items()}
    stock, saved = ShapesGraph(**of_graph), {}
    for name, (sample, _) in cases.items():
        saved[name] = stock.saved(sample(stock, stock.loader, winning_seed(found[name])))
    replay = client.run(stock).check()
    return {
        name: Pair(found[name], picture(client, result, nodes[name][0]), picture(client, replay, saved[name]))
        for name in cases
    }


def picture(client: Client, result: Result, node: Node) -> np.ndarray:
    return pictures(client, result, node)[0]


def node_cases() -> dict[str, tuple[Sampling, dict[str, Any]]]:
    cases: dict[str, tuple[Sampling, dict[str, Any]]] = {}
    for solver in SAMPLERS:
        nodes: dict[str, Sampling] = {
            "KSampler": lambda graph, model, seed, solver=solver: graph.ksampler(model, seed, sampler_name=solver),
            "KSampler with CFG": lambda graph, model, seed, solver=solver: graph.ksampler(
                model, seed, sampler_name=solver, cfg=3.0
            ),
            "KSamplerAdvanced": lambda graph, model, seed, solver=solver: graph.advanced(
                model, seed, sampler_name=solver
            ),
            "SamplerCustom": lambda graph, model, seed, solver=solver: graph.custom(model, seed, solver),
            "SamplerCustomAdvanced and BasicGuider": lambda graph, model, seed, solver=solver: graph.guided(
                graph.basic_guider(model), seed, solver
            ),
            "SamplerCustomAdvanced and CFGGuider": lambda graph, model, seed, solver=solver: graph.guided(
                graph.cfg_guider(model), seed, solver
            ),
        }
        for name, sample in nodes.items():
            candidates, sizes = (5, (0, 1, 4)) if name == "KSampler" else (3, (0,))
            for size in sizes:
                settings = {"candidates": candidates, "batch_size": size}
                cases[f"{name}, {solver}, batch size {size}"] = sample, settings
    return cases


NODE_CASES = node_cases()


@pytest.fixture(scope="module")
def by_node(server) -> dict[str, Pair]:
    return searched_and_replayed(Client(server.url), NODE_CASES)


@pytest.mark.parametrize("name", NODE_CASES)
def test_a_stock_sampler_node_searches_and_the_winners_seed_replays_without_search(
    by_node: dict[str, Pair], name: str
) -> None:
    pair = by_node[name]
    assert len(pair.report["candidates"]) == NODE_CASES[name][1]["candidates"]
    assert pair.report["best"]["score"] >= pair.report["baseline"]["score"]
    assert difference(pair.searched, pair.replayed) <= ROUNDING


@pytest.mark.parametrize("solver", SAMPLERS)
def test_the_batch_size_changes_no_score(by_node: dict[str, Pair], solver: str) -> None:
    one, *others = (by_node[f"KSampler, {solver}, batch size {size}"].report for size in (1, 4, 0))
    expected = [candidate["score"] for candidate in one["candidates"]]
    for other in others:
        assert [candidate["score"] for candidate in other["candidates"]] == pytest.approx(expected, abs=1e-3)


def test_the_winners_are_not_all_alike(by_node: dict[str, Pair]) -> None:
    """Guards the tests above: they would pass if no search ever left candidate 0, or all pictures were the same."""
    assert sum(pair.report["best"]["index"] > 0 for pair in by_node.values()) > len(by_node) / 2
    of_solvers = [by_node[f"KSampler, {solver}, batch size 0"].searched for solver in SAMPLERS]
    assert difference(of_solvers[0], of_solvers[1]) > 20
    assert difference(of_solvers[0], of_solvers[2]) > 20


@pytest.fixture(scope="module")
def by_solver(server) -> dict[str, Pair]:
    cases = {
        solver: (
            lambda graph, model, seed, solver=solver: graph.ksampler(model, seed, sampler_name=solver),
            {"candidates": 3},
        )
        for solver in EVERY_SAMPLER
    }
    return searched_and_replayed(Client(server.url), cases, steps=6)


@pytest.mark.parametrize("solver", EVERY_SAMPLER)
def test_every_solver_is_never_worse_than_without_search_and_replays(by_solver: dict[str, Pair], solver: str) -> None:
    pair = by_solver[solver]
    assert len(pair.report["candidates"]) == 3
    assert pair.report["best"]["score"] >= pair.report["baseline"]["score"]
    assert difference(pair.searched, pair.replayed) <= ROUNDING
