"""What benchmarks on the demo model share: ComfyUI in this process, searches the oracle watches, workers, tables."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
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

pack_alias.register()
RESULTS = ROOT / "benchmarks" / "results"
STEPS, CFG, SIZE = 20, 3.0, 64
SCHEDULER, SAMPLER = "simple", "euler"
BATCH = 8
BOOTSTRAPS = 2000

Interval = tuple[float, float, float]  # mean, 5th and 95th percentile


@dataclass(frozen=True)
class Judged:
    """One image that the verifier was asked about, and what the oracle says of it."""

    score: float
    holds: bool


class Watched:
    """A verifier, and beside it the oracle, which only takes notes."""

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
    """The demo model in ComfyUI's own sampling. dtype: of its network; bfloat16 is what a GPU would run, and faster."""

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        load = importlib.import_module("noise_search.demo.loaders")
        self.model, self.clip, self.vae = load.LoadShapesModel.execute().result
        self.verifier = load.LoadShapesVerifier.execute().result[0]
        network = self.model.model.diffusion_model.to(dtype)
        network.dtype = dtype  # what the host goes by
        self.empty = self.encoded("")

    def encoded(self, text: str) -> Any:
        return self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text))

    def search(
        self,
        algorithm: Callable[[int, int], Any],
        trajectories: float,
        caption: Any,
        seed: int,
        steps: int = STEPS,
        races: bool = False,
    ) -> tuple[Any, list[Judged]]:
        """The report of one search, and every image its verifier saw."""
        driver, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("driver", "patch"))
        watched = Watched(self.verifier, caption)
        plan = driver.Plan("benchmark", "benchmark", algorithm, trajectories, batch_size=BATCH, races=races)
        model, search = patch.put_on(self.model, plan, self.vae, watched, str(caption))
        latents = torch.zeros(1, 3, SIZE, SIZE)
        importlib.import_module("comfy.sample").sample(
            model, noise(seed), steps, CFG, SAMPLER, SCHEDULER, self.encoded(str(caption)), self.empty, latents,
            disable_pbar=True, seed=seed,
        )  # fmt: skip
        return search.runs[0].reports[0], watched.seen


def noise(seed: int) -> Tensor:
    """[1, 3, SIZE, SIZE], as a sampler node draws it."""
    return importlib.import_module("comfy.sample").prepare_noise(torch.zeros(1, 3, SIZE, SIZE), seed)


def boot() -> None:
    """ComfyUI reads its command line when it is imported."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    sys.path.insert(0, str(comfyui_path()))
    arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    importlib.import_module("comfy.cli_args")
    sys.argv = arguments


def captions(count: int) -> list[Any]:
    return importlib.import_module("noise_search.demo.benchmark").benchmark_captions(count)


def spread(log: Path, tasks: Iterable[Any], work: Callable[[Any], list[Any]], start: Callable[[], None], workers: int):
    """Do the tasks in processes of one thread each; the rows they return are added to the log as they come.

    work, start: functions of a module, so that a process finds them; `start` runs first in each.
    """
    tasks = list(tasks)
    log.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start, (start,)) as pool, log.open("a") as sink:
        for at, rows in enumerate(pool.imap_unordered(work, tasks)):
            sink.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
            sink.flush()
            minutes = (time.monotonic() - started) / 60
            print(f"\r{at + 1} of {len(tasks)}, {minutes:.1f} min", end="", flush=True)
    print()


def _start(start: Callable[[], None]) -> None:
    torch.set_num_threads(1)
    boot()
    start()


def read(log: Path, row: type) -> list[Any]:
    return [row(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def interval(rows: Sequence[Any], value: Callable[[Any], float]) -> Interval:
    """Mean over captions, and its 90 % bootstrap interval: 5th and 95th percentile when captions are drawn again."""
    by_caption: dict[int, list[float]] = {}
    for row in rows:
        by_caption.setdefault(row.caption, []).append(value(row))
    means = np.array([np.mean(values) for values in by_caption.values()])
    draws = np.random.default_rng(0).integers(0, len(means), (BOOTSTRAPS, len(means)))
    low, high = np.percentile(means[draws].mean(1), [5, 95])
    return float(means.mean()), float(low), float(high)


def shown(values: Interval, digits: int) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{mean} [{low}, {high}]"


def made_on() -> str:
    """Date, versions and machine, for the head of a table."""
    version = (comfyui_path() / "comfyui_version.py").read_text().split('"')[-2]
    return (
        f"{datetime.date.today()}, ComfyUI {version}, torch {torch.__version__}, {os.cpu_count()} CPU cores "
        f"({platform.machine()}), no GPU"
    )


def arguments(doc: str, **options: int) -> argparse.Namespace:
    """A command line of whole numbers with these defaults, and --workers."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser.parse_args()
