"""What plain seeds are worth on the demo model: 64 of each caption, run to their end and judged.

    .host/venv/bin/python benchmarks/seed_bank.py [--first 0] [--captions 100] [--seeds 64] [--workers 2]

From these the best of any number of seeds can be told exactly, as a mean over all subsets: what a search is measured
against in effective_n.py. Rows are added to seed_bank.jsonl in the results; a run that was stopped goes on where it had
ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from demo_bench import BATCH, STEPS, Bench, arguments, captions, read, spread


@dataclass(frozen=True)
class Row:
    """One seed of a caption. score: alignment. second: colorfulness."""

    caption: int
    seed: int
    score: float
    second: float
    holds: bool


class Task(NamedTuple):
    caption: int
    seeds: tuple[int, ...]


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    caption = captions(task.caption + 1)[task.caption]
    images = _bench().images([caption] * len(task.seeds), task.seeds, STEPS)
    return [
        Row(task.caption, seed, one.score, one.second, one.holds) for seed, one in zip(task.seeds, images, strict=True)
    ]


def main(command: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, command, {"captions": 1, "seeds": 8}, first=0, captions=100, seeds=64)
    log = options.results / "seed_bank.jsonl"
    done = {(row.caption, row.seed) for row in read(log, Row)}
    tasks = []
    for caption in range(options.first, options.captions):
        missing = [seed for seed in range(options.seeds) if (caption, seed) not in done]
        tasks += [Task(caption, tuple(missing[at : at + BATCH])) for at in range(0, len(missing), BATCH)]
    spread(log, tasks, measure, start, options.workers)


if __name__ == "__main__":
    main()
