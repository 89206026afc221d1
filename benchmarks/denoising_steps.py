"""What denoising steps buy on the demo model, how the adaptive schedule compares, and how to split a budget.

    .host/venv/bin/python benchmarks/denoising_steps.py [--captions 24] [--budget_captions 24] [--workers 2]

Part 1, quality: for each caption one noise, denoised with 2 to 100 steps by three samplers and several schedulers, and
by the adaptive schedule of Step Scheduler, whose pilot flies with another noise. Distance is the root mean square
difference from the solution of the same noise with 200 steps of heun (399 predictions), as a share of the image's own
size; oracle and verifier say how good the image is. Network in float32.

Part 2, budgets: random search with 64 to 512 predictions in all, split between steps of a candidate and candidates; how
often the oracle finds the whole caption in what the verifier picked. Network in bfloat16.

Rows are added to benchmarks/results/steps_*.jsonl as they come; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demo_bench import CFG, SIZE, Bench, arguments, captions, made_on, noise, read, spread
from plots import axes, save
from stats import Interval, interval, mean, shown
from torch import Tensor

SAMPLERS = {"euler": (2, 4, 6, 8, 12, 20, 50, 100), "dpmpp_2m": (2, 4, 6, 8, 12, 20, 50, 100)}
SAMPLERS |= {"heun": (2, 4, 6, 8, 12, 20, 50)}
SCHEDULERS = ("simple", "beta", "karras")
ALL_AT = (6, 8, 12)  # steps where every scheduler of the host runs
EXACT = "heun", "simple"  # the sampler and scheduler of the exact solution
EXACT_STEPS = 200
ADAPTIVE = "adaptive"
BUDGETS = (64, 128, 256, 512)
CANDIDATE_STEPS = (4, 6, 8, 12, 16, 24)
SEED = 40_000


@dataclass(frozen=True)
class Image:
    """One denoised image. pilot: predictions that its schedule took."""

    caption: int
    sampler: str
    scheduler: str
    steps: int
    distance: float
    score: float
    holds: bool
    nfe: int
    pilot: int = 0


@dataclass(frozen=True)
class Pick:
    """What random search picked of `candidates` at this budget. holds: true, or a share of several searches."""

    caption: int
    budget: int
    steps: int
    candidates: int
    holds: float


def start_quality() -> None:
    global bench
    bench = Bench(torch.float32)


def quality(task: tuple[int, int, int, int]) -> list[Image]:
    """Every schedule for one caption. task: its number, how many there are, the most steps, those of the exact one."""
    number, count, most_steps, exact_steps = task
    caption = captions(count)[number]
    with torch.inference_mode():
        return list(_Quality(number, caption, exact_steps).images(most_steps))


class _Quality:
    def __init__(self, number: int, caption: Any, exact_steps: int):
        self.number, self.caption = number, caption
        self.samplers = importlib.import_module("comfy.samplers")
        self.sampling = bench.model.get_model_object("model_sampling")
        self.positive = bench.encoded(str(caption))
        self.exact = self._denoised(EXACT[0], self._host(EXACT[1], exact_steps))
        self.pilot = self._fly()

    def images(self, most_steps: int) -> Iterable[Image]:
        cost = importlib.import_module("noise_search.search.steps.solver_cost").predictions
        for sampler, all_steps in SAMPLERS.items():
            for steps in (steps for steps in all_steps if steps <= most_steps):
                nfe = cost(bench.model, sampler, steps)
                for scheduler in self.samplers.SCHEDULER_NAMES if steps in ALL_AT else SCHEDULERS:
                    yield self._image(sampler, scheduler, steps, nfe, self._host(scheduler, steps))
                yield self._image(sampler, ADAPTIVE, steps, nfe, self._adaptive(steps), self.pilot.nfe)

    def _image(self, sampler: str, scheduler: str, steps: int, nfe: int, sigmas: Tensor, pilot: int = 0) -> Image:
        latent = self._denoised(sampler, sigmas)
        distance = float((latent - self.exact).square().mean().sqrt() / self.exact.square().mean().sqrt())
        image = bench.vae.decode(latent)
        check = importlib.import_module("noise_search.demo.oracle").check
        score = float(bench.verifier.score(image, [str(self.caption)])[0])
        holds = bool(check(image[0].numpy(), self.caption).holds)
        return Image(self.number, sampler, scheduler, steps, distance, score, holds, nfe, pilot)

    def _denoised(self, sampler: str, sigmas: Tensor) -> Tensor:
        return importlib.import_module("comfy.sample").sample_custom(
            bench.model, noise(SEED + self.number), CFG, self.samplers.sampler_object(sampler), sigmas, self.positive,
            bench.empty, torch.zeros(1, 3, SIZE, SIZE), disable_pbar=True, seed=SEED,
        )  # fmt: skip

    def _host(self, scheduler: str, steps: int) -> Tensor:
        return self.samplers.calculate_sigmas(self.sampling, scheduler, steps)

    def _fly(self) -> Any:
        adaptive = importlib.import_module("noise_search.search.steps.adaptive")
        latent = {"samples": torch.zeros(1, 3, SIZE, SIZE)}
        task = adaptive.Task(bench.model, self.positive, bench.empty, CFG, latent)
        return adaptive.pilot_for(task, float(self.sampling.sigma_max))[0]

    def _adaptive(self, steps: int) -> Tensor:
        adaptive = importlib.import_module("noise_search.search.steps.adaptive")
        return adaptive.to_sigmas(bench.model, self.pilot, float(self.sampling.sigma_max), steps)


def start_budgets() -> None:
    global bench
    bench = Bench()


def budgets(task: tuple[int, int, tuple[int, ...]]) -> list[Pick]:
    """One search with the largest budget for each number of steps; smaller budgets are parts of it, each a search.

    task: the number of the caption, how many there are, and the budgets.
    """
    number, count, sizes = task
    search = importlib.import_module("noise_search.search.methods.random_search").random_search
    picks = []
    with torch.inference_mode():
        for steps in CANDIDATE_STEPS:
            most = max(sizes) // steps
            _, seen = bench.search(lambda s, _, n=most: search(s, n), most, captions(count)[number], SEED, steps)
            for budget in sizes:
                size = budget // steps
                for at in range(0, len(seen) - size + 1, size):
                    best = max(seen[at : at + size], key=lambda image: image.score)
                    picks.append(Pick(number, budget, steps, size, best.holds))
    return picks


def quality_table(rows: Sequence[Image]) -> list[str]:
    schedulers = [*SCHEDULERS, ADAPTIVE]
    lines = []
    for title, digits, value in (
        ("Distance to the exact solution, % of the image's size (geometric mean)", 1, _distance),
        ("Oracle: whole caption holds, %", 0, lambda images: 100 * np.mean([image.holds for image in images])),
        ("Verifier score", 2, lambda images: np.mean([image.score for image in images])),
    ):
        lines += ["", f"**{title}**", "", "| sampler, steps (NFE) | " + " | ".join(schedulers) + " |"]
        lines += ["|---" * (len(schedulers) + 1) + "|"]
        for (sampler, steps), images in _by(rows, "sampler", "steps").items():
            cells = [f"{value(_only(images, scheduler)):.{digits}f}" for scheduler in schedulers]
            lines.append(f"| {sampler}, {steps} ({images[0].nfe}) | " + " | ".join(cells) + " |")
    return lines


def few_steps_table(rows: Sequence[Image]) -> list[str]:
    """Against the best of all the host's schedulers, where few steps make the schedule matter."""
    lines = [
        "",
        "| sampler, steps | best of the host's | its distance | adaptive | ratio [90 %] |",
        "|---|---|---|---|---|",
    ]
    for (sampler, steps), images in _by([row for row in rows if row.steps in ALL_AT], "sampler", "steps").items():
        hosts = {image.scheduler for image in images} - {ADAPTIVE}
        best = min(hosts, key=lambda name: _distance(_only(images, name)))
        pairs = zip(*(sorted(_only(images, name), key=lambda i: i.caption) for name in (ADAPTIVE, best)), strict=True)
        logs = mean([math.log(ours.distance / theirs.distance) for ours, theirs in pairs])
        ratio = Interval(*map(math.exp, logs))
        theirs, ours = (100 * v for v in (_share(_only(images, best)), _share(_only(images, ADAPTIVE))))
        lines.append(f"| {sampler}, {steps} | {best} | {theirs:.1f} % | {ours:.1f} % | {shown(ratio, 2)} |")
    return lines


