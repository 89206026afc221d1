"""The search methods side by side on the demo model, at equal cost, judged by what no search sees.

    OMP_WAIT_POLICY=PASSIVE .host/venv/bin/python benchmarks/methods.py [--captions 24] [--seeds 5] [--threads 2]

Every method runs in ComfyUI's own sampling (20 euler steps, cfg 3) for each caption and seed, at budgets of 8, 16, 32
trajectories. For what it picked, the table gives the verifier's score, which it optimised, and how often the oracle
finds the whole caption, which it did not see; with 90 % bootstrap intervals over captions. NFE is what was spent.

Results are added to benchmarks/results/methods.jsonl as they come; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))
import pack_alias  # noqa: E402
from layout import comfyui_path  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
BUDGETS = (8, 16, 32)
STEPS, CFG, SIZE = 20, 3.0, 64
NEIGHBORS, COSINE = 4, 0.95
PAPER = {"start": 0.11, "forward": 0.78, "backward": 0.81}
EARLY = {"start": 0.7, "forward": 0.1, "backward": 0.3}
# Paths and branches whose cost is next below the budget (search.paths.cost).
PAPER_WIDTH = {8: (1, 2), 16: (1, 5), 32: (2, 6)}
EARLY_WIDTH = {8: (3, 2), 16: (3, 5), 32: (6, 5)}
BOOTSTRAPS = 2000


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


@dataclass(frozen=True)
class Judged:
    """One image that the verifier was asked about."""

    score: float
    holds: bool


class Watched:
    """The demo's verifier, and beside it the oracle, which only takes notes."""

    needs_prompt = True

    def __init__(self, verifier: Any, caption: Any):
        self.verifier, self.caption, self.name = verifier, caption, verifier.name
        self.seen: list[Judged] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        check = importlib.import_module("noise_search.demo.oracle").check
        scores = self.verifier.score(images, prompts)
        self.seen += [
            Judged(float(score), bool(check(image.cpu().numpy(), self.caption).holds))
            for score, image in zip(scores, images, strict=True)
        ]
        return scores


class Bench:
    """ComfyUI in this process with the demo model loaded."""

    def __init__(self) -> None:
        load = importlib.import_module("noise_search.demo.loaders")
        self.model, self.clip, self.vae = load.LoadShapesModel.execute().result
        self.verifier = load.LoadShapesVerifier.execute().result[0]
        self.empty = self._encode("")

    def _encode(self, text: str) -> Any:
        return self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text))

    def run(
        self, algorithm: Callable[[int, int], Any], caption: Any, seed: int, races: bool
    ) -> tuple[Any, list[Judged]]:
        """The report of one search, and every image its verifier saw."""
        driver, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("driver", "patch"))
        watched = Watched(self.verifier, caption)
        plan = driver.Plan("benchmark", "benchmark", algorithm, trajectories=max(BUDGETS), batch_size=8, races=races)
        model, search = patch.put_on(self.model, plan, self.vae, watched, str(caption))
        importlib.import_module("comfy.sample").sample(
            model, self._noise(seed), STEPS, CFG, "euler", "simple", self._encode(str(caption)), self.empty,
            torch.zeros(1, 3, SIZE, SIZE), disable_pbar=True, seed=seed,
        )  # fmt: skip
        return search.runs[0].reports[0], watched.seen

    def _noise(self, seed: int) -> Tensor:
        return importlib.import_module("comfy.sample").prepare_noise(torch.zeros(1, 3, SIZE, SIZE), seed)


def random_rows(bench: Bench, caption: Any, seed: int) -> Iterator[tuple[str, int, Judged, int]]:
    search = importlib.import_module("noise_search.search.random").random_search
    report, seen = bench.run(lambda s, steps: search(s, max(BUDGETS)), caption, seed, False)
    yield from (("random", budget, *_best_of(seen[:budget], report, budget)) for budget in (1, *BUDGETS))


def zero_order_rows(bench: Bench, caption: Any, seed: int) -> Iterator[tuple[str, int, Judged, int]]:
    """One long search; at each budget what it had found by then, in the middle of a round if need be."""
    search = importlib.import_module("noise_search.search.zero_order").zero_order
    rounds = max(BUDGETS) // NEIGHBORS
    report, seen = bench.run(lambda s, steps: search(s, rounds, NEIGHBORS, COSINE), caption, seed, False)
    yield from (("zero-order", budget, *_best_of(seen[:budget], report, budget)) for budget in BUDGETS)


def pruned_rows(bench: Bench, caption: Any, seed: int) -> Iterator[tuple[str, int, Judged, int]]:
    search = importlib.import_module("noise_search.search.random").pruned_random_search
    for budget in BUDGETS:
        report, seen = bench.run(lambda s, steps, b=budget: search(s, b, steps), caption, seed, True)
        finished = sum(candidate.is_finished for candidate in report.candidates)
        yield "random, pruned", budget, _best(seen[-finished:]), report.nfe


