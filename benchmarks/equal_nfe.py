"""Quality at equal cost on the demo model: the search methods, and more steps without search, at 1 to 64 trajectories.

    .host/venv/bin/python benchmarks/equal_nfe.py [--first 41] [--captions 100] [--budgets 8 16]

Two tasks. Text-conditional: the benchmark's captions of one to four shapes, cfg 3, searched by the demo's verifier.
Class-conditional: as many captions of one shape, cfg 1, searched by the probability that a classifier gives the class.
Each in ComfyUI's own sampling, 20 euler steps per trajectory, the network in bfloat16, one noise per caption. What a
method picks is judged by the verifier it optimised, by a second one (colorfulness) and by the oracle, which no search
sees. Random search also picks by the second verifier and by both (mean rank): what verifier hacking looks like.

Captions from 41 on are those that no setting of a method was chosen on.

Rows are added to equal_nfe.jsonl in the results as they come; a run that was stopped goes on where it
was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import searches
import torch
from demo_bench import CFG, STEPS, Bench, Judged, arguments, captions, made_on, read, spread
from one_shape import Classifier, one_shape_captions
from plots import axes, save
from stats import interval, shown

BUDGETS = (1, 2, 4, 8, 16, 32, 64)
SEED = 90_000  # of the first caption with one noise; each has seeds of its own, as many as the largest budget
TOGETHER = 8  # captions in one task of a method that takes several
RANDOM, SECOND, BOTH = "random", "random, by colorfulness", "random, by both"
STEPS_ALONE = "more steps"
COLORS = 10  # of lines, before they come again


@dataclass(frozen=True)
class Row:
    """What a method picked for a caption at a budget of trajectories. nfe: spent. second: colorfulness."""

    method: str
    budget: int
    caption: int
    score: float
    holds: bool
    nfe: int
    task: str
    second: float


class Kind(NamedTuple):
    """A kind of task. verifier: what is optimised, made from the demo's."""

    title: str
    cfg: float
    captions: Callable[[int], list[Any]]
    verifier: Callable[[Any], Any]


KINDS = {
    "text": Kind("Text-conditional", CFG, captions, lambda verifier: verifier),
    "class": Kind("Class-conditional", 1.0, one_shape_captions, Classifier),
}


def random(bench: Bench, caption: Any, seed: int, budgets: Sequence[int]) -> Iterator[tuple[str, int, Judged, int]]:
    """One search; what it picks by its own verifier, and what other judges would pick of the same images."""
    search = searches.algorithm("methods.random_search", "random_search")
    report, seen = bench.search(lambda s, steps: search(s, max(budgets)), max(budgets), caption, seed)
    for budget in budgets:
        nfe = sum(candidate.nfe for candidate in report.candidates[:budget])
        for name, key in ((RANDOM, _score), (SECOND, _second), (BOTH, _mean_rank(seen[:budget]))):
            yield name, budget, max(seen[:budget], key=key), nfe


SEARCHES = {
    "random, pruned": searches.of_node("methods.random_search", "RandomSearch", "progressive"),
    "random, looks ahead": searches.of_node("methods.random_search", "RandomSearch", "look ahead"),
    "auto": searches.of_node("methods.auto_search", "AutoSearch"),
    "zero-order, cosine 0.95": searches.zero_order(0.95),
    "zero-order, cosine 0.6": searches.zero_order(0.6),
    "paths, early": searches.early_paths,
    "paths, paper": searches.paper_paths,
}


def _score(image: Judged) -> float:
    return image.score


def _second(image: Judged) -> float:
    return image.second


def _mean_rank(images: Sequence[Judged]) -> Callable[[Judged], int]:
    scores, seconds = sorted(map(_score, images)), sorted(map(_second, images))
    return lambda image: scores.index(image.score) + seconds.index(image.second)


