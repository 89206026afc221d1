"""What a search costs beyond the same work done without it.

    OMP_WAIT_POLICY=PASSIVE .host/venv/bin/python benchmarks/overhead.py [--candidates 8] [--together 4]
        [--repetitions 5] [--threads 1] [--gpu 1]

Plain is what one would do without this pack: KSampler and VAE Decode for each seed, at the batch size that the search
is given. The search decodes as often, scores, keeps its records, writes its pictures and tells a browser; its winner is
decoded once more behind the sampler. Both are the host's own nodes in one process, in turns (A B A B ...).

Time is the clock on the wall. Of the search it is split as its report splits it: sampling, decoding, scoring; what is
left is bookkeeping. Sampling may hide work of this pack, so the last columns look from outside: processor time of the
process that is spent neither in the network nor in the VAE nor in the verifier, with the search and without. Their
difference is everything that this pack adds. Other programs on the machine hardly change it.

With --gpu the models are those of real sizes, SDXL and Flux with random weights, and the last columns are left out.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import random_models
import torch
from demo_bench import SAMPLER, SCHEDULER, arguments, boot, made_on
from plots import axes, save
from random_models import Subject
from torch import Tensor

PARTS = ("sampling", "decoding", "scoring")


class Way(NamedTuple):
    """How candidates are searched. batch: as many at a time."""

    name: str
    batch: int
    races: bool = False


@dataclass(frozen=True)
class Cost:
    """Of all candidates together. seconds: on the wall; the parts add up to it with bookkeeping. processor: seconds of
    processor time. outside: those in none of network, VAE, verifier."""

    seconds: float
    processor: float
    outside: float
    sampling: float
    decoding: float
    scoring: float
    nfe: int

    @property
    def bookkeeping(self) -> float:
        return self.seconds - self.sampling - self.decoding - self.scoring


class Clock:
    """Processor time inside of functions."""

    def __init__(self) -> None:
        self.inside = 0.0

    @contextmanager
    def around(self, *methods: tuple[Any, str]) -> Iterator[None]:
        for owner, name in methods:
            setattr(owner, name, self._timed(getattr(owner, name)))
        try:
            yield
        finally:
            for owner, name in methods:
                delattr(owner, name)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.inside += time.process_time() - started

        return timed


class Browser:
    """Stands where ComfyUI's server stands, with a browser that listens: a message is made into JSON and dropped."""

    client_id = "a browser"

    def send_sync(self, event: str, data: Any, client: str) -> None:
        json.dumps({"type": event, "data": data})


class Race:
    """A subject with a search and without, `candidates` trajectories each time."""

    def __init__(self, subject: Subject, candidates: int):
        self.subject, self.candidates = subject, candidates
        self.nodes = importlib.import_module("nodes")

    def plain(self, batch: int) -> Cost:
        return self._measured(lambda: self._plain(batch))

    def search(self, way: Way) -> Cost:
        return self._measured(lambda: self._search(way))

    def _plain(self, batch: int) -> dict[str, Any]:
        spent = dict.fromkeys(PARTS, 0.0)
        for seed in range(0, self.candidates, batch):
            started = time.perf_counter()
            latents = self._sampled(self.subject.model, seed, batch)
            sampled = time.perf_counter()
            self.subject.vae.decode(latents)
            _wait()
            spent["sampling"] += sampled - started
            spent["decoding"] += time.perf_counter() - sampled
        return spent | {"nfe": self.candidates * self.subject.steps}

    def _search(self, way: Way) -> dict[str, Any]:
        random, plans, patch = (_search_module(name) for name in ("methods.random_search", "plan", "patch"))
        method = random.RandomSearch(self.candidates, random.PROGRESSIVE if way.races else random.NONE)
        plan = plans.Plan("Random Search", method, plans.Limits(batch_size=way.batch))
        subject = self.subject
        model, search = patch.put_on(subject.model, plan, subject.vae, subject.verifier, subject.prompt)
        latents = self._sampled(model, 0, 1)
        started = time.perf_counter()
        subject.vae.decode(latents)
        _wait()
        report = search.runs[-1].reports[0]
        spent = {part: getattr(report.seconds, part) for part in PARTS}
        spent["decoding"] += time.perf_counter() - started
        return spent | {"nfe": report.nfe}

    def _sampled(self, model: Any, seed: int, batch: int) -> Tensor:
        subject = self.subject
        latent = {"samples": subject.latent.repeat(batch, 1, 1, 1)}
        return self.nodes.common_ksampler(
            model, seed, subject.steps, subject.cfg, SAMPLER, SCHEDULER, subject.positive, subject.negative, latent
        )[0]["samples"]

    def _measured(self, work: Callable[[], dict[str, Any]]) -> Cost:
        clock, subject = Clock(), self.subject
        judged = ((subject.network, "forward"), (subject.vae, "decode"), (subject.verifier, "score"))
        with clock.around(*judged):
            _wait()
            started, processor = time.perf_counter(), time.process_time()
            spent = work()
            seconds, processor = time.perf_counter() - started, time.process_time() - processor
        return Cost(seconds=seconds, processor=processor, outside=processor - clock.inside, **spent)