def path_rows(bench: Bench, caption: Any, seed: int) -> Iterator[tuple[str, int, Judged, int]]:
    search = importlib.import_module("noise_search.search.paths").path_search
    for name, levels, width in (("paths, early", EARLY, EARLY_WIDTH), ("paths, paper", PAPER, PAPER_WIDTH)):
        for budget in BUDGETS:
            settings = dict(zip(("paths", "branches"), width[budget], strict=True)) | levels
            report, seen = bench.run(lambda s, steps, c=settings: search(s, **c), caption, seed, False)
            finished = [image for image, c in zip(seen, report.candidates, strict=True) if c.is_finished]
            yield name, budget, _best(finished), report.nfe


METHODS = (random_rows, pruned_rows, zero_order_rows, path_rows)


def _best(images: list[Judged]) -> Judged:
    return max(images, key=lambda image: image.score)


def _best_of(images: list[Judged], report: Any, count: int) -> tuple[Judged, int]:
    return _best(images), sum(candidate.nfe for candidate in report.candidates[:count])


def boot() -> None:
    """ComfyUI reads its command line when it is imported."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    sys.path.insert(0, str(comfyui_path()))
    arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    importlib.import_module("comfy.cli_args")
    sys.argv = arguments
    pack_alias.register()


def measure(options: argparse.Namespace, log: Path) -> None:
    done = {(row.caption, row.seed, row.method) for row in read(log)}
    captions = importlib.import_module("noise_search.demo.benchmark").benchmark_captions(options.captions)
    bench = Bench()
    tasks = [(seed, number) for seed in range(options.seeds) for number in range(len(captions))]
    started = time.monotonic()
    with log.open("a") as sink, torch.inference_mode():
        for at, (seed, number) in enumerate(tasks):
            for method in METHODS:
                if _named(method) <= {name for n, s, name in done if (n, s) == (number, seed)}:
                    continue
                for name, budget, picked, nfe in method(bench, captions[number], 1000 * seed):
                    sink.write(
                        json.dumps(asdict(Row(name, budget, number, seed, picked.score, picked.holds, nfe))) + "\n"
                    )
                sink.flush()
            minutes = (time.monotonic() - started) / 60
            print(f"\r{at + 1} of {len(tasks)} captions x seeds, {minutes:.1f} min", end="", flush=True)
    print()


def _named(method: Callable[..., Any]) -> set[str]:
    """The names that a method's rows carry."""
    names = {random_rows: {"random"}, pruned_rows: {"random, pruned"}, zero_order_rows: {"zero-order"}}
    return names.get(method, {"paths, early", "paths, paper"})


def read(log: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def table(rows: list[Row]) -> str:
    captions, seeds = len({row.caption for row in rows}), len({row.seed for row in rows})
    lines = [
        f"{captions} captions x {seeds} seeds, {STEPS} euler steps, cfg {CFG:g}; {datetime.date.today()}, "
        f"torch {torch.__version__}, CPU. In brackets 90 % bootstrap intervals over captions.",
        "",
        "| method | budget | NFE | verifier score | oracle: whole caption holds |",
        "|---|---|---|---|---|",
    ]
    for method, budget in dict.fromkeys((row.method, row.budget) for row in sorted(rows, key=lambda row: row.budget)):
        chosen = [row for row in rows if (row.method, row.budget) == (method, budget)]
        nfe = np.mean([row.nfe for row in chosen])
        score = interval(chosen, lambda row: row.score)
        holds = interval(chosen, lambda row: 100.0 * row.holds)
        lines.append(f"| {method} | {budget} | {nfe:.0f} | {shown(score, 2)} | {shown(holds, 0)} % |")
    return "\n".join(lines) + "\n"


def interval(rows: list[Row], value: Callable[[Row], float]) -> tuple[float, float, float]:
    """Mean over captions, and its 5th and 95th percentile when captions are drawn again."""
    by_caption: dict[int, list[float]] = {}
    for row in rows:
        by_caption.setdefault(row.caption, []).append(value(row))
    means = np.array([np.mean(values) for values in by_caption.values()])
    draws = np.random.default_rng(0).integers(0, len(means), (BOOTSTRAPS, len(means)))
    low, high = np.percentile(means[draws].mean(1), [5, 95])
    return float(means.mean()), float(low), float(high)


def shown(values: tuple[float, float, float], digits: int) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{mean} [{low}, {high}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    RESULTS.mkdir(exist_ok=True)
    log = RESULTS / "methods.jsonl"
    boot()
    measure(options, log)
    text = table(read(log))
    (RESULTS / "methods.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
