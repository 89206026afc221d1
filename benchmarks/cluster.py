"""What several GPUs save, and what handing candidates out costs: a search on this GPU alone, and with 1, 2, 4 workers.

    .host/venv/bin/python benchmarks/cluster.py [--candidates 16 64] [--workers 1 2 4] [--repetitions 2]

GPUs wait (`waiting_gpu/`): each prediction takes 50 ms for every image in it, whatever else the machine does, and uses
no processor. Everything else is the product's: this process is the user's ComfyUI and takes part, workers are ComfyUIs
that Ray has started. In each repetition all run one after the other, every search from an empty ledger and with a seed
of its own; ratios are of one repetition, and what is said is their median.

Linear is the time alone, divided by the GPUs. The hand-out is the time between a worker's last score of a piece and the
beginning of its next one: what ComfyUI ends the prompt with there, Ray's way back, the user's process, and Ray's way
there. The pause of its GPU is that from the last step of a piece to the first of the next: the scores and what ComfyUI
begins a prompt with as well. Bytes are those of a worker's answer as Ray sends it, pickled.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "cluster.md"
SECONDS, STEPS = 0.05, 20
SEED_APART = 100_000
CLUSTER = "a Ray cluster"


class Search(NamedTuple):
    """One that ran. notes: of each process that took part, by its pid, the events (what, when)."""

    candidates: int
    workers: int
    seconds: float
    notes: dict[int, list[tuple[str, float]]]


class Answers(NamedTuple):
    """What workers send. bytes: of a candidate. seconds: of processor time of the thread that hands out, for a piece of
    so many candidates."""

    bytes: float
    seconds: float
    candidates: float


class Bench:
    """This process as the user's ComfyUI, and workers."""

    def __init__(self, folder: Path, workers: int, seconds: float, steps: int):
        self.folder, self.seconds, self.steps = folder, seconds, steps
        os.environ["WAITING_GPU_NOTES"] = str(self._made("notes"))  # before Ray starts: its processes get it
        packs = self._made("base/custom_nodes")
        (packs / "noise-search").symlink_to(ROOT, target_is_directory=True)
        (packs / "waiting_gpu").symlink_to(ROOT / "benchmarks" / "waiting_gpu", target_is_directory=True)
        arguments = ["--cpu", "--disable-api-nodes", "--base-directory", str(folder / "base")]
        comfy = str(importlib.import_module("layout").comfyui_path())
        worker = importlib.import_module("noise_search.cluster.worker")
        self.host = worker.Headless(comfy, arguments)
        self.pack = worker.loaded("search.crew.seam").__name__.removesuffix(worker.SEAM)
        self.crew, machines, rows = (self._module(f"cluster.{name}") for name in ("crew", "machines", "rows"))
        self.members = machines.members_alone(machines.Comfy(comfy, arguments), workers)
        found = rows.gathered(self.members, self._nodes(1, 0))
        if any(one.error for one in found):
            raise RuntimeError(f"workers have not started: {[one.error for one in found]}")
        self.seed = 0

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir(parents=True)
        return self.folder / name

    def _module(self, name: str) -> Any:
        return importlib.import_module(f"{self.pack}.{name}")

    def _nodes(self, candidates: int, seed: int) -> dict[str, Any]:
        search = {"model": ["1", 0], "vae": ["1", 1], "verifier": ["1", 2], "prompt": "", "candidates": candidates}
        search |= {"pruning": "none", "max_seconds": 0.0, "batch_size": 0}
        sampler = {"model": ["2", 0], "seed": seed, "steps": self.steps, "cfg": 1.0, "sampler_name": "euler"}
        sampler |= {"scheduler": "simple", "denoise": 1.0, "latent_image": ["3", 0]}
        sampler |= {"positive": ["1", 3], "negative": ["1", 3]}
        return {
            "1": {"class_type": "WaitingGPU", "inputs": {"seconds": self.seconds}},
            "2": {"class_type": "RandomSearch", "inputs": search},
            "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "4": {"class_type": "KSampler", "inputs": sampler},
        }

    def searched(self, candidates: int, workers: int) -> Search:
        self.seed += SEED_APART
        for file in (self.folder / "notes").iterdir():
            file.unlink()
        crew = self.crew.RayCrew(self.members[:workers])
        self._module("search.crew.seam").CREWS.open = lambda _: crew
        settings = {"spread": CLUSTER} if workers else {}
        started = time.monotonic()
        self._run(self._nodes(candidates, self.seed), settings)
        seconds = time.monotonic() - started
        files = (self.folder / "notes").iterdir()
        return Search(candidates, workers, seconds, {int(file.name): events(file) for file in files})

    def answers(self, candidates: int) -> Answers:
        """Of a search of its own: weighing them takes time as well."""
        import ray

        sizes, counts, handed = [], [], self.crew.RayHanded
        plain_run, plain_ended = handed._run, handed._ended
        seconds = 0.0

        def run(self: Any) -> None:
            nonlocal seconds
            plain_run(self)
            seconds = time.thread_time()

        def ended(self: Any, ref: Any, flight: Any) -> None:
            nonlocal weighing
            started = time.thread_time()
            sizes.append(len(ray.cloudpickle.dumps(ray.get(ref))))
            counts.append(len(flight.piece.candidates))
            weighing += time.thread_time() - started
            plain_ended(self, ref, flight)

        weighing = 0.0
        handed._run, handed._ended = run, ended
        try:
            self.searched(candidates, len(self.members))
        finally:
            handed._run, handed._ended = plain_run, plain_ended
        return Answers(sum(sizes) / sum(counts), (seconds - weighing) / len(counts), sum(counts) / len(counts))

    def _run(self, nodes: dict[str, Any], settings: dict[str, Any]) -> None:
        server, queue, prompt_id = self.host.server, self.host.server.prompt_queue, uuid.uuid4().hex
        extra = {"noise_search": settings}
        server.trigger_on_prompt({"prompt": nodes, "prompt_id": prompt_id, "extra_data": extra})
        queue.put((0, prompt_id, nodes, extra, ["4"], {}))
        while prompt_id not in queue.history:
            time.sleep(0.001)
        status = queue.history.pop(prompt_id)["status"]
        if status["status_str"] != "success":
            raise RuntimeError(f"the search failed: {status['messages']}")


