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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "scripts"), str(ROOT / "scripts" / "harness")]
import pack_alias  # noqa: E402
from layout import comfyui_path  # noqa: E402

pack_alias.register()
RESULTS = ROOT / "benchmarks" / "results"
STEPS, CFG, SIZE = 20, 3.0, 64
SCHEDULER, SAMPLER = "simple", "euler"
BATCH = 8


@dataclass(frozen=True)
class Judged:
    """One image that the verifier was asked about, what a second verifier says of it, and what the oracle says."""

    score: float
    second: float
    holds: bool


class Watched:
    """A verifier, and beside it a second one and the oracle, which only take notes."""

    needs_prompt = True

    def __init__(self, verifier: Any, second: Any, caption: Any):
        self.verifier, self.second, self.caption, self.name = verifier, second, caption, verifier.name
        self.seen: list[Judged] = []

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        scores = self.verifier.score(images, prompts)
        self.seen += self.judged(images, scores, prompts)
        return scores

    def judged(self, images: Tensor, scores: Tensor, prompts: list[str]) -> list[Judged]:
        check = importlib.import_module("noise_search.demo.oracle").check
        seconds = self.second.score(images, prompts)
        holds = [bool(check(image.cpu().numpy(), self.caption).holds) for image in images]
        return [Judged(*values) for values in zip(scores.tolist(), seconds.tolist(), holds, strict=True)]


class Bench:
    """The demo model in ComfyUI's own sampling, its verifier, and colourfulness as a second one.

    dtype: of the network; bfloat16 is what a GPU would run, and faster. steps: of a trajectory.
    """

    def __init__(self, dtype: torch.dtype = torch.bfloat16, cfg: float = CFG, steps: int = STEPS) -> None:
        load = importlib.import_module("noise_search.demo.loaders")
        self.model, self.clip, self.vae = load.LoadShapesModel.execute().result
        self.verifier = load.LoadShapesVerifier.execute().result[0]
        self.second = load.ColorfulnessVerifier.execute().result[0]
        self.cfg = cfg
        self.steps = steps
        self.batch = BATCH if cfg != 1 else 2 * BATCH  # as many rows a prediction either way
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
        steps: int = 0,
        races: bool = False,
    ) -> tuple[Any, list[Judged]]:
        """The report of one search, and every image its verifier saw. algorithm: given the sampler's seed and steps.

        steps: 0 for those of a trajectory.
        """
        watched = Watched(self.verifier, self.second, caption)
        begin = lambda start: algorithm(start.seed, start.steps)  # noqa: E731
        method = SimpleNamespace(
            name="benchmark",
            trajectories=trajectories,
            races=races,
            parents=0,
            refine=None,
            begin=begin,
            summary=lambda _: "",
        )
        report, _ = self.found(method, watched, caption, seed, steps)
        return report, watched.seen

    def found(
        self, method: Any, verifier: Any, caption: Any, seed: int, steps: int = 0, limits: Any = None
    ) -> tuple[Any, Tensor]:
        """The report of a search by this method and verifier, and its winner's latent."""
        plans, patch = (importlib.import_module(f"noise_search.search.{name}") for name in ("plan", "patch"))
        plan = plans.Plan("benchmark", method, limits or plans.Limits(batch_size=self.batch))
        model, search = patch.put_on(self.model, plan, self.vae, verifier, str(caption))
        latent = self.sampled(model, [caption], [seed], steps or self.steps)
        return search.runs[0].reports[0], latent

    def images(self, captions: Sequence[Any], seeds: Sequence[int], steps: int) -> list[Judged]:
        """Of the plain sampler, one of each caption."""
        images = self.vae.decode(self.sampled(self.model, captions, seeds, steps))
        return [self.judged_picture(*pair) for pair in zip(images.split(1), captions, strict=True)]

    def judged(self, latent: Tensor, caption: Any) -> Judged:
        """Of one latent."""
        return self.judged_picture(self.vae.decode(latent), caption)

    def judged_picture(self, image: Tensor, caption: Any) -> Judged:
        """Of one image [1, H, W, 3]."""
        watched = Watched(self.verifier, self.second, caption)
        watched.score(image, [str(caption)])
        return watched.seen[0]

    def sampled(self, model: Any, captions: Sequence[Any], seeds: Sequence[int], steps: int) -> Tensor:
        """[B, 3, SIZE, SIZE], what a KSampler gives."""
        return self._drawn(model, captions, torch.cat([noise(seed) for seed in seeds]), seeds[0], steps)

    def drawn(self, captions: Sequence[Any], start: Tensor, seed: int) -> Tensor:
        """What these noises [B, 3, SIZE, SIZE] become."""
        return self._drawn(self.model, captions, start, seed, self.steps)

    def _drawn(self, model: Any, captions: Sequence[Any], start: Tensor, seed: int, steps: int) -> Tensor:
        texts = torch.cat([self.encoded(str(caption))[0][0] for caption in captions])
        return importlib.import_module("comfy.sample").sample(
            model, start, steps, self.cfg, SAMPLER, SCHEDULER, [[texts, {}]], self.empty,
            torch.zeros_like(start), disable_pbar=True, seed=seed,
        )  # fmt: skip