def _search_module(name: str) -> Any:
    return importlib.import_module(f"noise_search.search.{name}")


def _wait() -> None:
    """For a GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Measured:
    """Of one subject and way: each repetition's plain cost and search cost. single: plain, one at a time."""

    subject: str
    way: Way
    candidates: int
    plain: list[Cost]
    search: list[Cost]
    single: list[Cost]


def measure(subject: Subject, ways: list[Way], candidates: int, repetitions: int) -> list[Measured]:
    race = Race(subject, candidates)
    plain: dict[int, list[Cost]] = {batch: [] for batch in sorted({1, *(way.batch for way in ways)})}
    search: dict[Way, list[Cost]] = {way: [] for way in ways}
    _warm_up(subject, ways)
    for repetition in range(repetitions):
        for batch, costs in plain.items():
            costs.append(race.plain(batch))
            for way in ways:
                if way.batch == batch:
                    search[way].append(race.search(way))
        print(f"{subject.name}: {repetition + 1} of {repetitions}", flush=True)
    return [Measured(subject.name, way, candidates, plain[way.batch], search[way], plain[1]) for way in ways]


def _warm_up(subject: Subject, ways: list[Way]) -> None:
    for way in ways:
        race = Race(subject, way.batch)
        race.plain(way.batch)
        race.search(way)


def ratio(ours: list[Cost], theirs: list[Cost], value: Callable[[Cost], float]) -> str:
    """Of the medians; in brackets the smallest and largest of the pairs that were measured one after another."""
    pairs = [value(mine) / value(other) for mine, other in zip(ours, theirs, strict=True)]
    together = median(map(value, ours)) / median(map(value, theirs))
    return f"{together:.3f} [{min(pairs):.3f}, {max(pairs):.3f}]"


