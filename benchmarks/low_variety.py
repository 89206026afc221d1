"""What helps where the seeds of a model look alike: the demo model, whose noise is nearly the same for all seeds.

    .host/venv/bin/python benchmarks/low_variety.py [--first 41] [--captions 100] [--draws 1]

Turbo and distilled models make nearly the same image from every seed. Here the noise of a seed is sqrt(1 - w^2) times
one fixed noise plus w times its own: for the stock sampler and a search alike. Searches of 8 trajectories at equal NFE,
by alignment, judged by the oracle, which no search sees:

plain seeds: random search. variety V: random search with the nodes' input `variety` at V. dispersed start: three
times as many seeds get one prediction, and the 7 that lie farthest apart (8 x 8 means of their x0 predictions; the
first is the image without search, each next one is farthest from its nearest) go on; these 21 predictions are counted.

Rows are added to low_variety.jsonl in the results; a run that was stopped goes on where it had ended.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from demo_bench import BATCH, SCHEDULER, Bench, Judged, arguments, captions, made_on, noise, read, spread
from stats import interval, shown
from torch import Tensor

SHARES = (0.1, 1.0)  # w
CANDIDATES = 8
MORE, FEWER = 3, 7  # of a dispersed start: seeds for each that goes on, and how many of these
FIXED = 500_000  # seed of the noise that all share
PLAIN, DISPERSED = "plain seeds", "dispersed start"
METHODS = {PLAIN: 0.0, "variety 0.15": 0.15, "variety 0.3": 0.3, "variety 0.6": 0.6, DISPERSED: 0.0}


@dataclass(frozen=True)
class Row:
    """One search. any_holds: whether the caption holds in any of its images: what a perfect verifier would find. apart:
    the mean distance of two of its images, root mean square of 32 x 32 means, 0..1.
    """

    method: str
    share: float
    caption: int
    draw: int
    score: float
    second: float
    holds: bool
    any_holds: bool
    apart: float
    nfe: int


class Task(NamedTuple):
    method: str
    share: float
    caption: int
    draw: int


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench, caption = _bench(), captions(task.caption + 1)[task.caption]
    host = importlib.import_module("comfy.sample")
    draw = host.prepare_noise

    def narrow(latent: Any, seed: int, *rest: Any) -> Tensor:
        kept = (1 - task.share**2) ** 0.5 * draw(latent, FIXED + task.draw, *rest)
        return kept + task.share * draw(latent, seed, *rest)

    search = dispersed if task.method == DISPERSED else by_variety(METHODS[task.method])
    with patch.object(host, "prepare_noise", narrow), torch.inference_mode():
        seen, latents, nfe = search(bench, caption, CANDIDATES * task.draw)
    best = max(seen, key=lambda one: one.score)
    is_any = any(one.holds for one in seen)
    return [Row(*task, best.score, best.second, best.holds, is_any, _apart(bench, latents), nfe)]


Found = tuple[list[Judged], Tensor, int]  # of each image, its latents, NFE of all


def by_variety(variety: float) -> Callable[[Bench, Any, int], Found]:
    def search(bench: Bench, caption: Any, seed: int) -> Found:
        plans, patches = (importlib.import_module(f"noise_search.search.{name}") for name in ("plan", "patch"))
        method = importlib.import_module("noise_search.search.methods.random_search").RandomSearch(CANDIDATES)
        watched = Kept(bench, caption)
        plan = plans.Plan("benchmark", method, plans.Limits(batch_size=BATCH), variety=variety)
        model, found = patches.put_on(bench.model, plan, bench.vae, watched, str(caption))
        bench.sampled(model, [caption], [seed], bench.steps)
        return watched.seen, torch.cat(watched.images), found.runs[0].reports[0].nfe

    return search


class Kept:
    """The verifier, with what it saw."""

    needs_prompt = True

    def __init__(self, bench: Bench, caption: Any):
        self.bench, self.caption, self.name = bench, caption, bench.verifier.name
        self.seen: list[Judged] = []
        self.images: list[Tensor] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        self.images.append(images.movedim(-1, 1))
        self.seen += [self.bench.judged_picture(image[None], self.caption) for image in images]
        return torch.tensor([one.score for one in self.seen[-len(images) :]])


def dispersed(bench: Bench, caption: Any, seed: int) -> Found:
    samplers, host = (importlib.import_module(f"comfy.{name}") for name in ("samplers", "sample"))
    begun = torch.cat([noise(seed + index) for index in range(MORE * FEWER)])
    sigmas = samplers.calculate_sigmas(bench.model.model.model_sampling, SCHEDULER, bench.steps)
    sampler = Dispersed()
    texts = bench.encoded(str(caption))[0][0].repeat(len(begun), 1, 1)
    latents = host.sample_custom(
        bench.model, begun, bench.cfg, samplers.KSAMPLER(sampler), sigmas, [[texts, {}]], bench.empty,
        torch.zeros_like(begun), disable_pbar=True, seed=seed,
    )[:FEWER]  # fmt: skip
    images = bench.vae.decode(latents)
    seen = [bench.judged_picture(image[None], caption) for image in images]
    return seen, images.movedim(-1, 1), sampler.nfe


class Dispersed:
    """Euler, as a sampler of ComfyUI: only those rows go on that lie far apart. The others end as zeros."""

    nfe = 0

    def __call__(self, model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
        rows = len(x)
        for level, following in itertools.pairwise(sigmas.tolist()):
            self.nfe += len(x)
            clean = model(x, x.new_full((len(x),), level), **extra_args)
            x = clean + (x - clean) * (following / level)
            if len(x) == rows:
                x = x[farthest(torch.nn.functional.avg_pool2d(clean.float(), 8).flatten(1), FEWER)]
        return torch.cat([x, x.new_zeros(rows - len(x), *x.shape[1:])])


def farthest(points: Tensor, count: int) -> list[int]:
    """Of points [N, D]: the first, then always the one that is farthest from its nearest chosen one."""
    chosen = [0]
    nearest = torch.cdist(points, points[:1])[:, 0]
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, torch.cdist(points, points[chosen[-1:]])[:, 0])
    return chosen


def _apart(bench: Bench, images: Tensor) -> float:
    """images [B, 3, H, W], 0..1."""
    small = torch.nn.functional.avg_pool2d(images.float(), images.shape[-1] // 32).flatten(1)
    return float(torch.pdist(small).mean() / small.shape[1] ** 0.5)


def report(rows: Sequence[Row]) -> str:
    lines = [
        "# Where seeds look alike",
        "",
        f"Demo model, 20 euler steps a trajectory, {CANDIDATES} trajectories, bfloat16; {made_on()}. Made by "
        "`benchmarks/low_variety.py`, which says what is measured. In brackets 90 % bootstrap intervals over captions; "
        "differences caption by caption.",
    ]
    for share in sorted({row.share for row in rows}):
        chosen = [row for row in rows if row.share == share]
        numbers = sorted({row.caption for row in chosen})
        own = f"{100 * share:.0f} % of the noise is the seed's own" if share < 1 else "All noise is the seed's own"
        lines += ["", f"## {own}", "", f"Captions {numbers[0]} to {numbers[-1]}.", "", *_table(chosen)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| | images apart, % | verifier | holds, % | against plain seeds, points | in any image, points | NFE |"
    yield "|---|---|---|---|---|---|---|"
    plain = {(row.caption, row.draw): row for row in rows if row.method == PLAIN}
    for method in METHODS:
        own = [row for row in rows if row.method == method and (row.caption, row.draw) in plain]
        if own:
            holds = interval(own, lambda row: 100 * row.holds)
            gains = interval(own, lambda row: 100 * (row.holds - plain[row.caption, row.draw].holds))
            chances = interval(own, lambda row: 100 * (row.any_holds - plain[row.caption, row.draw].any_holds))
            apart, score, nfe = (np.mean([getattr(row, of) for row in own]) for of in ("apart", "score", "nfe"))
            yield (
                f"| {method} | {100 * apart:.1f} | {score:.2f} | {shown(holds, 0)} | {shown(gains, 0)} "
                f"| {shown(chances, 0)} | {nfe:.0f} |"
            )


def main(command: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, command, {"captions": 42}, first=41, captions=100, draws=1)
    log = options.results / "low_variety.jsonl"
    done = {(row.method, row.share, row.caption, row.draw) for row in read(log, Row)}
    numbers = range(options.first, options.captions)
    wanted = itertools.product(SHARES, range(options.draws), numbers, METHODS)
    tasks = [
        Task(method, share, caption, draw)
        for share, draw, caption, method in wanted
        if (method, share, caption, draw) not in done
    ]
    spread(log, tasks, measure, start, options.workers)
    text = report(read(log, Row))
    (options.results / "low_variety.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