def noise(seed: int) -> Tensor:
    """[1, 3, SIZE, SIZE], as a sampler node draws it."""
    return importlib.import_module("comfy.sample").prepare_noise(torch.zeros(1, 3, SIZE, SIZE), seed)


def boot(gpu: bool = False) -> None:
    """ComfyUI reads its command line when it is imported."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    sys.path.insert(0, str(comfyui_path()))
    arguments, sys.argv = sys.argv, [sys.argv[0], *([] if gpu else ["--cpu"])]
    importlib.import_module("comfy.options").enable_args_parsing()
    importlib.import_module("comfy.cli_args")
    sys.argv = arguments


def captions(count: int) -> list[Any]:
    return importlib.import_module("noise_search.demo.benchmark").benchmark_captions(count)


def spread(log: Path, tasks: Iterable[Any], work: Callable[[Any], list[Any]], start: Callable[[], None], workers: int):
    """Do the tasks in processes of one thread each; the rows they return are added to the log as they come.

    work, start: functions of a module, so that a process finds them; `start` runs first in each. workers: 0 for none
    but this process.
    """
    tasks = list(tasks)
    log.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    with log.open("a") as sink:
        for at, rows in enumerate(_done(tasks, work, start, workers)):
            sink.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
            sink.flush()
            minutes = (time.monotonic() - started) / 60
            print(f"\r{at + 1} of {len(tasks)}, {minutes:.1f} min", end="", flush=True)
    print()


def _done(
    tasks: Sequence[Any], work: Callable[[Any], list[Any]], start: Callable[[], None], workers: int
) -> Iterator[list[Any]]:
    if not workers:
        boot()
        start()
        yield from map(work, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(workers, _start, (start,)) as pool:
        yield from pool.imap_unordered(work, tasks)


def _start(start: Callable[[], None]) -> None:
    torch.set_num_threads(1)
    boot()
    start()


def read(log: Path, row: type) -> list[Any]:
    return [row(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def made_on(gpu: str = "no GPU") -> str:
    """Date, versions and machine, for the head of a table."""
    version = (comfyui_path() / "comfyui_version.py").read_text().split('"')[-2]
    return (
        f"{datetime.date.today()}, ComfyUI {version}, torch {torch.__version__}, {os.cpu_count()} CPU cores "
        f"({platform.machine()}), {gpu}"
    )


def arguments(doc: str, command: Sequence[str] | None, quick: dict[str, Any], **options: Any) -> argparse.Namespace:
    """A command line of whole numbers, or several where the default is several, --workers, --results and --quick.

    command: None for that of this process. quick: what --quick takes instead of the defaults, enough to see that
    everything runs, too little to learn from.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works; use with --results")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where tables, plots and rows go")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=int, nargs="+" if isinstance(default, tuple) else None)
    given = parser.parse_args(command)
    for name, default in (options | quick if given.quick else options).items():
        if getattr(given, name) is None:
            setattr(given, name, default)
    return given