JUDGES = {
    "The verifier that is optimised": (2, _score),
    "Oracle: whole caption holds, %": (0, lambda row: 100.0 * row.holds),
    "Second verifier: colorfulness": (3, _second),
}


METHODS = (RANDOM, *SEARCHES, STEPS_ALONE)
PICKS = (SECOND, BOTH)  # what random search finds by other judges


class Task(NamedTuple):
    """One method on one caption, or on several."""

    kind: str
    method: str
    members: tuple[int, ...]
    captions: int
    steps: int
    budgets: tuple[int, ...]


def start() -> None:
    global benches
    benches = {}


def measure(task: Task) -> list[Row]:
    everything = KINDS[task.kind].captions(task.captions)
    captions = [everything[member] for member in task.members]
    seeds = [SEED + 1000 * member for member in task.members]
    with torch.inference_mode():
        found = _found(_bench(task.kind, task.steps), task, captions, seeds)
        return [
            Row(name, budget, member, nfe=nfe, task=task.kind, **vars(pick))
            for name, budget, picks, nfe in found
            for member, pick in zip(task.members, picks, strict=True)
        ]


def _found(
    bench: Bench, task: Task, captions: Sequence[Any], seeds: Sequence[int]
) -> Iterator[tuple[str, int, list[Judged], int]]:
    """Method, budget, what was picked for each caption, NFE of one."""
    if task.method == STEPS_ALONE:
        for budget, picks, nfe in searches.more_steps(bench, captions, seeds, task.budgets):
            yield STEPS_ALONE, budget, picks, nfe
    elif task.method == RANDOM:
        for name, budget, pick, nfe in random(bench, *captions, *seeds, task.budgets):
            yield name, budget, [pick], nfe
    else:
        for budget, pick, nfe in SEARCHES[task.method](bench, *captions, *seeds, task.budgets):
            yield task.method, budget, [pick], nfe


def _bench(kind: str, steps: int) -> Bench:
    if kind not in benches:
        benches[kind] = Bench(cfg=KINDS[kind].cfg, steps=steps)
        benches[kind].verifier = KINDS[kind].verifier(benches[kind].verifier)
    return benches[kind]


def complete(rows: Sequence[Row]) -> list[Row]:
    """Those of captions that all methods have run, but for methods that the budgets are too small for."""
    needed = {row.method for row in rows}
    run: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        run.setdefault((row.task, row.caption), set()).add(row.method)
    return [row for row in rows if needed <= run[row.task, row.caption]]


def report(rows: Sequence[Row], steps: int) -> str:
    lines = [
        "# Quality at equal NFE",
        "",
        f"Demo model, {steps} euler steps per trajectory, bfloat16; {made_on()}. Made by `benchmarks/equal_nfe.py`. "
        "Columns are budgets in trajectories; in brackets 90 % bootstrap intervals over captions, of which those count "
        "that all methods have run. A cell is empty where the method has not run, or the budget is too small for it.",
        "",
        "![Verifier, oracle and second verifier against NFE](equal_nfe.png)",
    ]
    for name in KINDS:
        chosen = [row for row in rows if row.task == name]
        if chosen:
            numbers = {row.caption for row in chosen}
            span = f"{len(numbers)} captions, {min(numbers)} to {max(numbers)}"
            lines += ["", f"## {KINDS[name].title}: {span}, cfg {KINDS[name].cfg:g}"]
            for title, judge in JUDGES.items():
                lines += ["", f"**{title}**", "", *_table(chosen, *judge)]
            lines += ["", "**Against random at the same budget, pair by pair: score; whole caption holds, points**"]
            lines += ["", *_against_random(chosen)]
            lines += ["", "**NFE spent**", "", *_grid(chosen, lambda cell: f"{np.mean([row.nfe for row in cell]):.0f}")]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], digits: int, value: Callable[[Row], float]) -> list[str]:
    return _grid(rows, lambda cell: shown(interval(cell, value), digits))