def times(rows: list[Measured]) -> list[str]:
    lines = [
        "| model | search | NFE: plain, search | plain, s | search, s | search / plain | search / plain one by one "
        "| processor time, search / plain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.subject, row.way.name, f"{row.plain[0].nfe}, {row.search[0].nfe}"]
        cells += [f"{median(cost.seconds for cost in costs):.2f}" for costs in (row.plain, row.search)]
        cells += [ratio(row.search, costs, lambda cost: cost.seconds) for costs in (row.plain, row.single)]
        cells.append(ratio(row.search, row.plain, lambda cost: cost.processor))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def shares(rows: list[Measured]) -> list[str]:
    """Where the search's time goes; what this pack adds, only where the network runs on the processor."""
    lines = [
        "| model | search | sampling | decoding | scoring | bookkeeping | sampling / plain sampling "
        "| outside, plain, ms | outside, search, ms | all this pack adds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.subject, row.way.name]
        cells += [_share(row.search, lambda cost, part=part: getattr(cost, part)) for part in (*PARTS, "bookkeeping")]
        cells.append(ratio(row.search, row.plain, lambda cost: cost.sampling))
        outside = [f"{1000 * _outside(costs) / row.candidates:.1f}" for costs in (row.plain, row.search)]
        known = [*outside, f"{added(row):.2f} %"]
        cells += ["", "", ""] if torch.cuda.is_initialized() else known
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def added(row: Measured) -> float:
    """All that this pack adds, in % of plain: processor time in none of network, VAE and verifier."""
    return 100 * (_outside(row.search) - _outside(row.plain)) / median(cost.processor for cost in row.plain)


def _outside(costs: list[Cost]) -> float:
    return median(cost.outside for cost in costs)


def _share(costs: list[Cost], value: Callable[[Cost], float]) -> str:
    return f"{100 * median(value(cost) / cost.seconds for cost in costs):.2f} %"


def table(rows: list[Measured], machine: str, plot: str) -> str:
    repetitions = len(rows[0].plain)
    lines = [
        f"{rows[0].candidates} candidates, {SAMPLER}; medians of {repetitions} repetitions, plain and search in turns; "
        f"{machine}. Made by `benchmarks/overhead.py`, which says what is measured. In brackets the smallest and "
        f"largest ratio of a pair. A pruned search may spend a little less than its budget of NFE.{_others()}",
        "",
        f"![Time of a search over time without it, and what the pack adds]({plot})",
        "",
        *times(rows),
        "",
        "Where the search's time goes, in % of it; then processor time outside of network, VAE and verifier, for a "
        "candidate, and the difference of the two in % of plain.",
        "",
        *shares(rows),
    ]
    return "\n".join(lines) + "\n"


def draw(rows: list[Measured], path: Path) -> None:
    """Left: each pair, and the ratio of the medians. Right: what is not sampling, decoding or scoring."""
    figure, ((left, right),) = axes(1, 2, 12, 1.2 + 0.4 * len(rows))
    places = range(len(rows))
    for place, row in zip(places, rows, strict=True):
        pairs = [mine.seconds / other.seconds for mine, other in zip(row.search, row.plain, strict=True)]
        left.plot(pairs, [place] * len(pairs), "o", color="tab:blue", alpha=0.4)
        left.plot(_seconds(row.search) / _seconds(row.plain), place, "|", color="black", markersize=18)
    left.axvline(1, color="gray", linewidth=0.8)
    left.set(xlabel="seconds: search / plain, same batch size", yticks=places)
    left.set_yticklabels([f"{row.subject}: {row.way.name}" for row in rows])
    shares = {
        "bookkeeping, seconds": [100 * median(cost.bookkeeping / cost.seconds for cost in r.search) for r in rows]
    }
    if not torch.cuda.is_initialized():
        shares["all this pack adds, processor time"] = [added(row) for row in rows]
    for number, (label, values) in enumerate(shares.items()):
        right.barh([place + 0.35 * number for place in places], values, 0.35, label=label)
    right.set(xlabel="%", yticks=[])
    right.legend()
    for axis in (left, right):
        axis.invert_yaxis()
    save(figure, path)


def _seconds(costs: list[Cost]) -> float:
    return median(cost.seconds for cost in costs)


def _others() -> str:
    """What the reader has to know when other programs ran as well."""
    running = round(os.getloadavg()[1])
    if running <= os.cpu_count():
        return ""
    return f" {running} programs ran at a time on this machine: the clock on the wall says little, processor time more."


def main(command: list[str] | None = None) -> None:
    options = arguments(
        __doc__, command, {"candidates": 2, "together": 2, "repetitions": 1},
        candidates=8, together=4, repetitions=5, threads=1, gpu=0,
    )  # fmt: skip
    gpu = bool(options.gpu)
    boot(gpu)
    torch.set_num_threads(options.threads)
    importlib.import_module("comfy.utils").set_progress_bar_enabled(False)
    _search_module("host.prompts").PROMPTS.server = Browser()
    ways = [
        Way("one by one", 1),
        Way(f"{options.together} together", options.together),
        Way(f"{options.together} together, pruned", options.together, races=True),
    ]
    if options.quick:
        subjects = [lambda: random_models.shapes(steps=2), lambda: random_models.small_unet(side=4, steps=2)]
    elif gpu:
        subjects = [random_models.sdxl, random_models.flux]
    else:
        subjects = [random_models.shapes, random_models.small_unet]
    with torch.inference_mode():
        rows = [row for make in subjects for row in measure(make(), ways, options.candidates, options.repetitions)]
    machine = made_on(torch.cuda.get_device_name()) if gpu else f"{made_on()}, {options.threads} thread"
    path = options.results / ("overhead_gpu.md" if gpu else "overhead.md")
    draw(rows, path.with_suffix(".png"))
    text = table(rows, machine, path.with_suffix(".png").name)
    path.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
