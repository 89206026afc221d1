"""Measure the demo: `python -m demo.evaluate` in the folder that holds `demo`. Writes tables to demo/results."""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .benchmark import BENCHMARK_MIX, benchmark_captions
from .captions import Caption
from .flow import euler
from .metrics import area_under_curve, mean_with_interval
from .near_miss import random_near_miss
from .oracle import check
from .scene import SIZE
from .text_encoder import TextEncoder
from .tokens import token_ids
from .unet import UNet
from .verifier_network import ShapesVerifierNetwork
from .weights import MODEL_FILE, VERIFIER_FILE, load_weights, training_metadata
from .world import random_example

log = logging.getLogger(__name__)
RESULTS = Path(__file__).parent / "results"
ROWS = 32
"""Samples drawn at a time."""


def main() -> None:
    options = read_options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    captions = benchmark_captions(options.captions)
    samples = load_or_sample(options.samples, captions, options.seeds, options.steps, options.cfg)
    holds = np.array([[check(image, caption).holds for image in row] for row, caption in zip(samples, captions)])
    scores = score_all(samples, captions)
    results = {
        "settings": {
            "captions": options.captions,
            "seeds_per_caption": options.seeds,
            "steps": options.steps,
            "cfg": options.cfg,
            "sampler": "euler",
            "benchmark_mix": BENCHMARK_MIX,
        },
        "model_training": training_metadata(MODEL_FILE),
        "verifier_training": training_metadata(VERIFIER_FILE),
        "oracle": oracle_accuracy(options.pictures),
        "model": success_rates(holds, captions),
        "verifier": verifier_quality(scores, holds),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n")
    table = as_markdown(results)
    (RESULTS / "evaluation.md").write_text(table)
    print(table)


def load_or_sample(path: Path | None, captions: list[Caption], *settings) -> np.ndarray:
    """What `sample_all` gives, from the file `path` when it exists, and kept there when it does not."""
    if path is not None and path.exists():
        return np.load(path)
    samples = sample_all(captions, *settings)
    if path is not None:
        np.save(path, samples)
    return samples


def sample_all(captions: list[Caption], seeds: int, steps: int, cfg: float) -> np.ndarray:
    """Pictures in 0..1, [captions, seeds, 64, 64, 3]: for each caption what a KSampler gives for seeds 0, 1, ..."""
    unet, text = UNet(), TextEncoder()
    unet.load_state_dict(load_weights(MODEL_FILE, prefix="unet."))
    text.load_state_dict(load_weights(MODEL_FILE, prefix="text."))
    ids = torch.tensor([token_ids(str(caption)) for caption in captions]).repeat_interleave(seeds, dim=0)
    noise = torch.cat([noise_of(seed) for seed in range(seeds)]).repeat(len(captions), 1, 1, 1)
    parts = []
    for rows in torch.arange(len(ids)).split(ROWS):
        parts.append(euler(unet.eval(), text.eval(), noise[rows], ids[rows], steps, cfg))
        log.info("drew %d of %d samples", int(rows[-1]) + 1, len(ids))
    images = ((torch.cat(parts) + 1) / 2).clamp(0, 1).movedim(1, -1)
    return images.unflatten(0, (len(captions), seeds)).numpy()


def noise_of(seed: int) -> Tensor:
    """What ComfyUI draws for a batch of one: [1, 3, 64, 64]."""
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def score_all(samples: np.ndarray, captions: list[Caption]) -> np.ndarray:
    """The verifier's scores, [captions, seeds]."""
    network = ShapesVerifierNetwork().eval()
    network.load_state_dict(load_weights(VERIFIER_FILE))
    rows = []
    for images, caption in zip(samples, captions):
        pixels = torch.from_numpy(images).movedim(-1, 1) * 2 - 1
        rows.append(network(pixels, torch.tensor([token_ids(str(caption))] * len(images))).numpy())
    return np.stack(rows)


def oracle_accuracy(pictures: int, seed: int = 77) -> dict[str, float]:
    """How often the oracle is right on drawn pictures with their caption, and with a near miss."""
    rng = np.random.default_rng(seed)
    right = rejected = 0
    for _ in range(pictures):
        image, _, caption = random_example(rng)
        right += check(image / 255.0, caption).holds
        rejected += not check(image / 255.0, random_near_miss(caption, rng)).holds
    return {
        "pictures": pictures,
        "right_captions_accepted": right / pictures,
        "near_misses_rejected": rejected / pictures,
    }


def success_rates(holds: np.ndarray, captions: list[Caption]) -> dict:
    """Share of single samples that satisfy the whole caption; holds: [captions, seeds] of bool."""
    totals = np.array([caption.total for caption in captions])
    return {
        "single_sample": mean_with_interval(holds.mean(axis=1)),
        "any_of_seeds": mean_with_interval(holds.any(axis=1).astype(float)),
        "single_sample_by_shapes": {int(n): float(holds[totals == n].mean()) for n in np.unique(totals)},
        "captions_by_shapes": {int(n): int((totals == n).sum()) for n in np.unique(totals)},
    }


def verifier_quality(scores: np.ndarray, holds: np.ndarray) -> dict:
    """How well scores [captions, seeds] agree with the oracle."""
    per_caption = np.array([area_under_curve(*row) for row in zip(scores, holds)])
    mixed = per_caption[~np.isnan(per_caption)]
    chosen = holds[np.arange(len(holds)), scores.argmax(axis=1)]
    return {
        "auc_pooled": area_under_curve(scores.ravel(), holds.ravel()),
        "auc_per_caption": mean_with_interval(mixed),
        "captions_with_both": len(mixed),
        "best_of_seeds": mean_with_interval(chosen.astype(float)),
    }


def as_markdown(results: dict) -> str:
    """The numbers as a table."""
    settings, model, verifier, oracle = (results[key] for key in ("settings", "model", "verifier", "oracle"))
    seeds = settings["seeds_per_caption"]

    def interval(value: dict) -> str:
        return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"

    rows = [
        (f"oracle accepts right captions, {oracle['pictures']} drawn pictures", oracle["right_captions_accepted"]),
        (f"oracle rejects near misses, {oracle['pictures']} drawn pictures", oracle["near_misses_rejected"]),
        ("single sample satisfies its caption", interval(model["single_sample"])),
        *(
            (f"single sample, captions of {shapes} shapes ({model['captions_by_shapes'][shapes]})", f"{rate:.3f}")
            for shapes, rate in model["single_sample_by_shapes"].items()
        ),
        (f"best of {seeds} by the verifier", interval(verifier["best_of_seeds"])),
        (f"any of {seeds} (what a perfect verifier would reach)", interval(model["any_of_seeds"])),
        ("verifier AUC against the oracle, pooled", f"{verifier['auc_pooled']:.3f}"),
        (
            f"verifier AUC within a caption ({verifier['captions_with_both']} captions with both outcomes)",
            interval(verifier["auc_per_caption"]),
        ),
    ]
    head = (
        f"{settings['captions']} benchmark captions, {seeds} seeds each, {settings['steps']} steps of "
        f"{settings['sampler']}, cfg {settings['cfg']}. In brackets: 95 % bootstrap interval over captions.\n\n"
        "| measure | value |\n|---|---|\n"
    )
    return head + "".join(f"| {name} | {value} |\n" for name, value in rows)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--captions", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=8, help="samples of each caption")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=3.0)
    parser.add_argument("--pictures", type=int, default=2000, help="drawn pictures for the oracle's accuracy")
    parser.add_argument("--samples", type=Path, help="file (.npy) that keeps the samples for another evaluation")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
