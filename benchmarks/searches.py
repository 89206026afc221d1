"""The search methods as benchmarks run them on the demo model: what each picks at several budgets of trajectories.

A method is a generator: for each budget what it picked, and the NFE spent. Methods that can be stopped at any time run
once, with the largest budget.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from demo_bench import Bench, Judged

NEIGHBORS = 4
PAPER = {"start": 0.11, "forward": 0.78, "backward": 0.81}
EARLY = {"start": 0.7, "forward": 0.1, "backward": 0.3}
# Paths and branches whose cost is next below the budget. A stretch between two levels takes a step more than its share.
PAPER_WIDTH = {8: (1, 2), 16: (1, 5), 32: (1, 11), 64: (1, 24)}
EARLY_WIDTH = {4: (1, 2), 8: (3, 2), 16: (3, 5), 32: (6, 5), 64: (12, 5)}

Found = Iterator[tuple[int, Judged, int]]  # budget, what was picked, NFE


def random(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    search = algorithm("methods.random_search", "random_search")
    return _anytime(bench, lambda s, steps: search(s, max(budgets)), caption, seed, budgets)


def zero_order(cosine: float) -> Callable[..., Found]:
    """One long search; at each budget what it had found by then, in the middle of a round if need be."""

    def found(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
        search, rounds = algorithm("methods.zero_order", "zero_order"), max(budgets) // NEIGHBORS
        yield from _anytime(bench, lambda s, steps: search(s, rounds, NEIGHBORS, cosine), caption, seed, budgets)

    return found


def of_node(module: str, name: str, *settings: Any) -> Callable[..., Found]:
    """A search for each budget, by the method of a node. settings: those after the budget."""

    def found(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
        for budget in budgets:
            method = algorithm(module, name)(budget, *settings)
            report, latent = bench.found(method, bench.verifier, caption, seed)
            yield budget, bench.judged(latent, caption), report.nfe

    return found


def early_paths(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    return _paths(bench, EARLY, EARLY_WIDTH, caption, seed, budgets)


def paper_paths(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    return _paths(bench, PAPER, PAPER_WIDTH, caption, seed, budgets)


def more_steps(
    bench: Bench, captions: Sequence[Any], seeds: Sequence[int], budgets: Sequence[int]
) -> Iterator[tuple[int, list[Judged], int]]:
    """No search: the budget goes into the steps of one image. Of several captions at once, which is faster."""
    for budget in budgets:
        steps = budget * bench.steps
        yield budget, bench.images(captions, seeds, steps), steps


def _anytime(bench: Bench, algorithm: Any, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    report, seen = bench.search(algorithm, max(budgets), caption, seed)
    for budget in budgets:
        yield budget, best(seen[:budget]), sum(candidate.nfe for candidate in report.candidates[:budget])


def _paths(
    bench: Bench, levels: dict[str, float], widths: dict[int, Any], caption: Any, seed: int, budgets: Sequence[int]
) -> Found:
    search = algorithm("methods.paths", "path_search")
    for budget in (budget for budget in budgets if budget in widths):
        settings = dict(zip(("paths", "branches"), widths[budget], strict=True)) | levels
        report, seen = bench.search(lambda s, steps, c=settings: search(s, **c), budget, caption, seed)
        finished = [image for image, c in zip(seen, report.candidates, strict=True) if c.is_finished]
        yield budget, best(finished), report.nfe


def algorithm(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"noise_search.search.{module}"), name)


def best(images: Sequence[Judged]) -> Judged:
    return max(images, key=lambda image: image.score)