def events(file: Path) -> list[tuple[str, float]]:
    return [(what, when) for what, when in map(json.loads, file.read_text().splitlines())]


def handouts(notes: list[tuple[str, float]]) -> tuple[list[float], list[float]]:
    """Of one worker, in seconds: from each piece's end to the next one's beginning, and for how long its GPU paused."""
    between, pauses = [], []
    ended = stepped = paused = None
    for what, when in notes:
        if what == "piece begins":
            between += [] if ended is None else [when - ended]
            paused = stepped
        elif what == "step begins" and paused is not None:
            pauses.append(when - paused)
            paused = None
        elif what == "piece ends":
            ended = when
        elif what == "step ends":
            stepped = when
    return between, pauses


def measured(bench: Bench, candidates: list[int], workers: list[int], repetitions: int) -> list[Search]:
    for count in (0, *workers):  # nobody loads anything after this
        bench.searched(min(candidates), count)
    found = []
    for repetition in range(repetitions):
        for most in candidates:
            for count in (0, *workers):
                found.append(bench.searched(most, count))
                print(f"{repetition + 1}: {most} candidates, {count} workers: {found[-1].seconds:.2f} s", flush=True)
    return found


def table(searches: list[Search], answers: Answers, loads: tuple[float, float]) -> str:
    lines = ["| candidates | workers and this GPU | times as fast as alone | of linear | each repetition |"]
    lines.append("|---|---|---|---|---|")
    for most, workers in dict.fromkeys((one.candidates, one.workers) for one in searches if one.workers):
        alone, ours = ([one.seconds for one in searches if one[:2] == (most, count)] for count in (0, workers))
        faster = [one / other for one, other in zip(alone, ours, strict=True)]
        shares = ", ".join(f"{one / (workers + 1):.3f}" for one in faster)
        best = median(faster)
        lines.append(f"| {most} | {workers} + 1 | {best:.2f} | {best / (workers + 1):.3f} | {shares} |")
    lines += [
        "",
        "| workers and this GPU | hand-out, median | 9 of 10 within | pause of a GPU, median | 9 of 10 within |",
    ]
    lines.append("|---|---|---|---|---|")
    for workers in dict.fromkeys(one.workers for one in searches if one.workers):
        ours = [one for one in searches if one.workers == workers]
        told = [handouts(notes) for one in ours for pid, notes in one.notes.items() if pid != os.getpid()]
        both = ([value for pair in told for value in pair[at]] for at in range(2))
        cells = [f"{1000 * quantile(one, at):.1f} ms" for one in both for at in (0.5, 0.9)]
        lines.append(f"| {workers} + 1 | {' | '.join(cells)} |")
    told = (
        f"{answers.bytes:,.0f} bytes come back of a candidate, nearly all of them its small picture. The thread that "
        f"hands out took {1000 * answers.seconds:.1f} ms of processor time for a piece, of {answers.candidates:.1f} "
        "candidates on average."
    )
    return "\n".join([*lines, "", told, "", f"Load of the machine: {loads[0]:.1f} before, {loads[1]:.1f} after."])


def quantile(values: list[float], at: float) -> float:
    found = sorted(values)
    return found[min(int(at * len(found)), len(found) - 1)]


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--candidates", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args(given)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="noise_search_cluster_") as folder:
        bench = Bench(Path(folder), max(chosen.workers), SECONDS, STEPS)
        searches = measured(bench, chosen.candidates, chosen.workers, chosen.repetitions)
        answers = bench.answers(max(chosen.candidates))
    text = table(searches, answers, (before, os.getloadavg()[0]))
    when = f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {os.cpu_count()} CPU cores"
    title = f"A search on several GPUs, which wait; {when} ({platform.machine()}), {chosen.repetitions} repetitions."
    chosen.results.write_text(f"{title} Made by `benchmarks/cluster.py`, which says what is measured.\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts" / "harness")]
    importlib.import_module("pack_alias").register()
    main()
