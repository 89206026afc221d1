"""How busy 8, 64 and 512 GPUs are: the hand-out's own code (cluster/handout.py) with simulated GPUs.

    .host/venv/bin/python benchmarks/cluster_simulation.py [--repetitions 20]

A candidate takes 5 s on a GPU of speed 1. `uneven`: each takes a second more or less (standard deviation; normal, at
least half a second). `half as fast`: every second GPU has speed 0.5. `failures`: one GPU of all dies every ten minutes
(exponential), loses what it had, and is back after a minute. A race is one unit of 12 candidates that costs as much as
8, which stays on one GPU.

One process hands out, one thing after the other: 5 ms for a piece and 1 ms for each candidate that comes back; and 10
ms each way between it and a GPU. All are ready at the start: models are loaded.

Utilisation is what the candidates take on a GPU of speed 1, divided by the time until the last one is there and by the
speeds of all GPUs together. What was lost, time in which a GPU was dead, and waiting at the end all lower it.
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import itertools
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from plots import axes, save

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GPUS = (8, 64, 512)
BUDGETS = tuple(2**power for power in range(3, 13))  # candidates, or what races cost
MOST = 8  # candidates that go together, as in search/crew/spread.py
RACE = 8  # what a race costs, in candidates
SECONDS, LEAST = 5.0, 0.5


class Setting(NamedTuple):
    """spread: standard deviation of a candidate's seconds. slow: the speed of every second GPU. dies_every: seconds
    between deaths, of all GPUs together, and back_after until one works again. way: seconds from the process that hands
    out to a GPU. piece, candidate: what it does for each, in seconds."""

    name: str
    spread: float = 0.0
    slow: float = 1.0
    dies_every: float = 0.0
    is_raced: bool = False
    back_after: float = 60.0
    way: float = 0.010
    piece: float = 0.005
    candidate: float = 0.001


SETTINGS = (
    Setting("plain"),
    Setting("uneven", 1.0),
    Setting("uneven, half as fast", 1.0, 0.5),
    Setting("uneven, half as fast, failures", 1.0, 0.5, 600.0),
    Setting("races", is_raced=True),
    Setting("races, uneven, half as fast, failures", 1.0, 0.5, 600.0, is_raced=True),
)


@dataclass
class GPU:
    """life: how often it has died. share: what it has."""

    speed: float
    life: int = 0
    share: Any = None
    is_alive: bool = True


class Ran(NamedTuple):
    """seconds: until all were there. useful: seconds of all candidates on a GPU of speed 1. losses: of shares."""

    seconds: float
    useful: float
    losses: int


@dataclass
class Cluster:
    """Discrete events: (time, number, what happens, to which GPU, in which of its lives)."""

    setting: Setting
    gpus: list[GPU]
    work: Any
    seconds: list[float]  # of each unit
    draw: random.Random
    events: list[tuple[float, int, str, int, int]] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)
    idle: deque[int] = field(default_factory=deque)
    busy_until: float = 0.0  # who hands out
    losses: int = 0
    done: list[int] = field(default_factory=list)

    def run(self) -> Ran:
        for at in range(len(self.gpus)):
            self._later(0.0, "asks", at)
        if self.setting.dies_every:
            self._later(self.draw.expovariate(1 / self.setting.dies_every), "dies", 0)
        now = 0.0
        while not self.work.is_over:
            now, _, what, at, life = heapq.heappop(self.events)
            if what in ("dies", "asks", "is back") or life == self.gpus[at].life:
                getattr(self, f"_{what.replace(' ', '_')}")(now, at)
        if sorted(self.done) != list(range(len(self.seconds))):
            raise RuntimeError("the hand-out has dropped something, or done it twice.")
        return Ran(now, sum(self.seconds), self.losses)

    def _later(self, when: float, what: str, at: int) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), what, at, self.gpus[at].life))

    def _asks(self, now: float, at: int) -> None:
        """A GPU's answer is there, or its first word: it is served when those before it are."""
        share = self.gpus[at].share
        count = 0 if share is None else len(share.numbers)
        self.busy_until = max(now, self.busy_until) + self.setting.piece + self.setting.candidate * count
        self._later(self.busy_until, "is served", at)

    def _is_served(self, now: float, at: int) -> None:
        gpu = self.gpus[at]
        if gpu.share is not None:
            self.work.done(gpu.share)
            self.done += gpu.share.numbers
            gpu.share = None
        self._begins(now, at)

    def _begins(self, now: float, at: int) -> None:
        gpu = self.gpus[at]
        gpu.share = self.work.take(len(self.gpus))
        if gpu.share is None:
            self.idle.append(at)
            return
        takes = sum(self.seconds[number] for number in gpu.share.numbers) / gpu.speed
        self._later(now + takes + 2 * self.setting.way, "answers", at)

    def _answers(self, now: float, at: int) -> None:
        self._asks(now, at)

    def _dies(self, now: float, _: int) -> None:
        self._later(now + self.draw.expovariate(1 / self.setting.dies_every), "dies", 0)
        at = self.draw.randrange(len(self.gpus))
        gpu = self.gpus[at]
        if not gpu.is_alive:
            return
        gpu.is_alive, gpu.life = False, gpu.life + 1
        self._later(now + self.setting.back_after, "is back", at)
        if gpu.share is None:
            self.idle = deque(one for one in self.idle if one != at)
            return
        self.losses += 1
        if self.work.lost(gpu.share):
            raise RuntimeError("a unit was lost too often.")
        gpu.share = None
        while self.idle and self.work.has_more:
            self._begins(now, self.idle.popleft())

    def _is_back(self, now: float, at: int) -> None:
        self.gpus[at].is_alive = True
        self._asks(now, at)


