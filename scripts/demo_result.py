"""What the demo shows in the end: two pictures side by side, and a table."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from comfy_client import Client, Result
from demo_workflow import Workflow
from noise_search.demo.captions import Caption
from noise_search.demo.oracle import Verdict, check

PICTURE = 384
MARGIN = 16
TEXT = 20


class Refused(RuntimeError):
    """The demo can't do what was asked; the message says why."""


@dataclass(frozen=True)
class Shown:
    """One picture, the verifier's score for it and what the oracle, which no search sees, says."""

    title: str
    image: Image.Image
    score: float
    verdict: Verdict

    @property
    def oracle(self) -> str:
        held = sum(check.holds for check in self.verdict.checks)
        parts = f"{held} of {len(self.verdict.checks)} parts hold"
        return f"yes ({parts})" if self.verdict.holds else f"no ({parts})"


@dataclass(frozen=True)
class Outcome:
    prompt: str
    before: Shown
    after: Shown
    report: dict[str, Any]
    seconds: float


def read(client: Client, result: Result, workflow: Workflow, prompt: str, caption: Caption) -> Outcome:
    report = json.loads(result.text(workflow.report))

    def shown(title: str, node: Any, score: float) -> Shown:
        image = opened(client.images(result, node)[0])
        return Shown(title, image, score, check(np.asarray(image, np.float32) / 255, caption))

    best = report["best"]
    before = shown("without search", workflow.baseline, report["baseline"]["score"])
    after = shown(f"best of {len(report['candidates'])}", workflow.winner, best["score"])
    return Outcome(prompt, before, after, report, result.seconds)


def write_files(client: Client, result: Result, workflow: Workflow, outcome: Outcome, folder: Path) -> list[Path]:
    """winner.png and plot.png are as ComfyUI saved them (the winner with its workflow), the others made here."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("comparison.png", "plot.png", "candidates.png", "winner.png", "report.json")
    files = {name: folder / name for name in names}
    comparison(outcome).save(files["comparison.png"])
    contact_sheet([opened(data) for data in client.images(result, workflow.candidates)]).save(files["candidates.png"])
    files["plot.png"].write_bytes(client.images(result, workflow.plot)[0])
    files["winner.png"].write_bytes(client.images(result, workflow.winner)[0])
    files["report.json"].write_text(json.dumps(outcome.report, indent=2) + "\n")
    return list(files.values())


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def contact_sheet(pictures: list[Image.Image]) -> Image.Image:
    """As near to a square as they go, row by row."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet


def comparison(outcome: Outcome) -> Image.Image:
    """Both pictures with their scores below, the prompt above."""
    line = TEXT + MARGIN // 2
    width, height = 2 * PICTURE + 3 * MARGIN, PICTURE + 2 * MARGIN + 3 * line
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    write_line(draw, MARGIN, MARGIN, outcome.prompt, width - 2 * MARGIN)
    for column, shown in enumerate((outcome.before, outcome.after)):
        x, y = MARGIN + column * (PICTURE + MARGIN), MARGIN + line
        sheet.paste(shown.image.resize((PICTURE, PICTURE), Image.Resampling.NEAREST), (x, y))
        write_line(draw, x, y + PICTURE + MARGIN // 2, shown.title, PICTURE)
        judged = f"verifier {shown.score:.3f}, oracle {shown.oracle}"
        write_line(draw, x, y + PICTURE + MARGIN // 2 + line, judged, PICTURE, "dimgray")
    return sheet


def write_line(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, width: int, color: str = "black") -> None:
    """In a size at which it fits."""
    length = ImageFont.load_default(TEXT).getlength(text)
    draw.text((x, y), text, color, ImageFont.load_default(TEXT * min(1.0, width / length)))


def table(outcome: Outcome) -> str:
    before, after, report = outcome.before, outcome.after, outcome.report
    rows = [
        ("", before.title, after.title),
        ("verifier score", f"{before.score:.4f}", f"{after.score:.4f}"),
        ("oracle: as the prompt says", before.oracle, after.oracle),
        ("NFE", str(report["candidates"][0]["nfe"]), str(report["nfe"]["total"])),
        ("seed", str(report["seed"]), winning_seed(report)),
    ]
    lines, seconds = in_columns(rows), parts_of(report)
    timing = f"The search took {report['seconds']['total']:.1f} s ({seconds}); the workflow {outcome.seconds:.1f} s."
    return "\n".join([f"Prompt: {outcome.prompt}", "", *lines, "", timing])


def winning_seed(report: dict[str, Any]) -> str:
    """Random search: the seed that gives the winner in a KSampler without search."""
    recipe = report["best"]["recipe"]
    return str(recipe["seed"]) if recipe else "-"


def in_columns(rows: list[tuple[str, str, str]]) -> list[str]:
    """As lines, the first row as a head."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def parts_of(report: dict[str, Any]) -> str:
    """What a search took, in seconds."""
    return ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items() if name != "total")
