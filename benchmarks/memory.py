"""Peak memory of searches: against the number of candidates, the batch size, the verifier's weights, and in loops.

    OMP_WAIT_POLICY=PASSIVE .host/venv/bin/python benchmarks/memory.py [--threads 1] [--gpu 1]

Each number comes from a fresh process. It loads the model, notes the memory it has, does what is measured, and reports
the peak since: the resident set as Linux counts it, with --gpu what torch has allocated there.

- candidates: Random Search around a KSampler, demo model (SDXL with random weights on a GPU), 2 steps, 8 candidates at
  a time, and the same with 6 steps and pruning. It should be flat.
- batch: the same with 16 candidates, 1 to 16 at a time; plain is a KSampler and a VAE Decode of so many latents.
- verifier: the same with a verifier of 256 MB of weights, which ComfyUI loads and unloads as it does all models.
- loop: Search Loop Open and Close around nodes that make and change an image of 1024x1024, for each cache that ComfyUI
  can be started with: the default one, --cache-classic, --cache-none. It should be flat with the default one.
"""

from __future__ import annotations

import importlib
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import random_models
import torch
from demo_bench import arguments, boot, made_on
from overhead import Race, Way
from plots import axes, save
from torch import Tensor, nn

MEGABYTE = 2**20
CANDIDATES, BATCHES, LOOPS = (1, 8, 64, 256), (1, 2, 4, 8, 16), (4, 16, 64)
TOGETHER, OF_BATCHES, STEPS = 8, 16, 2
PRUNED_STEPS = 6  # enough for cuts
SIDE = 1024
VERIFIER_MEGABYTES = 256
CACHES = {"default": "RAM_PRESSURE", "--cache-classic": "CLASSIC", "--cache-none": "NONE"}


class Task(NamedTuple):
    """What to measure. what: plain, search, pruned, verifier or loop. candidates; batch: as many at a time. side: of a
    loop's images. cache: a loop's, one of CACHES."""

    table: str
    what: str
    candidates: int
    batch: int = TOGETHER
    side: int = SIDE
    cache: str = "default"


class Peak(NamedTuple):
    """Megabytes: when all is loaded, and at most from then on."""

    loaded: float
    peak: float


class Setting(NamedTuple):
    """How all tasks of a run are measured."""

    gpu: bool
    threads: int


