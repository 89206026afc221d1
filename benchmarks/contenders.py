"""The searches that effective_n.py compares: given a budget in trajectories, each spends at most that.

Those of the pack run by the nodes' own methods with the nodes' own settings, but where a name says another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import others
from demo_bench import Bench
from searches import EARLY, EARLY_WIDTH, PAPER, PAPER_WIDTH
from torch import Tensor

Search = Callable[[Bench, Any, Any, int, int], tuple[Tensor, int]]  # given verifier, caption, seed and budget
NEIGHBORS = {2: (1, 1), 4: (1, 3), 8: (1, 7), 16: (3, 5)}  # iterations, neighbors


def by(module: str, name: str, settings: Callable[[int], tuple[Any, ...]]) -> Search:
    """By a method of the pack. settings: of a budget."""

    def search(bench: Bench, verifier: Any, caption: Any, seed: int, budget: int) -> tuple[Tensor, int]:
        method = getattr(importlib.import_module(f"noise_search.search.methods.{module}"), name)
        report, latent = bench.found(method(*settings(budget)), verifier, caption, seed)
        return latent, report.nfe

    return search


def paths(widths: dict[int, tuple[int, int]], levels: dict[str, float]) -> Search:
    return by("paths", "PathSearch", lambda budget: (*widths[budget], *levels.values()))


def zero_order(cosine: float) -> Search:
    return by("zero_order", "ZeroOrder", lambda budget: (*NEIGHBORS[budget], cosine))


def drafts(steps: int, finalists: int) -> Search:
    """Random search on fewer steps. finalists: that run again in full, beside the image without search."""

    def search(bench: Bench, verifier: Any, caption: Any, seed: int, budget: int) -> tuple[Tensor, int]:
        names = "plan", "methods.random_search"
        plan, methods = (importlib.import_module(f"noise_search.search.{name}") for name in names)
        candidates = max(1, (budget - 1 - finalists) * bench.steps // steps)
        limits = plan.Limits(batch_size=bench.batch, search_steps=steps)
        with patch.object(plan.Plan, "finalists", lambda *_: finalists):
            report, latent = bench.found(methods.RandomSearch(candidates), verifier, caption, seed, limits=limits)
        return latent, report.nfe

    return search


CONTENDERS: dict[str, Search] = {
    "random, pruned": by("random_search", "RandomSearch", lambda budget: (budget, "progressive")),
    "random, looks ahead": by("random_search", "RandomSearch", lambda budget: (budget, "look ahead")),
    "auto": by("auto_search", "AutoSearch", lambda budget: (budget,)),
    "zero-order, cosine 0.95": zero_order(0.95),
    "zero-order, cosine 0.6": zero_order(0.6),
    "paths, early": paths(EARLY_WIDTH, EARLY),
    "paths, paper": paths(PAPER_WIDTH, PAPER),
    "drafts, 8 steps": drafts(8, 1),
    "drafts, 6 steps": drafts(6, 2),
    "CMA-ES, low band": others.cma_es,
    "FK with GLASS": others.fk_glass,
}
SMALLEST = {  # budgets
    "paths, early": min(EARLY_WIDTH),
    "paths, paper": min(PAPER_WIDTH),
    "drafts, 8 steps": 4,
    "drafts, 6 steps": 4,
}
