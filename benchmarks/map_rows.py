"""What `scripts/cluster map` adds to the rows themselves: time and memory, over very many rows.

    .host/venv/bin/python benchmarks/map_rows.py [--rows 100000] [--workers 2]

Workers are processes that Ray starts, and answer at once: with the report of a search of 16 candidates and a picture of
64x64. Everything else is the command's own: it reads the table, hands rows out, writes pictures and results.

Time is the clock on the wall. With workers that answer at once all of it is bookkeeping: the command's, Ray's, and the
pickling at the worker's end. Memory is the resident set of the command's process, as Linux counts it.
"""

from __future__ import annotations

import argparse
import io
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "map_rows.md"
CANDIDATES, STEPS = 16, 20
PARTS = 10
NODES = {"3": {"class_type": "KSampler", "inputs": {"seed": 0}}, "6": {"class_type": "Text", "inputs": {"text": ""}}}


class AtOnce:
    """A worker whose searches take no time."""

    def __init__(self) -> None:
        file, noise = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(file, "PNG")
        self.picture = file.getvalue()
        self.random = random.Random(0)

    def run(self, nodes: dict[str, Any], token: str) -> dict[str, Any]:
        seed = nodes["3"]["inputs"]["seed"]
        candidates = [
            {
                "index": at,
                "score": self.random.gauss(10, 1),
                "nfe": STEPS,
                "stopped_at_step": None,
                "scores": {"a": 1.0},
            }
            for at in range(CANDIDATES)
        ]
        best = max(candidates, key=lambda one: one["score"])
        recipe = {"seed": seed + best["index"], "moves": []}
        nfe = {"search": CANDIDATES * STEPS, "total": CANDIDATES * STEPS}
        report = {"node": "3", "prompt": nodes["6"]["inputs"]["text"], "seed": seed, "nfe": nfe}
        report |= {"best": {"score": best["score"], "recipe": recipe}, "candidates": candidates}
        report |= {"baseline": {"score": candidates[0]["score"]}}
        return {"reports": [report], "files": [("9", ".png", self.picture)], "seconds": 0.0}


class Part(NamedTuple):
    """After so many rows: the seconds a row since the last part, and megabytes."""

    rows: int
    seconds: float
    memory: float


def written(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("3.seed,6.text,kind\n")
        file.writelines(f'{row},"a prompt of some words, number {row}",some\n' for row in range(rows))
    return path


def resident() -> float:
    """Of this process, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measured(members: list[Any], results: Any, every: int) -> Iterator[Part]:
    from cluster_run import Pending
    from noise_search.cluster.rows import Rows

    pending = Pending(results)
    started, done = time.perf_counter(), 0
    for outcome in Rows(members, pending, print):
        pending.written(outcome, outcome.worker)
        done += 1
        if done % every == 0:
            now = time.perf_counter()
            yield Part(done, (now - started) / every, resident())
            started = now


def at_once(rows: int, workers: int, folder: Path) -> list[Part]:
    import ray

    from cluster_results import Results
    from cluster_table import Table
    from noise_search.cluster.machines import CONTROL, Member, start_here

    start_here(workers)
    remote = ray.remote(num_cpus=0, concurrency_groups={CONTROL: 1})(AtOnce)
    members = [Member(remote.remote(), f"worker {at + 1}") for at in range(workers)]
    results = Results(folder / "run", Table(written(folder / "table.csv", rows), NODES))
    found = []
    for part in measured(members, results, rows // PARTS):
        print(f"{part.rows} rows: {part.seconds * 1e3:.2f} ms a row, {part.memory:.0f} MB", flush=True)
        found.append(part)
    results.close()
    started = time.perf_counter()
    again = Results(folder / "run", Table(folder / "table.csv", NODES))
    print(
        f"taken up again in {time.perf_counter() - started:.1f} s, {again.done} done, {resident():.0f} MB", flush=True
    )
    ray.shutdown()
    return found


def table(parts: list[Part], workers: int) -> str:
    first, slowest = parts[0], max(part.seconds for part in parts)
    lines = ["| rows | memory, as a multiple of that after the first tenth | bookkeeping, as a part of a row of 1 s |"]
    lines.append("|---|---|---|")
    lines += [f"| {part.rows:,} | {part.memory / first.memory:.3f} | {100 * part.seconds:.2f} % |" for part in parts]
    told = (
        f"{workers} workers answered at once. One command hands rows to all workers, so of W workers it takes W times "
        f"that part: with the slowest of these it stays under 1 % while a row takes {100 * slowest:.2f} s times W or "
        f"more, which is {100 * slowest * 8:.1f} s on 8 GPUs."
    )
    return "\n".join([*lines, "", told])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="noise_search_map_") as folder:
        parts = at_once(chosen.rows, chosen.workers, Path(folder))
    write(parts, chosen.workers)


def write(parts: list[Part], workers: int) -> None:
    when = f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, 2 shared CPU cores ({platform.machine()})"
    made = "Made by `benchmarks/map_rows.py`, which says what is measured."
    title = f"What `scripts/cluster map` adds to its rows, and its memory; {when}, at low priority on a busy machine."
    RESULTS.write_text(f"{title} {made}\n\n{table(parts, workers)}\n")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts" / "harness")]
    import pack_alias

    pack_alias.register()
    main()