class HeavyVerifier:
    """A verifier with weights, which ComfyUI manages. Its score is the mean brightness."""

    name, needs_prompt = "heavy", False

    def __init__(self, megabytes: int):
        management = importlib.import_module("comfy.model_management")
        width = 1024
        layers = [nn.Linear(width, width, bias=False) for _ in range(megabytes * MEGABYTE // (4 * width * width))]
        self.patcher = importlib.import_module("comfy.model_patcher").ModelPatcher(
            nn.Sequential(*layers), management.get_torch_device(), management.unet_offload_device()
        )

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        importlib.import_module("comfy.model_management").load_models_gpu([self.patcher])
        return images.mean((1, 2, 3))


class Show:
    """An output node, so that the loop runs."""

    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "show", True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": ("*", {})}}

    def show(self, value: Any) -> dict[str, Any]:
        return {"ui": {"score": [value]}}


def measure(task: Task, setting: Setting) -> Peak:
    torch.set_num_threads(setting.threads)
    boot(setting.gpu)
    importlib.import_module("comfy.utils").set_progress_bar_enabled(False)
    return _in_loop(task, setting.gpu) if task.what == "loop" else _in_sampler(task, setting.gpu)


def _in_sampler(task: Task, gpu: bool) -> Peak:
    with torch.inference_mode():
        steps = PRUNED_STEPS if task.what == "pruned" else STEPS
        subject = random_models.sdxl(steps=steps) if gpu else random_models.shapes(steps=steps)
        if task.what == "verifier":
            subject = replace(subject, verifier=HeavyVerifier(VERIFIER_MEGABYTES))
        race = Race(subject, task.candidates)
        with _peak(gpu) as peak:
            if task.what == "plain":
                race.plain(task.batch)
            else:
                race.search(Way("", task.batch, races=task.what == "pruned"))
        return Peak(*peak)


def _in_loop(task: Task, gpu: bool) -> Peak:
    """In ComfyUI's own executor, without a server."""
    execution, management = (importlib.import_module(name) for name in ("execution", "comfy.model_management"))
    server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *message: None)
    total = management.total_ram / 1024
    memory = {"lru": 0, "ram": min(10.0, max(2.0, 0.1 * total)), "ram_inactive": total}  # as ComfyUI's main.py has it
    with _nodes(), _own_user_folder():
        executor = execution.PromptExecutor(server, execution.CacheType[CACHES[task.cache]], memory)
        with _peak(gpu) as peak:
            executor.execute(loop(task.candidates, task.side), "memory", {}, ["shown"])
    if not executor.success:
        raise RuntimeError(str(executor.status_messages[-1]))
    return Peak(*peak)


def loop(candidates: int, side: int) -> dict[str, Any]:
    """A prompt: an image of one color by the candidate's seed, inverted, scored by its colors."""
    image = {"width": side, "height": side, "batch_size": 1, "color": ["open", 1]}
    search = {"flow": ["open", 0], "score": ["scored", 0], "result": ["inverted", 0]}
    method = {"method": "random", "method.candidates": candidates}
    return {
        "open": {"class_type": "SearchLoopOpen", "inputs": {"seed": 1}},
        "image": {"class_type": "EmptyImage", "inputs": image},
        "inverted": {"class_type": "ImageInvert", "inputs": {"image": ["image", 0]}},
        "judge": {"class_type": "ColorfulnessVerifier", "inputs": {}},
        "scored": {
            "class_type": "VerifierScore",
            "inputs": {"images": ["inverted", 0], "verifier": ["judge", 0], "prompt": ""},
        },
        "close": {"class_type": "SearchLoopClose", "inputs": search | method},
        "shown": {"class_type": "BenchmarkShow", "inputs": {"value": ["close", 3]}},
    }


@contextmanager
def _nodes() -> Iterator[None]:
    """The nodes of the loop, where ComfyUI finds them."""
    host = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    before = dict(host)
    pack = [importlib.import_module(f"noise_search.nodes.{name}") for name in ("loop", "loop_parts", "score")]
    judges = importlib.import_module("noise_search.demo.loaders")
    nodes = [pack[0].SearchLoopOpen, pack[0].SearchLoopClose, *pack[1].NODES, pack[2].VerifierScore]
    host |= {node.GET_SCHEMA().node_id: node for node in [*nodes, judges.ColorfulnessVerifier]}
    host["BenchmarkShow"] = Show
    try:
        yield
    finally:
        host.clear()
        host |= before


@contextmanager
def _own_user_folder() -> Iterator[None]:
    """No scores of earlier runs."""
    folders = importlib.import_module("folder_paths")
    before = folders.get_user_directory()
    with tempfile.TemporaryDirectory() as folder:
        folders.set_user_directory(folder)
        try:
            yield
        finally:
            folders.set_user_directory(before)


@contextmanager
def _peak(gpu: bool) -> Iterator[list[float]]:
    """Two numbers, filled in at the end: megabytes at the beginning, and at most in between."""
    found: list[float] = []
    if gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / MEGABYTE
        yield found
        found += [before, torch.cuda.max_memory_allocated() / MEGABYTE]
        return
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before = _resident("VmRSS")
    yield found
    found += [before, _resident("VmHWM")]


def _resident(field: str) -> float:
    """Megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def tasks(candidates: Sequence[int], batches: Sequence[int], of: int, loops: Sequence[int], side: int) -> list[Task]:
    flat = [Task("candidates", "search", count) for count in candidates]
    flat += [Task("candidates", "pruned", count) for count in candidates[1:]]
    heavy = [Task("verifier", "verifier", count) for count in candidates[1:3]]
    by_batch = [Task("batch", what, of, batch) for batch in batches for what in ("plain", "search")]
    around = [Task("loop", "loop", count, side=side, cache=cache) for cache in CACHES for count in loops]
    return [*flat, *by_batch, *heavy, *around]


def run(wanted: Sequence[Task], setting: Setting, fresh: bool) -> Iterator[Peak]:
    """fresh: each in a process of its own; else all in this one."""
    for task in wanted:
        if fresh:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                yield process.submit(measure, task, setting).result()
        else:
            yield measure(task, setting)


def table(measured: Sequence[tuple[Task, Peak]], setting: Setting, plot: str) -> str:
    machine = made_on(torch.cuda.get_device_name()) if setting.gpu else made_on()
    of = "memory that torch has allocated on the GPU" if setting.gpu else "resident set"
    lines = [
        f"Peak {of}, in MB, each in a fresh process; {machine}. Made by `benchmarks/memory.py`, which says what is "
        "measured. Above: what the peak adds to what was there when all was loaded.",
        "",
        f"![Memory above what is there when all is loaded]({plot})",
    ]
    for name, head, shown in _TABLES:
        rows = [(task, peak) for task, peak in measured if task.table == name]
        lines += ["", f"| {head} | when loaded | peak | above |", "|---|---|---|---|"]
        lines += [f"| {shown(task)} | {_megabytes(peak)} |" for task, peak in rows]
    return "\n".join(lines) + "\n"


_TABLES = (
    ("candidates", f"candidates, {TOGETHER} at a time", lambda task: f"{task.candidates}, {task.what}"),
    ("batch", "at a time", lambda task: f"{task.batch} of {task.candidates}, {task.what}"),
    ("verifier", f"candidates, with a verifier of {VERIFIER_MEGABYTES} MB", lambda task: task.candidates),
    ("loop", "candidates in a loop", lambda task: f"{task.candidates}, {task.side}x{task.side}, cache: {task.cache}"),
)


def _megabytes(peak: Peak) -> str:
    return f"{peak.loaded:.0f} | {peak.peak:.0f} | {peak.peak - peak.loaded:.0f}"


def draw(measured: Sequence[tuple[Task, Peak]], path: Path) -> None:
    """A plot for each table: megabytes above what is there when all is loaded."""
    figure, (plots,) = axes(1, len(_TABLES), 15, 3.6)
    for axis, (name, head, _) in zip(plots, _TABLES, strict=True):
        lines: dict[str, list[tuple[int, float]]] = {}
        for task, peak in measured:
            if task.table == name:
                label = f"cache: {task.cache}" if name == "loop" else task.what
                count = task.batch if name == "batch" else task.candidates
                lines.setdefault(label, []).append((count, peak.peak - peak.loaded))
        for label, points in lines.items():
            axis.plot(*zip(*points, strict=True), "o-", label=label)
        counts = sorted({count for points in lines.values() for count, _ in points})
        axis.set(xscale="log", xlabel=head, title="MB above", ylim=(0, None))
        axis.set_xticks(counts, counts)
        axis.minorticks_off()
        axis.legend(fontsize="small")
    save(figure, path)


def main(command: list[str] | None = None) -> None:
    options = arguments(
        __doc__, command, {"candidates": (1, 2, 4), "batches": (1, 2), "of": 2, "loops": (2, 3), "side": 64},
        candidates=CANDIDATES, batches=BATCHES, of=OF_BATCHES, loops=LOOPS, side=SIDE, threads=1, gpu=0,
    )  # fmt: skip
    setting = Setting(bool(options.gpu), options.threads)
    wanted = tasks(options.candidates, options.batches, options.of, options.loops, options.side)
    measured = []
    for task, peak in zip(wanted, run(wanted, setting, fresh=options.workers > 0), strict=True):
        measured.append((task, peak))
        print(task, peak, flush=True)
    path = options.results / ("memory_gpu.md" if setting.gpu else "memory.md")
    draw(measured, path.with_suffix(".png"))
    text = table(measured, setting, path.with_suffix(".png").name)
    path.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
