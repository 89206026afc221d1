"""The search methods side by side on the demo model, at equal cost, judged by what no search sees.

    .host/venv/bin/python benchmarks/methods.py [--captions 24] [--seeds 5] [--workers 2]

Every method runs in ComfyUI's own sampling (20 euler steps, cfg 3, the network in bfloat16) for each caption and seed,
at budgets of 8, 16, 32 trajectories. For what it picked, the table gives the verifier's score, which it optimised, and
how often the oracle finds the whole caption, which it did not see; with 90 % bootstrap intervals over captions. NFE is
what was spent.

Rows are added to benchmarks/results/methods.jsonl as they come; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from demo_bench import CFG, RESULTS, STEPS, Bench, Judged, arguments, captions, interval, made_on, read, shown, spread

BUDGETS = (8, 16, 32)
NEIGHBORS, COSINE = 4, 0.95
PAPER = {"start": 0.11, "forward": 0.78, "backward": 0.81}
EARLY = {"start": 0.7, "forward": 0.1, "backward": 0.3}
# Paths and branches whose cost is next below the budget. A stretch between two levels takes a step more than its share.
PAPER_WIDTH = {8: (1, 2), 16: (1, 5), 32: (1, 11)}
EARLY_WIDTH = {8: (3, 2), 16: (3, 5), 32: (6, 5)}


@dataclass(frozen=True)
class Row:
    """What one method picked for one caption and seed at one budget. nfe: spent. holds: what the oracle says."""

    method: str
    budget: int
    caption: int
    seed: int
    score: float
    holds: bool
    nfe: int


class Task(NamedTuple):
    """One caption and seed, and what is already known of it: methods with budgets."""

    caption: int
    captions: int
    seed: int
    done: frozenset[tuple[str, int]]


Found = Iterator[tuple[int, Judged, int]]  # budget, what was picked, NFE


def start() -> None:
    global bench
    bench = Bench()


def measure(task: Task) -> list[Row]:
    """What every method picks, as far as it is missing."""
    caption = captions(task.captions)[task.caption]
    rows = []
    with torch.inference_mode():
        for method, run in METHODS.items():
            wanted = [budget for budget in BUDGETS if (method, budget) not in task.done]
            for budget, picked, nfe in run(caption, 1000 * task.seed, wanted) if wanted else ():
                rows.append(Row(method, budget, task.caption, task.seed, picked.score, picked.holds, nfe))
    return rows


def random(caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    search = _algorithm("random", "random_search")
    return _anytime(lambda s, steps: search(s, max(budgets)), caption, seed, (1, *budgets))


def zero_order(caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    """One long search; at each budget what it had found by then, in the middle of a round if need be."""
    search = _algorithm("zero_order", "zero_order")
    return _anytime(lambda s, steps: search(s, max(budgets) // NEIGHBORS, NEIGHBORS, COSINE), caption, seed, budgets)


def pruned(caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    search = _algorithm("random", "pruned_random_search")
    for budget in budgets:
        report, seen = bench.search(
            lambda s, steps, n=budget: search(s, n, steps), budget, caption, seed, races=True
        )  # fmt: skip
        finished = sum(candidate.is_finished for candidate in report.candidates)
        yield budget, _best(seen[-finished:]), report.nfe


def early_paths(caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    return _paths(EARLY, EARLY_WIDTH, caption, seed, budgets)


def paper_paths(caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    return _paths(PAPER, PAPER_WIDTH, caption, seed, budgets)


METHODS = {
    "random": random,
    "random, pruned": pruned,
    "zero-order": zero_order,
    "paths, early": early_paths,
    "paths, paper": paper_paths,
}


def _anytime(algorithm: Any, caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    report, seen = bench.search(algorithm, max(budgets), caption, seed)
    for budget in budgets:
        yield budget, _best(seen[:budget]), sum(candidate.nfe for candidate in report.candidates[:budget])


def _paths(levels: dict[str, float], widths: dict[int, Any], caption: Any, seed: int, budgets: Sequence[int]) -> Found:
    search = _algorithm("paths", "path_search")
    for budget in budgets:
        settings = dict(zip(("paths", "branches"), widths[budget], strict=True)) | levels
        report, seen = bench.search(lambda s, steps, c=settings: search(s, **c), budget, caption, seed)
        finished = [image for image, c in zip(seen, report.candidates, strict=True) if c.is_finished]
        yield budget, _best(finished), report.nfe


def _algorithm(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"noise_search.search.{module}"), name)


def _best(images: list[Judged]) -> Judged:
    return max(images, key=lambda image: image.score)


def table(rows: list[Row]) -> str:
    lines = [
        f"{len({row.caption for row in rows})} captions x {len({row.seed for row in rows})} seeds, {STEPS} euler "
        f"steps, cfg {CFG:g}, bfloat16; {made_on()}. Made by `benchmarks/methods.py`. In brackets 90 % bootstrap "
        "intervals over captions; the last two columns compare with random at the same budget, pair by pair.",
        "",
        "| method | budget | NFE | verifier score | whole caption holds, % | score above random | holds above random |",
        "|---|---|---|---|---|---|---|",
    ]
    baseline = {(row.budget, row.caption, row.seed): row for row in rows if row.method == "random"}
    for method, budget in dict.fromkeys((row.method, row.budget) for row in sorted(rows, key=lambda row: row.budget)):
        chosen = [row for row in rows if (row.method, row.budget) == (method, budget)]
        pairs = [replace(row, **_above(row, baseline[row.budget, row.caption, row.seed])) for row in chosen]
        cells = [f"{np.mean([row.nfe for row in chosen]):.0f}", *_cells(chosen)]
        cells += ["", ""] if method == "random" else _cells(pairs)
        lines.append("| " + " | ".join([method, str(budget), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _above(row: Row, other: Row) -> dict[str, float]:
    return {"score": row.score - other.score, "holds": row.holds - other.holds}


def _cells(rows: list[Row]) -> list[str]:
    score, holds = (lambda row: row.score), (lambda row: 100.0 * row.holds)
    return [shown(interval(rows, score), 2), shown(interval(rows, holds), 0)]


def main() -> None:
    options = arguments(__doc__, captions=24, seeds=5)
    log = RESULTS / "methods.jsonl"
    done: dict[tuple[int, int], set[tuple[str, int]]] = {}
    for row in read(log, Row):
        done.setdefault((row.caption, row.seed), set()).add((row.method, row.budget))
    tasks = [
        Task(caption, options.captions, seed, frozenset(done.get((caption, seed), ())))
        for seed in range(options.seeds)
        for caption in range(options.captions)
    ]
    everything = {(method, budget) for method in METHODS for budget in BUDGETS}
    spread(log, [task for task in tasks if not everything <= task.done], measure, start, options.workers)
    text = table(read(log, Row))
    (RESULTS / "methods.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
