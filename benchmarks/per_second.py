"""What a search finds per second, against plain seeds: effective N over the time it takes, measured side by side.

    .host/venv/bin/python benchmarks/per_second.py [--first 41] [--captions 44] [--budgets 8 16] [--repeats 2]

A search of N trajectories spends the NFE of N plain seeds, but not their time: it decodes and judges on the way, and
its calls are not all full. time: its seconds over those of random search of N without pruning, which ran directly
before it on the same caption; the median over captions and repeats. Seconds are those of the processor, of one thread,
so that what else runs on a machine does not count. Effective N is that of effective_n.jsonl (alignment, early scores
as they are); divided by the time it says how many seeds a search is worth that may last as long.

On the demo a judgement costs little beside a prediction. With a verifier that is slow, searches that judge on the way
lose more, which is what their paces are chosen by.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import seed_bank
import torch
from contenders import CONTENDERS, SMALLEST, Search, by
from demo_bench import Bench, arguments, boot, captions, made_on, read
from effective_n import Bank, effective_n
from effective_n import Row as Winner
from stats import Interval, resampled, shown

PLAIN = by("random_search", "RandomSearch", lambda budget: (budget,))


@dataclass(frozen=True)
class Row:
    """A search and plain seeds at the same budget. Seconds of the processor."""

    method: str
    budget: int
    caption: int
    repeat: int
    seconds: float
    plain: float


class Task(NamedTuple):
    method: str
    budget: int
    caption: int
    repeat: int


def measure(bench: Bench, task: Task) -> Row:
    caption = captions(task.caption + 1)[task.caption]

    def seconds(search: Search) -> float:
        started = time.process_time()
        search(bench, bench.verifier, caption, 100 * task.repeat, task.budget)
        return time.process_time() - started

    plain = seconds(PLAIN)
    return Row(*task, seconds=seconds(CONTENDERS[task.method]), plain=plain)


def ratio(rows: Sequence[Row]) -> Interval:
    """The median, and its 90 % interval."""
    ratios = np.array([row.seconds / row.plain for row in rows])
    return resampled(lambda chosen: np.median(ratios[chosen], axis=-1), len(ratios))


def report(rows: Sequence[Row], winners: Sequence[Winner], seeds: Sequence[seed_bank.Row]) -> str:
    lines = [
        "# Effective N per second",
        "",
        f"Demo model, 20 euler steps a trajectory, bfloat16, one thread; {made_on()}. Made by "
        "`benchmarks/per_second.py`, which says what is measured. In brackets 90 % bootstrap intervals.",
        "",
        "| N | method | time, against N plain seeds | effective N | in the same time | runs timed |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *_table(rows, winners, Bank(seeds, "alignment"))]) + "\n"


def _table(rows: Sequence[Row], winners: Sequence[Winner], bank: Bank) -> Iterator[str]:
    for budget in sorted({row.budget for row in rows}):
        for method in CONTENDERS:
            own = [row for row in rows if (row.budget, row.method) == (budget, method)]
            key = method, budget, "alignment", 0.0
            found = [row for row in winners if (row.method, row.budget, row.verifier, row.noise) == key]
            if own and found:
                took, worth = ratio(own), effective_n(found, bank)[0]
                per_second = Interval(*(value / took.value for value in worth))
                yield (
                    f"| {budget} | {method} | {shown(took, 2)} | {shown(worth, 2)} | {shown(per_second, 2)} "
                    f"| {len(own)} |"
                )


def main(command: Sequence[str] | None = None) -> None:
    quick = {"captions": 42, "budgets": (2,), "repeats": 1}
    options = arguments(__doc__, command, quick, first=41, captions=44, budgets=(8, 16), repeats=2)
    tasks = [
        Task(method, budget, caption, repeat)
        for repeat in range(options.repeats)
        for caption in range(options.first, options.captions)
        for budget in options.budgets
        for method in CONTENDERS
        if budget >= SMALLEST.get(method, 1)
    ]
    torch.set_num_threads(1)
    boot()
    bench = Bench()
    with torch.inference_mode():
        PLAIN(bench, bench.verifier, captions(1)[0], 0, 2)  # what is done once
        rows = [measure(bench, task) for task in tasks]
    results = Path(options.results)
    text = report(rows, read(results / "effective_n.jsonl", Winner), read(results / "seed_bank.jsonl", seed_bank.Row))
    (results / "per_second.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
