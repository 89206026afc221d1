"""What choosing by one verifier does to the others, on the demo model: the paper's tables 1 and 2 in small.

    OMP_WAIT_POLICY=PASSIVE .host/venv/bin/python benchmarks/hacking.py [--captions 24] [--candidates 16] [--threads 1]

For each caption the demo model draws the same candidates; the best is chosen by nothing (candidate 0), by one verifier,
or by the ensemble's rank mean. Alignment is the demo's verifier; beauty, which ignores the caption, is colourfulness
(Hasler and Süsstrunk 2003). The oracle says whether the whole caption holds; nothing sees it.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
from pathlib import Path
from typing import Any

import torch
from demo_bench import CFG, RESULTS, SIZE, STEPS, Bench, boot
from torch import Tensor

CHOICES = ("none", "alignment", "beauty", "both")


def drawn(bench: Bench, caption: str, seed: int, count: int) -> Tensor:
    """Images [count, SIZE, SIZE, 3] of the seeds from `seed` on."""
    sample = importlib.import_module("comfy.sample")
    latents = torch.zeros(count, 3, SIZE, SIZE)
    noise = torch.cat([sample.prepare_noise(latents[:1], seed + number) for number in range(count)])
    samples = sample.sample(
        bench.model, noise, STEPS, CFG, "euler", "simple", bench.encoded(caption), bench.empty, latents,
        disable_pbar=True, seed=seed,
    )  # fmt: skip
    return bench.vae.decode(samples)


def chosen(bench: Bench, caption: Any, seed: int, count: int) -> dict[str, list[float]]:
    """Of each choice: alignment, beauty, and 1 when the oracle is content."""
    colorfulness = importlib.import_module("noise_search.demo.host_judges").Colorfulness()
    ensemble = importlib.import_module("noise_search.verifiers.ensemble").Ensemble([bench.verifier, colorfulness])
    images, (alignment, beauty) = drawn(bench, str(caption), seed, count), ensemble.parts
    scores = {name: part.score(images, [str(caption)] * count).tolist() for name, part in ensemble.parts.items()}
    check = importlib.import_module("noise_search.demo.oracle").check
    holds = [float(check(image.numpy(), caption).holds) for image in images]
    rankings = ([1.0], scores[alignment], scores[beauty], ensemble.combine(scores))
    picks = (max(range(len(ranking)), key=ranking.__getitem__) for ranking in rankings)
    return {name: [scores[alignment][pick], scores[beauty][pick], holds[pick]] for name, pick in zip(CHOICES, picks)}


def table(rows: list[dict[str, list[float]]], candidates: int) -> str:
    """Means over captions; a star where the mean differs from candidate 0's by two standard errors."""
    lines = [
        f"{len(rows)} captions, best of {candidates}, {STEPS} euler steps, cfg {CFG:g}; {datetime.date.today()}, torch "
        f"{torch.__version__}, CPU. A star: two standard errors from no choice, over captions. Alignment is the demo's "
        "verifier, beauty is colourfulness; the oracle, which nothing sees, checks the picture against the caption.",
        "",
        "| chosen by | alignment | beauty | oracle: whole caption holds |",
        "|---|---|---|---|",
    ]
    values = {name: torch.tensor([row[name] for row in rows]) for name in CHOICES}
    for name in CHOICES:
        change = values[name] - values["none"]
        sure = change.mean(0).abs() > 2 * change.std(0) / len(rows) ** 0.5
        cells = [
            f"{value:.{digits}f}{unit}{' *' if star else ''}"
            for value, digits, unit, star in zip(
                (values[name].mean(0) * torch.tensor([1, 1, 100])).tolist(), (2, 3, 0), ("", "", " %"), sure
            )
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines) + "\n"


def read(log: Path) -> list[dict[str, list[float]]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=24)
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    RESULTS.mkdir(exist_ok=True)
    log = RESULTS / "hacking.jsonl"
    boot()
    captions = importlib.import_module("noise_search.demo.benchmark").benchmark_captions(options.captions)
    bench = Bench()
    with log.open("a") as sink, torch.inference_mode():
        for number in range(len(read(log)), len(captions)):
            row = chosen(bench, captions[number], 1000 * number, options.candidates)
            sink.write(json.dumps(row) + "\n")
            sink.flush()
    text = table(read(log), options.candidates)
    (RESULTS / "hacking.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
