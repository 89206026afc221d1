"""Stopping when it is good enough, and what tells that: a checklist or one question, on the demo model.

    .host/venv/bin/python benchmarks/good_enough.py [--first 41] [--captions 100] [--seeds 8] [--workers 1]

Checklist: plain seeds of each caption are judged by the Checklist Verifier with a small trained answerer behind the
protocol of a VLM, once with the whole caption as the one requirement, and once with one requirement for each group of
shapes and each relation. The answerer is the demo's verifier: it says yes as surely as the requirement beats its near
misses (a softmax, all of them together against it). What is chosen of N seeds has the same NFE either way, and is
checked by the oracle, which no judge sees.

Target: a search that stops at the first seed which reaches a target, at the latest after the last one, against the
best of a fixed number of seeds at the same mean NFE. Seeds come in random orders. The rules that stop are those of the
nodes (tests/search/test_target.py); here they are played on kept seeds, on those of seed_bank.py where only the demo's
score is needed.

Rows are added to good_enough.jsonl in the results; a run that was stopped goes on where it had ended.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import seed_bank
import torch
from demo_bench import STEPS, Bench, arguments, captions, made_on, read, spread
from stats import mean, shown

ORDERS = 200  # of a caption's seeds
YES, NO = 0, 1  # the vocabulary of the answerer
BUDGETS = (1, 2, 4, 8, 16)
SCORES = (12.0, 12.5, 12.8, 13.0, 13.2)  # of the demo's verifier, as targets
MOST = 64


@dataclass(frozen=True)
class Row:
    """One seed of a caption. whole: yes to the whole caption. parts: yes to each requirement. score: alignment."""

    caption: int
    seed: int
    score: float
    whole: float
    parts: list[float]
    holds: bool


class Task(NamedTuple):
    caption: int
    seeds: tuple[int, ...]


class Answerer:
    """The demo's verifier as a model that answers yes or no."""

    def __init__(self, verifier: Any):
        importlib.import_module("comfy.model_management").load_models_gpu([verifier.patcher])
        self.patcher = verifier.patcher  # which keeps the network loaded
        self.texts: dict[str, torch.Tensor] = {}

    def first_tokens(self, words: tuple[str, ...]) -> list[int]:
        return [YES] if "yes" in words else [NO]

    def next_token(self, image: torch.Tensor, text: str) -> torch.Tensor:
        """Logits of YES and NO."""
        (embedded,) = self.patcher.model.embed_images(image.movedim(-1, 1).clamp(0, 1) * 2 - 1)
        scores = self.patcher.model.scale * self._embedded(text) @ embedded
        return torch.stack([scores[0], scores[1:].logsumexp(0)])

    def _embedded(self, text: str) -> torch.Tensor:
        """Of the text and its near misses."""
        if text not in self.texts:
            wanted = importlib.import_module("noise_search.demo.captions").parse(text)
            others = importlib.import_module("noise_search.demo.near_miss").near_misses(wanted)
            token_ids = importlib.import_module("noise_search.demo.tokens").token_ids
            tokens = torch.tensor([token_ids(str(one)) for one in (wanted, *others)])
            self.texts[text] = self.patcher.model.embed_texts(tokens)
        return self.texts[text]


def requirements(caption: Any) -> list[str]:
    """One for each group, and one for each relation with the two groups it is between."""
    kind = type(caption)
    groups = [kind((group,)) for group in caption.groups]
    pairs = zip(caption.relations, caption.groups, caption.groups[1:], strict=False)
    related = [kind((one, other), (relation,)) for relation, one, other in pairs if relation != "and"]
    return [str(part) for part in (*groups, *related)]


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench, caption = _bench(), captions(task.caption + 1)[task.caption]
    checklist = importlib.import_module("noise_search.verifiers.checklist").ChecklistVerifier
    answerer = Answerer(bench.verifier)
    ask = {
        name: checklist(answerer, wanted, question="{}")
        for name, wanted in (("whole", [str(caption)]), ("parts", requirements(caption)))
    }
    images = bench.vae.decode(bench.sampled(bench.model, [caption] * len(task.seeds), task.seeds, STEPS))
    texts = [str(caption)] * len(images)
    whole, parts = (ask[name].score_with_details(images, texts)[1] for name in ("whole", "parts"))
    judged = [bench.judged_picture(image[None], caption) for image in images]
    return [
        Row(task.caption, seed, one.score, w[0]["score"], [part["score"] for part in p], one.holds)
        for seed, one, w, p in zip(task.seeds, judged, whole, parts, strict=True)
    ]


