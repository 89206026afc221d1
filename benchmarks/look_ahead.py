"""How well looks ahead rank candidates that are on their way, against x0 predictions, and that they disturb nothing.

    .host/venv/bin/python benchmarks/look_ahead.py [--first 41] [--prompts 12] [--seeds 16]
    .host/venv/bin/python benchmarks/look_ahead.py --gpu 1

Seeds of a prompt run side by side in ComfyUI's own sampling, 20 euler steps, and are judged after 4, 5, 6, 8 and 10 of
them: once by their x0 predictions, once by looks two steps ahead. Ranks: Spearman's correlation with the final scores,
within a prompt. An x0 prediction after k steps has cost k predictions a seed, a look two ahead k + 2; of those, k + 1
are the trajectory's own. Disturbs: the largest difference, as a share of the largest value, between the latents that
come out with looks and without.

Models with weights: the demo's, by alignment. With --gpu also SDXL, SD 3.5 medium and Flux with random weights, whose
images say nothing: of those cost and exactness count. For ranks of a model that people have, CHECKPOINT names a file in
ComfyUI's models/checkpoints, IMAGE_REWARD one in models/verifiers, PROMPTS a text file with a prompt a line (variables
of the environment).
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import random_models
import torch
from demo_bench import SAMPLER, SCHEDULER, Bench, arguments, boot, captions, made_on
from random_models import Subject
from scipy.stats import spearmanr
from stats import Interval, mean, shown
from torch import Tensor

STEPS = 20
AFTER = (4, 5, 6, 8, 10)
X0, LOOKS = 0, 1  # big steps further on than the next prediction
SEED = 0


class Seen(NamedTuple):
    """Of one prompt. early: scores of each seed, by the steps it had done. nfe: predictions that the search reports;
    counted: those the network made, of one row each. seconds: of all."""

    latent: Tensor
    early: dict[int, list[float]]
    final: list[float]
    nfe: int
    counted: int
    seconds: float


class Row(NamedTuple):
    """One model. early: by x0 predictions and by looks. disturbs: see above."""

    name: str
    prompts: int
    seeds: int
    ranks: dict[int, dict[int, Interval | None]]
    disturbs: float
    nfe: tuple[int, int]
    is_counted: bool
    seconds: float


def run(subject: Subject, seeds: int, ahead: int | None) -> Seen:
    """ahead: None for no judging on the way."""
    methods, races = (importlib.import_module(f"noise_search.search.methods.{name}") for name in ("base", "pruning"))
    plans, patches = (importlib.import_module(f"noise_search.search.{name}") for name in ("plan", "patch"))
    recipe = importlib.import_module("noise_search.search.records.recipe").Recipe
    steps = subject.steps
    cuts = () if ahead is None else tuple(races.Cut(step + ahead, seeds, ahead) for step in AFTER if step < steps - 1)

    def begin(start: Any) -> Iterator[Any]:
        yield methods.Heat([recipe(SEED + at) for at in range(seeds)], races.Race(steps, seeds, cuts))

    method = SimpleNamespace(
        name="benchmark", trajectories=seeds * 3, races=True, parents=0, refine=None, begin=begin, summary=lambda _: ""
    )
    plan = plans.Plan("benchmark", method, plans.Limits())
    model, search = patches.put_on(subject.model, plan, subject.vae, subject.verifier, subject.prompt)
    early, racing = {}, importlib.import_module("noise_search.search.judging.race").Racing
    judge = racing.after_step

    def after_step(self: Any, step: int, *seen: Any) -> Any:
        alive = judge(self, step, *seen)
        if alive is not None:
            early[step - (ahead or 0)] = [self.early.get(row, float("nan")) for row in range(seeds)]
        return alive

    counted = [0]
    hook = subject.network.register_forward_pre_hook(
        lambda _, given: counted.__setitem__(0, counted[0] + len(given[0]))
    )
    started = time.perf_counter()
    with patch.object(racing, "after_step", after_step), torch.inference_mode():
        latent = _sampled(subject, model)
    hook.remove()
    report = search.runs[-1].reports[0]
    pairs = 2 if subject.cfg != 1 else 1
    seconds = time.perf_counter() - started
    return Seen(latent, early, [one.score for one in report.candidates], report.nfe, sum(counted) // pairs, seconds)


def _sampled(subject: Subject, model: Any) -> Tensor:
    host, start = importlib.import_module("comfy.sample"), subject.latent
    noise = host.prepare_noise(start, SEED)
    return host.sample(
        model, noise, subject.steps, subject.cfg, SAMPLER, SCHEDULER, subject.positive, subject.negative, start,
        disable_pbar=True, seed=SEED,
    )  # fmt: skip


def measure(name: str, subjects: Sequence[Subject], seeds: int, ranks: bool = True) -> Row:
    """subjects: a model with one prompt each. ranks: whether its images say anything."""
    plain, x0, looks = ([run(each, seeds, ahead) for each in subjects] for ahead in (None, X0, LOOKS))
    found = {X0: _ranks(x0, ranks), LOOKS: _ranks(looks, ranks)}
    differ = [
        float((one.latent - other.latent).abs().max() / other.latent.abs().max())
        for one, other in zip(looks, plain, strict=True)
        if one.final.index(max(one.final)) == other.final.index(max(other.final))
    ]
    is_counted = all(one.nfe == one.counted for one in (*plain, *x0, *looks))
    nfe = plain[0].nfe, looks[0].nfe
    more = sum(each.seconds for each in looks) / sum(each.seconds for each in x0)
    return Row(name, len(subjects), seeds, found, max(differ, default=float("nan")), nfe, is_counted, more)


def _ranks(runs: Sequence[Seen], known: bool) -> dict[int, Interval | None]:
    return {
        step: mean([float(spearmanr(each.early[step], each.final)[0]) for each in runs]) if known else None
        for step in runs[0].early
    }


def demo(first: int, prompts: int) -> list[Subject]:
    bench = Bench()
    return [
        Subject(
            "demo model", bench.model, bench.vae, bench.verifier, str(caption), bench.encoded(str(caption)),
            bench.empty, torch.zeros(1, 3, 64, 64), bench.cfg, STEPS,
        )
        for caption in captions(first + prompts)[first:]
    ]  # fmt: skip


def own(checkpoint: str, image_reward: str, prompts: Sequence[str]) -> list[Subject]:
    """A model that people have, at 1024 x 1024 or what its latents make of it, cfg 5."""
    model, clip, vae = importlib.import_module("nodes").CheckpointLoaderSimple().load_checkpoint(checkpoint)
    loader = importlib.import_module("noise_search.nodes.verifiers.scores").ImageRewardVerifier
    verifier = loader.execute(image_reward).result[0]
    channels = model.model.latent_format.latent_channels
    encode = lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text))  # noqa: E731
    return [
        Subject(
            Path(checkpoint).stem, model, vae, verifier, prompt, encode(prompt), encode(""),
            torch.zeros(1, channels, 128, 128), 5.0, STEPS,
        )
        for prompt in prompts
    ]  # fmt: skip


def report(rows: Sequence[Row], machine: str) -> str:
    lines = [
        "# Looks ahead",
        "",
        f"{STEPS} euler steps; {machine}. Made by `benchmarks/look_ahead.py`, which says what is measured. In brackets "
        "90 % bootstrap intervals over prompts.",
    ]
    for row in rows:
        lines += ["", f"## {row.name}: {row.prompts} prompts x {row.seeds} seeds", ""]
        if any(row.ranks[X0].values()):
            lines += ["| after steps | x0 prediction | look two ahead |", "|---|---|---|"]
            lines += [
                f"| {step} | {_shown(row.ranks[X0], step)} | {_shown(row.ranks[LOOKS], step)} |" for step in AFTER
            ]
            lines += [""]
        counted, looked = "as" if row.is_counted else "NOT as", len(row.ranks[LOOKS])
        lines += [
            f"Looks disturb trajectories by {row.disturbs:.1e}. NFE without looks: {row.nfe[0]}; with looks after "
            f"{looked} steps: {row.nfe[1]}; {counted} counted at the network. With looks it took {row.seconds:.2f} "
            "times as long as with x0 predictions."
        ]
    return "\n".join(lines) + "\n"


def _shown(ranks: dict[int, Interval | None], step: int) -> str:
    found = ranks.get(step)
    return "" if found is None else shown(found, 2)


def main(command: Sequence[str] | None = None) -> None:
    quick = {"prompts": 1, "seeds": 4}
    options = arguments(__doc__, command, quick, first=41, prompts=12, seeds=16, gpu=0)
    boot(bool(options.gpu))
    rows = [measure("Demo model, alignment", demo(options.first, options.prompts), options.seeds)]
    makers: Sequence[Callable[[], Subject]] = (random_models.sdxl, random_models.sd35, random_models.flux)
    for make in makers if options.gpu else ():
        subject = make()
        rows.append(measure(f"{subject.name}, random weights", [subject], min(8, options.seeds), ranks=False))
    if checkpoint := os.environ.get("CHECKPOINT"):
        prompts = Path(os.environ["PROMPTS"]).read_text().splitlines()[: options.prompts]
        rows.append(measure(Path(checkpoint).stem, own(checkpoint, os.environ["IMAGE_REWARD"], prompts), options.seeds))
    text = report(rows, made_on(torch.cuda.get_device_name()) if options.gpu else made_on())
    (options.results / ("look_ahead_gpu.md" if options.gpu else "look_ahead.md")).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