def simulated(gpus: int, budget: int, setting: Setting, seed: int) -> Ran:
    """budget: in candidates."""
    handout = importlib.import_module("noise_search.cluster.handout")
    draw, size = random.Random(seed), RACE if setting.is_raced else 1
    count = budget // size
    seconds = [
        sum(max(LEAST, draw.gauss(SECONDS, setting.spread)) for _ in range(size)) if setting.spread else SECONDS * size
        for _ in range(count)
    ]
    work = handout.Handout(range(count), count, MOST, lambda _: setting.is_raced)
    speeds = [setting.slow if at % 2 else 1.0 for at in range(gpus)]
    return Cluster(setting, [GPU(speed) for speed in speeds], work, seconds, draw).run()


def utilisation(gpus: int, budget: int, setting: Setting, repetitions: int) -> float:
    speeds = sum(setting.slow if at % 2 else 1.0 for at in range(gpus))
    is_random = setting.spread or setting.dies_every
    runs = [simulated(gpus, budget, setting, seed) for seed in range(repetitions if is_random else 1)]
    return mean(run.useful / (run.seconds * speeds) for run in runs)


Found = dict[tuple[int, int, str], float]  # by GPUs, budget, name of the setting


def table(found: Found, gpus: int) -> str:
    names = [setting.name for setting in SETTINGS]
    lines = [f"| candidates on {gpus} GPUs | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for budget in BUDGETS:
        cells = [f"{100 * found[gpus, budget, name]:.0f} %" for name in names]
        lines.append(f"| {budget:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(found: Found, path: Path) -> None:
    shown = [(SETTINGS[0], SETTINGS[3]), (SETTINGS[4], SETTINGS[5])]
    figure, plots = axes(1, 2, 10, 3.2)
    for plot, settings, title in zip(plots[0], shown, ("candidates one by one", "races of 12 at the cost of 8")):
        for color, gpus in zip(("tab:blue", "tab:orange", "tab:green"), GPUS):
            for setting, style in zip(settings, (":", "-")):
                values = [100 * found[gpus, budget, setting.name] for budget in BUDGETS]
                label = f"{gpus} GPUs" if style == "-" else None
                plot.plot(BUDGETS, values, style, color=color, label=label, marker="." if style == "-" else None)
        plot.set(xscale="log", xlabel="candidates", ylabel="utilisation, %", ylim=(0, 102), title=title)
        plot.set_xticks(BUDGETS[::3], [f"{budget:,}" for budget in BUDGETS[::3]])
        plot.minorticks_off()
        plot.grid(alpha=0.3)
    plots[0][1].plot([], [], ":", color="gray", label="equal, no failures")
    plots[0][1].legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=8)
    save(figure, path)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--quick", action="store_true", help="once each, for tests")
    options = parser.parse_args(given)
    repetitions = 1 if options.quick else options.repetitions
    found = {
        (gpus, budget, setting.name): utilisation(gpus, budget, setting, repetitions)
        for gpus in GPUS
        for budget in BUDGETS
        for setting in SETTINGS
    }
    path = options.results / "cluster_simulation.md"
    draw(found, path.with_suffix(".png"))
    told = (
        "How busy GPUs are by the number of candidates, simulated with the hand-out's own code. Made by "
        f"`benchmarks/cluster_simulation.py`, which says what is simulated; means of {repetitions} runs."
    )
    plot = f"![Utilisation against candidates]({path.with_suffix('.png').name})"
    notes = "Dotted: equal GPUs without failures. Lines: uneven candidates, every second GPU half as fast, failures."
    text = "\n\n".join([told, plot, notes, *(table(found, gpus) for gpus in GPUS)])
    path.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts" / "harness")]
    importlib.import_module("pack_alias").register()
    main()