def budget_table(rows: Sequence[Pick]) -> list[str]:
    """With what the budget mode chooses, and how far that is behind the best cell of its line, caption by caption."""
    steps = sorted({row.steps for row in rows})
    lines = [
        "",
        "| NFE | " + " | ".join(f"{count} steps" for count in steps) + " | budget mode chooses | behind the best |",
    ]
    lines += ["|---" * (len(steps) + 3) + "|"]
    choose = importlib.import_module("noise_search.search.steps.allocation").allocate
    for budget in sorted({row.budget for row in rows}):
        cells = {count: [row for row in rows if (row.budget, row.steps) == (budget, count)] for count in steps}
        found = {count: interval(cell, _percent) for count, cell in cells.items()}
        chosen, best = choose(budget, 0, int).steps, max(steps, key=lambda count: found[count][0])
        behind = [
            replace(ours, holds=theirs.holds - ours.holds)
            for ours, theirs in zip(_means(cells[chosen]), _means(cells[best]), strict=True)
        ]
        lines.append(
            f"| {budget} | " + " | ".join(shown(cell, 0) for cell in found.values())
            + f" | {chosen} steps | {shown(interval(behind, _percent), 1)} |"
        )  # fmt: skip
    return lines


def _means(picks: Sequence[Pick]) -> list[Pick]:
    """One a caption: the share of its searches that found it."""
    return [
        replace(searches[0], holds=np.mean([pick.holds for pick in searches]))
        for searches in _by(picks, "caption").values()
    ]


