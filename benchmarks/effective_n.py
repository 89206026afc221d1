"""How many plain seeds a search is worth at the same NFE: effective N, on captions that nothing was tuned on.

    .host/venv/bin/python benchmarks/effective_n.py [--first 41] [--captions 100] [--budgets 8 16] [--draws 1]

First seed_bank.py makes 64 plain seeds of each caption, from which the mean of the best of M is exact for every M. A
search of N trajectories is worth N' seeds when the best of N' has the mean score of its winners; its effective N is
N' / N, at most 64 / N. Searches run in ComfyUI's own sampling by the nodes' own methods, each optimising one verifier
(alignment or colorfulness); beside the score stands what the oracle says of the winners, which no search sees, against
the best of N by the same verifier.

disturbed: Gaussian noise of 0.3 standard deviations of the caption's final scores is added to every score that is given
before the end, so that early scores can not be trusted as they can be on this model.

Rows are added to effective_n.jsonl in the results; a run that was stopped goes on where it had ended.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import seed_bank
import torch
from contenders import CONTENDERS, SMALLEST
from demo_bench import Bench, arguments, captions, made_on, read, spread
from stats import Interval, mean, resampled, shown

DRAWS_APART = 16  # seeds
VERIFIERS = {"alignment": "score", "colorfulness": "second"}
NOISE = 0.3
WANTED = (  # what is asked first comes first
    ("auto", "alignment", 0.0),
    ("auto", "colorfulness", 0.0),
    ("auto", "alignment", NOISE),
    ("random, looks ahead", "alignment", 0.0),
    ("random, pruned", "alignment", 0.0),
    *((method, "alignment", 0.0) for method in list(CONTENDERS)[3:]),
    ("auto", "colorfulness", NOISE),
    ("random, looks ahead", "alignment", NOISE),
    ("random, looks ahead", "colorfulness", 0.0),
    ("random, pruned", "colorfulness", 0.0),
    *((method, "colorfulness", 0.0) for method in list(CONTENDERS)[3:]),
)


@dataclass(frozen=True)
class Row:
    """The winner of one search. score: alignment. second: colorfulness."""

    method: str
    verifier: str
    noise: float
    budget: int
    caption: int
    draw: int
    score: float
    second: float
    holds: bool
    nfe: int


class Task(NamedTuple):
    method: str
    verifier: str
    noise: float
    budget: int
    caption: int
    draw: int
    spread: float  # of the final scores of the caption, in which noise is measured


class Disturbed:
    """A verifier whose early scores have noise added: those that are asked for while `is_early` is true."""

    def __init__(self, verifier: Any, noise: float, seed: int):
        self.verifier, self.name, self.needs_prompt = verifier, verifier.name, verifier.needs_prompt
        self.noise, self.random, self.is_early = noise, np.random.default_rng(seed), False

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        scores = self.verifier.score(images, prompts)
        if not self.is_early:
            return scores
        return scores + self.noise * torch.from_numpy(self.random.standard_normal(len(scores))).to(scores)


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench, caption = _bench(), captions(task.caption + 1)[task.caption]
    base = bench.verifier if task.verifier == "alignment" else bench.second
    verifier = Disturbed(base, task.noise * task.spread, 1000 * task.draw + task.budget)
    racing = importlib.import_module("noise_search.search.judging.race").Racing
    judge_early = racing.after_step

    def after_step(self: Any, *seen: Any) -> Any:
        verifier.is_early = True
        try:
            return judge_early(self, *seen)
        finally:
            verifier.is_early = False

    search = CONTENDERS[task.method]
    with patch.object(racing, "after_step", after_step), torch.inference_mode():
        latent, nfe = search(bench, verifier, caption, DRAWS_APART * task.draw, task.budget)
        return [Row(*task[:6], **vars(bench.judged(latent, caption)), nfe=nfe)]


class Bank:
    """The plain seeds of each caption [captions, seeds]: what the best of any number of them is worth."""

    def __init__(self, rows: Sequence[seed_bank.Row], verifier: str):
        by_caption: dict[int, list[seed_bank.Row]] = {}
        for row in rows:
            by_caption.setdefault(row.caption, []).append(row)
        most = max(map(len, by_caption.values()))
        self.rows = {caption: own for caption, own in by_caption.items() if len(own) == most}
        self.value, self.most = VERIFIERS[verifier], most
        ranks = np.arange(most)
        self.chances = np.array(  # [n - 1, rank]: the best of n has this rank from below
            [[comb(rank, n - 1) / comb(most, n) for rank in ranks] for n in range(1, most + 1)]
        )

    def spread(self, caption: int) -> float:
        return float(np.std([getattr(row, self.value) for row in self.rows[caption]]))

    def best_of(self, caption: int, of: str = "") -> np.ndarray:
        """The mean, over all subsets of n seeds, of what their best by the verifier has: [n = 1 .. seeds]."""
        ranked = sorted(self.rows[caption], key=lambda row: getattr(row, self.value))
        return self.chances @ np.array([float(getattr(row, of or self.value)) for row in ranked])


def effective_n(rows: Sequence[Row], bank: Bank) -> tuple[Interval, Interval, Interval]:
    """Of one method at one budget: effective N; the oracle's points; those against the best of N by the verifier."""
    budget = rows[0].budget
    numbers = sorted({row.caption for row in rows} & bank.rows.keys())
    own = [[row for row in rows if row.caption == number] for number in numbers]
    scores = np.array([np.mean([getattr(row, bank.value) for row in each]) for each in own])
    curves = np.array([bank.best_of(number) for number in numbers])
    holds = [100 * float(np.mean([row.holds for row in each])) for each in own]
    plain = [100 * float(bank.best_of(number, "holds")[budget - 1]) for number in numbers]

    def worth(chosen: np.ndarray) -> Any:
        means = zip(scores[chosen].mean(-1).flat, curves[chosen].mean(-2).reshape(-1, bank.most), strict=True)
        found = [np.interp(score, curve, np.arange(1, bank.most + 1)) / budget for score, curve in means]
        return np.reshape(found, chosen.shape[:-1])

    against = mean([one - other for one, other in zip(holds, plain, strict=True)])
    return resampled(worth, len(numbers)), mean(holds), against


