"""Prompt and noise together on the demo model: captions said in several ways, against the caption alone at equal NFE.

    .host/venv/bin/python benchmarks/wordings.py [--first 41] [--captions 100] [--seeds 16] [--workers 1]

A caption of several groups is said in up to three ways: as it is; from its end to its beginning, with the relations
turned round, which means the same; and loosely, with "and" in the place of its relations, which says less: not all ways
that people write are good ones. The demo's encoder knows all three. Each seed of each wording is judged by the caption
itself: by the demo's alignment, which chooses, and by the oracle, which no choice sees.

Then searches are played on these images, seeds in random orders: N seeds of the caption; N candidates shared out evenly
among the wordings; and shifted to what scores well, by the same bandit as in a search (search/methods/wordings.py).

Rows are added to wordings.jsonl in the results, those of the caption as it is come from seed_bank.py; a run that was
stopped goes on where it had ended.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import seed_bank
from demo_bench import STEPS, Bench, arguments, captions, made_on, read, spread
from stats import mean, shown

OWN, TURNED, LOOSE = "as it is", "turned round", "loosely"
BUDGETS = (4, 8, 16)
ORDERS = 100
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above", "and": "and"}
BLOCK = 8  # seeds of a task


@dataclass(frozen=True)
class Row:
    """One seed of a wording. score: alignment with the caption itself."""

    caption: int
    wording: str
    seed: int
    score: float
    holds: bool


class Task(NamedTuple):
    caption: int
    wording: str
    seeds: tuple[int, ...]


def wordings(caption: Any) -> dict[str, Any]:
    """Beside the caption as it is; none for a caption of one group."""
    kind = type(caption)
    turned = kind(caption.groups[::-1], tuple(OPPOSITE[relation] for relation in caption.relations[::-1]))
    loose = kind(caption.groups, ("and",) * len(caption.relations))
    found = {TURNED: turned, LOOSE: loose}
    return {name: other for name, other in found.items() if str(other) != str(caption)}


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench, caption = _bench(), captions(task.caption + 1)[task.caption]
    said = wordings(caption)[task.wording]
    images = bench.vae.decode(bench.sampled(bench.model, [said] * len(task.seeds), task.seeds, STEPS))
    judged = [bench.judged_picture(image[None], caption) for image in images]
    return [
        Row(task.caption, task.wording, seed, one.score, one.holds)
        for seed, one in zip(task.seeds, judged, strict=True)
    ]


class Bank:
    """Of one caption: of each wording the scores and what holds, by seed."""

    def __init__(self, caption: int, rows: Sequence[Any]):
        self.names = [OWN, *(name for name in (TURNED, LOOSE) if any(row.wording == name for row in rows))]
        ordered = {name: sorted((r for r in rows if r.wording == name), key=lambda r: r.seed) for name in self.names}
        self.scores = [[row.score for row in ordered[name]] for name in self.names]
        self.holds = [[row.holds for row in ordered[name]] for name in self.names]
        self.random = np.random.default_rng(caption)

    def played(self, budget: int, policy: str) -> tuple[float, float]:
        """The winner's score, and how often it holds."""
        won = [self._once(budget, policy, order) for order in range(ORDERS)]
        return float(np.mean([score for score, _ in won])), 100 * float(np.mean([holds for _, holds in won]))

    def _once(self, budget: int, policy: str, seed: int) -> tuple[float, bool]:
        module = importlib.import_module("noise_search.search.methods.wordings")
        bandit = module.Bandit(len(self.names), seed)
        orders = [self.random.permutation(len(scores)) for scores in self.scores]
        taken = [0] * len(self.names)
        seen: list[tuple[int, float]] = []
        best = (-np.inf, False)
        while len(seen) < budget:
            count = min(module.TOGETHER, budget - len(seen))
            for wording in self._chosen(bandit, policy, seen, count):
                at = orders[wording][taken[wording] % len(orders[wording])]
                taken[wording] += 1
                seen.append((wording, self.scores[wording][at]))
                best = max(best, (self.scores[wording][at], self.holds[wording][at]))
        return best

    def _chosen(self, bandit: Any, policy: str, seen: list[tuple[int, float]], count: int) -> list[int]:
        if policy == "bandit":
            return bandit.choose(seen, count)
        of = len(self.names) if policy == "evenly" else 1
        return [(len(seen) + at) % of for at in range(count)]


POLICIES = {
    "own": "the caption alone",
    "evenly": "all wordings, evenly",
    "bandit": "all wordings, shifted to the better",
}


def table(banks: Sequence[Bank]) -> Iterator[str]:
    yield "| N | drawn with | alignment | caption holds, % | against the caption alone, points |"
    yield "|---|---|---|---|---|"
    for budget in BUDGETS:
        found = {policy: [bank.played(budget, policy) for bank in banks] for policy in POLICIES}
        for policy, title in POLICIES.items():
            score, holds = (mean([one[part] for one in found[policy]]) for part in (0, 1))
            gain = mean([one[1] - other[1] for one, other in zip(found[policy], found["own"], strict=True)])
            against = "" if policy == "own" else shown(gain, 1)
            yield f"| {budget} | {title} | {shown(score, 2)} | {shown(holds, 0)} | {against} |"


def report(rows: Sequence[Row], own: Sequence[seed_bank.Row], seeds: int) -> str:
    complete: dict[int, list[Any]] = {}
    for row in rows:
        complete.setdefault(row.caption, []).append(row)
    least = min(len([r for r in of if r.wording == TURNED]) for of in complete.values())
    plain = [Row(row.caption, OWN, row.seed, row.score, row.holds) for row in own if row.seed < least]
    for row in plain:
        if row.caption in complete:
            complete[row.caption].append(row)
    banks = [Bank(caption, of) for caption, of in sorted(complete.items())]
    lines = [
        "# Prompt and noise together",
        "",
        f"Demo model, 20 euler steps a trajectory, bfloat16; {made_on()}. Made by `benchmarks/wordings.py`, which says "
        f"what is measured. {len(banks)} captions of several groups among {min(complete)} to {max(complete)}, {least} "
        f"seeds of each wording, {ORDERS} orders. In brackets 90 % bootstrap intervals over captions.",
        "",
        "| wording | captions | one seed holds, % |",
        "|---|---|---|",
    ]
    for name in (OWN, TURNED, LOOSE):
        held = [100 * float(np.mean(bank.holds[bank.names.index(name)])) for bank in banks if name in bank.names]
        if held:
            lines.append(f"| {name} | {len(held)} | {shown(mean(held), 0)} |")
    return "\n".join([*lines, "", *table(banks)]) + "\n"


def main(command: Sequence[str] | None = None) -> None:
    quick = {"first": 0, "captions": 4, "seeds": 4}
    options = arguments(__doc__, command, quick, first=41, captions=100, seeds=16)
    log = options.results / "wordings.jsonl"
    done = {(row.caption, row.wording, row.seed) for row in read(log, Row)}
    everything = captions(options.captions)
    tasks = []
    for first in range(0, options.seeds, BLOCK):
        block = range(first, min(first + BLOCK, options.seeds))
        for caption in range(options.first, options.captions):
            for name in wordings(everything[caption]):
                missing = tuple(seed for seed in block if (caption, name, seed) not in done)
                tasks += [Task(caption, name, missing)] if missing else []
    spread(log, tasks, measure, start, options.workers)
    text = report(read(log, Row), read(options.results / "seed_bank.jsonl", seed_bank.Row), options.seeds)
    (options.results / "wordings.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