def _percent(pick: Pick) -> float:
    return 100.0 * pick.holds


def _distance(images: Sequence[Image]) -> float:
    return 100 * _share(images)


def _share(images: Sequence[Image]) -> float:
    return math.exp(np.mean([math.log(image.distance) for image in images]))


def _only(images: Sequence[Image], scheduler: str) -> list[Image]:
    return [image for image in images if image.scheduler == scheduler]


def _by(rows: Sequence[Any], *names: str) -> dict[tuple, list[Any]]:
    groups: dict[tuple, list[Any]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in names), []).append(row)
    return dict(sorted(groups.items()))


def draw(images: Sequence[Image], picks: Sequence[Pick], path: Path) -> None:
    figure, ((left, right),) = axes(1, 2, 11, 4)
    for scheduler in (*SCHEDULERS, ADAPTIVE):
        rows = _by([image for image in images if (image.sampler, image.scheduler) == ("euler", scheduler)], "steps")
        left.loglog([key[0] for key in rows], [_distance(row) for row in rows.values()], "o-", label=scheduler)
    left.set(xlabel="steps of euler", ylabel="distance to the exact solution, %", xticks=SAMPLERS["euler"])
    left.set_xticklabels(SAMPLERS["euler"])
    left.legend()
    steps, budgets = (sorted({getattr(pick, name) for pick in picks}) for name in ("steps", "budget"))
    cells = np.array(
        [[np.mean([_percent(p) for p in picks if (p.budget, p.steps) == (b, s)]) for s in steps] for b in budgets]
    )
    right.imshow(cells, cmap="Blues", aspect="auto", vmin=cells.min() - 5, vmax=cells.max() + 10)
    for (row, column), value in np.ndenumerate(cells):
        right.text(column, row, f"{value:.0f}", ha="center", va="center")
    right.set(xlabel="steps of each candidate", ylabel="NFE in all", title="whole caption holds, %")
    right.set_xticks(range(len(steps)), steps)
    right.set_yticks(range(len(budgets)), budgets)
    save(figure, path)


def report(images: Sequence[Image], picks: Sequence[Pick]) -> str:
    pilots = [row.pilot for row in images if row.scheduler == ADAPTIVE]
    return "\n".join(
        [
            "# Steps",
            "",
            f"Demo model, cfg {CFG:g}; {made_on()}. Made by `benchmarks/denoising_steps.py`.",
            "",
            "![Distance against steps, and success over steps and candidates](steps.png)",
            "",
            f"## Quality against steps ({len({row.caption for row in images})} captions, one noise each)",
            "",
            f"The adaptive schedule's pilot took {np.mean(pilots):.0f} predictions on average ({min(pilots)} to "
            f"{max(pilots)}), once for a prompt; they are not in the NFE below.",
            *quality_table(images),
            "",
            "## Few steps, against every scheduler of the host",
            *few_steps_table(images),
            "",
            f"## Budgets ({len({row.caption for row in picks})} captions, euler, simple)",
            "",
            "How often the whole caption holds, %, with 90 % bootstrap intervals over captions. A budget smaller than "
            "512 is searched several times per caption, with different noises.",
            *budget_table(picks),
            "",
        ]
    )


def main(command: Sequence[str] | None = None) -> None:
    quick = {"captions": 1, "budget_captions": 1, "most_steps": 6, "exact_steps": 30, "budgets": (24,)}
    full = {"captions": 24, "budget_captions": 24, "most_steps": 100, "exact_steps": EXACT_STEPS, "budgets": BUDGETS}
    options = arguments(__doc__, command, quick, **full)
    quality_log, budget_log = (options.results / f"steps_{part}.jsonl" for part in ("quality", "budgets"))
    for log, row, work, start, count, settings in (
        (quality_log, Image, quality, start_quality, options.captions, (options.most_steps, options.exact_steps)),
        (budget_log, Pick, budgets, start_budgets, options.budget_captions, (tuple(options.budgets),)),
    ):
        done = {kept.caption for kept in read(log, row)}
        tasks = [(number, count, *settings) for number in range(count) if number not in done]
        spread(log, tasks, work, start, options.workers)
    images, picks = read(quality_log, Image), read(budget_log, Pick)
    text = report(images, picks)
    (options.results / "steps.md").write_text(text)
    draw(images, picks, options.results / "steps.png")
    print(text)


if __name__ == "__main__":
    main()