JUDGES: dict[str, Callable[[Row], float]] = {
    "one question: the whole caption": lambda row: row.whole,
    "checklist, geometric mean": lambda row: float(np.exp(np.mean(np.log(np.maximum(row.parts, 1e-4))))),
    "checklist, the least sure": lambda row: min(row.parts),
    "checklist and the whole caption as a line of it": lambda row: float(
        np.exp(np.mean(np.log(np.maximum([*row.parts, row.whole], 1e-4))))
    ),
    "the demo's alignment": lambda row: row.score,
    "the oracle itself": lambda row: float(row.holds),
}


def _orders(count: int, caption: int) -> np.ndarray:
    """[ORDERS, count], the same for every judge."""
    return np.random.default_rng(caption).permuted(np.tile(np.arange(count), (ORDERS, 1)), axis=1)


def best_of(values: np.ndarray, holds: np.ndarray, orders: np.ndarray, count: int) -> float:
    """How often the best of the first so many holds; of equal ones the first."""
    first = orders[:, :count]
    chosen = first[np.arange(len(first)), values[first].argmax(1)]
    return float(holds[chosen].mean())


def stopped(
    good: np.ndarray, values: np.ndarray, holds: np.ndarray, orders: np.ndarray, most: int, together: int = 1
) -> tuple[float, float]:
    """How many run, and how often the winner holds: the first good one, else the best by value. together: that run side
    by side, so that all of them have run when one is good."""
    first = orders[:, :most]
    is_good = good[first]
    at = np.where(is_good.any(1), is_good.argmax(1), values[first].argmax(1))
    ran = np.where(is_good.any(1), is_good.argmax(1) + 1, most)
    ran = np.minimum(-(-ran // together) * together, most)
    return float(ran.mean()), float(holds[first[np.arange(len(first)), at]].mean())


def _by_caption(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.caption, []).append(row)
    most = max(map(len, found.values()))
    return {caption: sorted(own, key=lambda row: row.seed) for caption, own in found.items() if len(own) == most}


def checklist_table(rows: Sequence[Row]) -> Iterator[str]:
    own = _by_caption(rows)
    count = len(next(iter(own.values())))
    budgets = [budget for budget in BUDGETS if budget <= count]
    yield "| chosen by | " + " | ".join(map(str, budgets)) + " |"
    yield "|---|" + "---|" * len(budgets)
    points: dict[str, dict[int, list[float]]] = {}
    for name, judge in JUDGES.items():
        for budget in budgets:
            points.setdefault(name, {})[budget] = [
                100 * best_of(np.array([judge(row) for row in of]), np.array([row.holds for row in of]), orders, budget)
                for caption, of in own.items()
                for orders in [_orders(count, caption)]
            ]
        yield f"| {name} | " + " | ".join(shown(mean(points[name][budget]), 0) for budget in budgets) + " |"
    one, *lists = JUDGES
    for name in lists[:3]:
        gains = [shown(mean([a - b for a, b in zip(points[name][n], points[one][n], strict=True)]), 1) for n in budgets]
        yield f"| *{name}, against one question* | " + " | ".join(gains) + " |"


def target_table(
    rows: Sequence[Any], judges: dict[str, tuple[Callable[[Any], bool], Callable[[Any], float]]], most: int
) -> Iterator[str]:
    yield "| stops at | trajectories | 4 at a time | winner holds, % | best of as many, % | difference | best of all |"
    yield "|---|---|---|---|---|---|---|"
    own = _by_caption(rows)
    for name, (is_good, value) in judges.items():
        ran, beside, holds, fixed, last = [], [], [], [], []
        tables = []
        for caption, of in own.items():
            good, values = np.array([is_good(row) for row in of]), np.array([value(row) for row in of])
            held, orders = np.array([row.holds for row in of]), _orders(len(of), caption)
            took, won = stopped(good, values, held, orders, most)
            ran.append(took)
            beside.append(stopped(good, values, held, orders, most, together=4)[0])
            holds.append(100 * won)
            tables.append([100 * best_of(values, held, orders, count) for count in range(1, most + 1)])
        at = float(np.mean(ran))  # the same number for every caption, as somebody has to choose it before
        fixed = [float(np.interp(at, np.arange(1, most + 1), table)) for table in tables]
        last = [table[-1] for table in tables]
        gain = mean([a - b for a, b in zip(holds, fixed, strict=True)])
        yield (
            f"| {name} | {shown(mean(ran), 1)} | {np.mean(beside):.1f} | {shown(mean(holds), 0)} "
            f"| {shown(mean(fixed), 0)} | {shown(gain, 1)} | {np.mean(last):.0f} |"
        )


def report(rows: Sequence[Row], seeds: Sequence[seed_bank.Row]) -> str:
    numbers = sorted(_by_caption(rows))
    count = len(_by_caption(rows)[numbers[0]])
    geometric = JUDGES["checklist, geometric mean"]
    by_list = {
        "all requirements of the checklist hold": (lambda row: min(row.parts) >= 0.5, geometric),
        "one question, a yes": (lambda row: row.whole >= 0.5, lambda row: row.whole),
        "the oracle's yes": (lambda row: row.holds, lambda row: float(row.holds)),
    }
    by_score: dict[str, Any] = {
        f"alignment {score:g}": ((lambda row, score=score: row.score >= score), lambda row: row.score)
        for score in SCORES
    }
    by_score["the oracle's yes"] = by_list["the oracle's yes"]
    lines = [
        "# Good enough",
        "",
        f"Demo model, 20 euler steps a trajectory, bfloat16; {made_on()}. Made by `benchmarks/good_enough.py`, which "
        "says what is measured. In brackets 90 % bootstrap intervals over captions.",
        "",
        "## Checklist or one question",
        "",
        f"How often the whole caption holds, %, by the oracle, of what is chosen among N plain seeds. Captions "
        f"{numbers[0]} to {numbers[-1]}, {count} seeds each.",
        "",
        *checklist_table(rows),
        "",
        "## Target",
        "",
        f"At most {count} seeds of the same captions. *Best of as many*: a search of the same mean cost without a "
        "target, by the same judge.",
        "",
        *target_table(rows, by_list, count),
    ]
    if seeds:
        most = min(MOST, len(next(iter(_by_caption(seeds).values()))))
        lines += ["", f"At most {most} seeds, with the kept seeds of `seed_bank.py`.", ""]
        lines += target_table(seeds, by_score, most)
    return "\n".join(lines) + "\n"


def main(command: Sequence[str] | None = None) -> None:
    quick = {"first": 0, "captions": 2, "seeds": 4}
    options = arguments(__doc__, command, quick, first=41, captions=100, seeds=8)
    log = options.results / "good_enough.jsonl"
    done = {(row.caption, row.seed) for row in read(log, Row)}
    tasks = []
    for caption in range(options.first, options.captions):
        missing = tuple(seed for seed in range(options.seeds) if (caption, seed) not in done)
        tasks += [Task(caption, missing[at : at + 8]) for at in range(0, len(missing), 8)]
    spread(log, tasks, measure, start, options.workers)
    seeds = [row for row in read(options.results / "seed_bank.jsonl", seed_bank.Row) if row.caption >= options.first]
    text = report(read(log, Row), seeds)
    (options.results / "good_enough.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
