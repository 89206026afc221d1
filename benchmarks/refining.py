"""What "Refine this" gains: a search around an image that a person took, against as many new plain seeds.

    .host/venv/bin/python benchmarks/refining.py [--first 41] [--captions 61] [--budget 8]

Of each caption 8 plain seeds are there (seed_bank.jsonl), and one of them is taken: the best by the verifier, or the
fourth of the eight, as by a person of another taste. From it a search goes on for a budget of trajectories, of which
the first is the image itself: Auto Search with its recipe in `refine`, or Zero-Order Search, which the board places for
a plain seed, with one round at the node's cosine. Against them stand the next plain seeds, as many as the budget, also
of the bank. Each keeps the image that was taken where nothing is better by the verifier.

Differences are to the new seeds, caption by caption. Beside the score stand what the oracle says, which no search sees,
and how far the outcome is from the image that was taken: root mean square of their copies of 32 pixels, in percent of
the range of brightness.

Rows are added to refining.jsonl in the results; a run that was stopped goes on where it had ended.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import seed_bank
import torch
from demo_bench import STEPS, Bench, arguments, captions, made_on, read, spread
from searches import algorithm
from stats import interval, shown
from torch.nn.functional import interpolate

SEEN = 8  # plain seeds, before one of them is taken
TAKEN = {"the best of 8": 0, "the fourth of 8": 3}  # places by score
NEW, COSINE, PIXELS = "new seeds", 0.6, 32
METHODS = (NEW, "Auto Search, refine", "Zero-Order Search")


@dataclass(frozen=True)
class Row:
    """The outcome of one way to go on. given: the score of the image that was taken. apart: from it, in percent."""

    taken: str
    method: str
    caption: int
    given: float
    score: float
    holds: bool
    apart: float
    nfe: int


class Task(NamedTuple):
    taken: str
    method: str
    caption: int
    budget: int
    given: int  # the seed that was taken
    fresh: int  # the best of the new ones


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench, caption = _bench(), captions(task.caption + 1)[task.caption]
    with torch.inference_mode():
        taken = _picture(bench, caption, task.given)
        before = bench.judged_picture(taken, caption)
        picture, nfe = _gone_on(bench, caption, task)
        outcome = bench.judged_picture(picture, caption)
        if outcome.score < before.score:
            picture, outcome = taken, before
        return [Row(*task[:3], before.score, outcome.score, outcome.holds, _apart(taken, picture), nfe)]


def _gone_on(bench: Bench, caption: Any, task: Task) -> tuple[torch.Tensor, int]:
    """What was found, and the NFE spent."""
    if task.method == NEW:
        return _picture(bench, caption, task.fresh), task.budget * bench.steps
    if task.method == "Zero-Order Search":
        method = algorithm("methods.zero_order", "ZeroOrder")(1, task.budget - 1, COSINE)
    else:
        given = algorithm("records.recipe", "Recipe")(task.given)
        method = algorithm("methods.auto_search", "AutoSearch")(task.budget, given)
    report, latent = bench.found(method, bench.verifier, caption, task.given)
    return bench.vae.decode(latent), report.nfe


def _picture(bench: Bench, caption: Any, seed: int) -> torch.Tensor:
    """[1, H, W, 3] of a plain seed."""
    return bench.vae.decode(bench.sampled(bench.model, [caption], [seed], bench.steps))


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    small = [interpolate(image.movedim(-1, 1), (PIXELS, PIXELS), mode="area") for image in (one, other)]
    return 100 * float((small[0] - small[1]).square().mean().sqrt())


def _tasks(bank: Sequence[seed_bank.Row], numbers: Sequence[int], budget: int) -> Iterator[Task]:
    for (taken, place), caption, method in itertools.product(TAKEN.items(), numbers, METHODS):
        by_score = sorted((row for row in bank if row.caption == caption), key=lambda row: -row.score)
        seen = [row for row in by_score if row.seed < SEEN]
        fresh = [row for row in by_score if SEEN <= row.seed < SEEN + budget]
        yield Task(taken, method, caption, budget, seen[place].seed, fresh[0].seed)


def report(rows: Sequence[Row], budget: int) -> str:
    lines = [
        "# Refining an image that was taken",
        "",
        f"Demo model, {STEPS} euler steps a trajectory, bfloat16; {made_on()}. Made by `benchmarks/refining.py`, which "
        f"says what is measured. A budget of {budget}; in brackets 90 % bootstrap intervals over captions.",
    ]
    for taken in sorted({row.taken for row in rows}):
        chosen = [row for row in rows if row.taken == taken]
        numbers = sorted({row.caption for row in chosen})
        given = shown(interval([row for row in chosen if row.method == NEW], lambda row: row.given), 2)
        lines += ["", f"## {taken.capitalize()}", ""]
        lines += [f"{len(numbers)} captions, {numbers[0]} to {numbers[-1]}; its score is {given}.", "", *_table(chosen)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| | score | against new seeds | oracle: holds, % | against new seeds, points | from the image, % | NFE |"
    yield "|---|---|---|---|---|---|---|"
    plain = {row.caption: row for row in rows if row.method == NEW}
    for method in METHODS:
        own = [row for row in rows if row.method == method]
        cells = [shown(interval(own, lambda row: row.score), 2)]
        cells.append(shown(interval(own, lambda row: row.score - plain[row.caption].score), 2))
        cells.append(shown(interval(own, lambda row: 100.0 * row.holds), 0))
        cells.append(shown(interval(own, lambda row: 100.0 * (row.holds - plain[row.caption].holds)), 0))
        if method == NEW:
            cells[1] = cells[3] = ""
        cells.append(shown(interval(own, lambda row: row.apart), 1))
        yield f"| {' | '.join([method, *cells, f'{np.mean([row.nfe for row in own]):.0f}'])} |"


def complete(rows: Sequence[Row]) -> list[Row]:
    """Those of images that every method has gone on from."""
    run = [(row.taken, row.caption) for row in rows]
    return [row for row in rows if run.count((row.taken, row.caption)) == len(METHODS)]


def main(command: Sequence[str] | None = None) -> None:
    quick = {"first": 0, "captions": 1, "budget": 2}
    options = arguments(__doc__, command, quick, first=41, captions=61, budget=8)
    log = options.results / "refining.jsonl"
    done = {(row.taken, row.method, row.caption) for row in read(log, Row)}
    bank = read(options.results / "seed_bank.jsonl", seed_bank.Row)
    tasks = _tasks(bank, range(options.first, options.captions), options.budget)
    spread(log, [task for task in tasks if task[:3] not in done], measure, start, options.workers)
    text = report(complete(read(log, Row)), options.budget)
    (options.results / "refining.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