def _against_random(rows: Sequence[Row]) -> list[str]:
    baseline = {_place(row): row for row in rows if row.method == RANDOM}

    def cell(chosen: Sequence[Row]) -> str:
        pairs = [(row, baseline[_place(row)]) for row in chosen if _place(row) in baseline]
        score = [replace(ours, score=ours.score - theirs.score) for ours, theirs in pairs]
        holds = [replace(ours, score=100.0 * (ours.holds - theirs.holds)) for ours, theirs in pairs]
        return f"{shown(interval(score, _score), 2)}; {shown(interval(holds, _score), 0)}"

    return _grid([row for row in rows if row.method != RANDOM], cell)


def _place(row: Row) -> tuple[int, int]:
    return row.budget, row.caption


def _grid(rows: Sequence[Row], cell: Callable[[Sequence[Row]], str]) -> list[str]:
    budgets = sorted({row.budget for row in rows})
    lines = ["| | " + " | ".join(map(str, budgets)) + " |", "|---" * (len(budgets) + 1) + "|"]
    for method in dict.fromkeys(row.method for row in rows):
        chosen = [[row for row in rows if (row.method, row.budget) == (method, budget)] for budget in budgets]
        lines.append("| " + " | ".join([method, *(cell(part) if part else "" for part in chosen)]) + " |")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    kinds = [name for name in KINDS if any(row.task == name for row in rows)]
    figure, lines = axes(len(kinds), len(JUDGES), 13, 3.8 * len(kinds))
    for line, kind in zip(lines, kinds, strict=True):
        for axis, (title, (_, value)) in zip(line, JUDGES.items(), strict=True):
            chosen = [row for row in rows if row.task == kind]
            for at, method in enumerate(dict.fromkeys(row.method for row in chosen)):
                _curve(axis, [row for row in chosen if row.method == method], value, "o-" if at < COLORS else "s--")
            axis.set(xscale="log", xlabel="NFE", title=f"{KINDS[kind].title}\n{title}")
    lines[0, 0].legend(fontsize="small")
    save(figure, path)


def _curve(axis: Any, rows: Sequence[Row], value: Callable[[Row], float], line: str) -> None:
    points = []
    for budget in sorted({row.budget for row in rows}):
        chosen = [row for row in rows if row.budget == budget]
        points.append((np.mean([row.nfe for row in chosen]), *interval(chosen, value)))
    nfe, mean, low, high = zip(*points, strict=True)
    axis.plot(nfe, mean, line, markersize=3, label=rows[0].method)
    axis.fill_between(nfe, low, high, alpha=0.1)


def _tasks(
    first: int, captions: int, steps: int, budgets: tuple[int, ...], done: Container[tuple[str, str, int]]
) -> Iterator[Task]:
    """What is not done: all methods on the first captions, then on the next."""
    for begin in range(first, captions, TOGETHER):
        for kind, method in itertools.product(KINDS, METHODS):
            chunk = range(begin, min(begin + TOGETHER, captions))
            missing = [at for at in chunk if (kind, method, at) not in done]
            size = TOGETHER if method == STEPS_ALONE else 1
            for at in range(0, len(missing), size):
                yield Task(kind, method, tuple(missing[at : at + size]), captions, steps, budgets)


def main(command: Sequence[str] | None = None) -> None:
    quick = {"first": 0, "captions": 1, "steps": 6, "budgets": (1, 4)}
    options = arguments(__doc__, command, quick, first=41, captions=100, steps=STEPS, budgets=BUDGETS)
    log = options.results / "equal_nfe.jsonl"
    done = {(row.task, row.method, row.caption) for row in read(log, Row)}
    tasks = _tasks(options.first, options.captions, options.steps, tuple(options.budgets), done)
    spread(log, tasks, measure, start, options.workers)
    rows = complete(read(log, Row))
    draw(rows, options.results / "equal_nfe.png")
    text = report(rows, options.steps)
    (options.results / "equal_nfe.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