def report(rows: Sequence[Row], seeds: Sequence[seed_bank.Row]) -> str:
    lines = [
        "# Effective N",
        "",
        f"Demo model, 20 euler steps a trajectory, bfloat16; {made_on()}. Made by `benchmarks/effective_n.py`, which "
        "says what is measured. In brackets 90 % bootstrap intervals over captions. Effective N is capped at "
        f"{len({row.seed for row in seeds})} seeds.",
    ]
    for verifier, noise in itertools.product(VERIFIERS, (0.0, NOISE)):
        chosen = [row for row in rows if (row.verifier, row.noise) == (verifier, noise)]
        if chosen:
            lines += ["", f"## {verifier.capitalize()}{', early scores disturbed' if noise else ''}", ""]
            first, last = (of(row.caption for row in chosen) for of in (min, max))
            lines += [f"Captions {first} to {last}, or the first of them.", "", *_table(chosen, Bank(seeds, verifier))]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], bank: Bank) -> Iterator[str]:
    yield "| N | method | effective N | oracle: holds, % | against the best of N, points | NFE | captions x draws |"
    yield "|---|---|---|---|---|---|---|"
    for budget, method in itertools.product(sorted({row.budget for row in rows}), CONTENDERS):
        own = [row for row in rows if (row.budget, row.method) == (budget, method)]
        if own:
            worth, holds, against = effective_n(own, bank)
            draws, nfe = len({row.draw for row in own}), np.mean([row.nfe for row in own])
            yield (
                f"| {budget} | {method} | {shown(worth, 2)} | {shown(holds, 0)} | {shown(against, 0)} | {nfe:.0f} "
                f"| {len({row.caption for row in own})} x {draws} |"
            )


def main(command: Sequence[str] | None = None) -> None:
    quick = {"captions": 42, "budgets": (2,), "draws": 1}
    options = arguments(__doc__, command, quick, first=41, captions=100, budgets=(8, 16), draws=1)
    seeds = read(Path(options.results) / "seed_bank.jsonl", seed_bank.Row)
    log = options.results / "effective_n.jsonl"
    done = {(row.method, row.verifier, row.noise, row.budget, row.caption, row.draw) for row in read(log, Row)}
    numbers = range(options.first, options.captions)
    wanted = itertools.product(range(options.draws), WANTED, numbers, options.budgets)
    banks = {verifier: Bank(seeds, verifier) for verifier in VERIFIERS}
    tasks = [
        Task(method, verifier, noise, budget, caption, draw, banks[verifier].spread(caption))
        for draw, (method, verifier, noise), caption, budget in wanted
        if budget >= SMALLEST.get(method, 1) and (method, verifier, noise, budget, caption, draw) not in done
    ]
    spread(log, tasks, measure, start, options.workers)
    text = report(read(log, Row), seeds)
    (options.results / "effective_n.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
