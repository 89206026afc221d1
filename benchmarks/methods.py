"""The search methods side by side on the demo model, at equal cost, judged by what no search sees.

    .host/venv/bin/python benchmarks/methods.py [--captions 24] [--seeds 5] [--workers 2]

Every method runs in ComfyUI's own sampling (20 euler steps, cfg 3, the network in bfloat16) for each caption and seed,
at budgets of 8, 16, 32 trajectories. For what it picked, the table gives the verifier's score, which it optimised, and
how often the oracle finds the whole caption, which it did not see; with 90 % bootstrap intervals over captions. NFE is
what was spent.

Rows are added to benchmarks/results/methods.jsonl as they come; a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import searches
import torch
from demo_bench import CFG, STEPS, Bench, arguments, captions, interval, made_on, read, shown, spread

BUDGETS = (8, 16, 32)


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
    budgets: tuple[int, ...]
    done: frozenset[tuple[str, int]]


def start() -> None:
    global bench
    bench = Bench()


def measure(task: Task) -> list[Row]:
    """What every method picks, as far as it is missing."""
    caption = captions(task.captions)[task.caption]
    rows = []
    with torch.inference_mode():
        for method, run in METHODS.items():
            wanted = [budget for budget in task.budgets if (method, budget) not in task.done]
            wanted += [1] if method == "random" and wanted else []  # the image without search
            for budget, picked, nfe in run(bench, caption, 1000 * task.seed, wanted) if wanted else ():
                rows.append(Row(method, budget, task.caption, task.seed, picked.score, picked.holds, nfe))
    return rows


METHODS = {
    "random": searches.random,
    "random, pruned": searches.pruned,
    "zero-order": searches.zero_order,
    "paths, early": searches.early_paths,
    "paths, paper": searches.paper_paths,
}


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


def main(command: Sequence[str] | None = None) -> None:
    quick = {"captions": 1, "seeds": 1, "budgets": (8,)}
    options = arguments(__doc__, command, quick, captions=24, seeds=5, budgets=BUDGETS)
    log = options.results / "methods.jsonl"
    done: dict[tuple[int, int], set[tuple[str, int]]] = {}
    for row in read(log, Row):
        done.setdefault((row.caption, row.seed), set()).add((row.method, row.budget))
    tasks = [
        Task(caption, options.captions, seed, tuple(options.budgets), frozenset(done.get((caption, seed), ())))
        for seed in range(options.seeds)
        for caption in range(options.captions)
    ]
    everything = {(method, budget) for method in METHODS for budget in options.budgets}
    spread(log, [task for task in tasks if not everything <= task.done], measure, start, options.workers)
    text = table(read(log, Row))
    (options.results / "methods.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
