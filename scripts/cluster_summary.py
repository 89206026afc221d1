"""What searching has brought over all rows of a table: mean score by budget, with intervals, and its plot.

A budget is a multiple of what one image costs without search, in NFE (denoiser predictions). The score at a budget is
that of the best image that a search had by then: what it would have given out if it had been stopped there. Rows with
the same prompt count as one, for they are not independent. Intervals: 90 %, bootstrap over prompts.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from cluster_table import digest
from noise_search.benchmarks.stats import Interval, mean, shown
from noise_search.search.pictures.drawing import BEST, FAINT, GRID, INK, LINE, SHARP, dot, font

MOST_DOUBLINGS = 17
BUDGETS = tuple(2**power for power in range(MOST_DOUBLINGS))
BAND = "#dbe7fd"
WIDTH, HEIGHT, MARGIN = 720, 420, 64


class Line(NamedTuple):
    """At a budget: how many images' worth, the mean of what was spent, the mean score and what it is above the score
    without search; None where no row has one."""

    budget: str
    nfe: float
    score: Interval
    gain: Interval | None


@dataclass
class Searches:
    """Of one sampler: a number a row and budget, so it takes little memory for any number of rows."""

    prompts: array[int] = field(default_factory=lambda: array("Q"))
    without: array[float] = field(default_factory=lambda: array("d"))
    whole: array[float] = field(default_factory=lambda: array("d"))
    spent: array[float] = field(default_factory=lambda: array("d"))
    unit: array[float] = field(default_factory=lambda: array("d"))
    curves: dict[int, array[float]] = field(default_factory=lambda: {budget: array("d") for budget in BUDGETS})
    is_counted: bool = False  # in NFE; a loop counts candidates
    largest: float = 0.0

    def add(self, line: Mapping[str, str]) -> None:
        """A row in which there was a search."""
        scores, costs, stopped = (json.loads(line[name]) for name in ("scores", "nfes", "stopped_at"))
        self.is_counted = self.is_counted or any(costs)
        costs = costs if any(costs) else [1] * len(costs)
        images = [stop is None and score is not None for score, stop in zip(scores, stopped)]
        unit = max((cost for cost, one in zip(costs, images) if one), default=1)
        best = list(accumulate((s if one else -math.inf for s, one in zip(scores, images)), max))
        reached = list(accumulate(costs))
        self.prompts.append(digest([line["prompt"] or line["row"]]))
        self.without.append(float(line["without_search"] or math.nan))
        self.whole.append(float(line["score"] or math.nan))
        self.spent.append(float(line["nfe"]) if self.is_counted else reached[-1])
        self.unit.append(unit)
        self.largest = max(self.largest, reached[-1] / unit)
        for budget, curve in self.curves.items():
            had = [score for score, at in zip(best, reached) if at <= budget * unit]
            curve.append(had[-1] if had and had[-1] > -math.inf else math.nan)

    def lines(self) -> list[Line]:
        """Budgets at which every search had an image; the last line is whole searches."""
        _, prompt = np.unique(np.asarray(self.prompts), return_inverse=True)
        without, unit = np.asarray(self.without), np.asarray(self.unit)
        found = []
        for budget in [one for one in BUDGETS if one < self.largest]:
            curve = np.asarray(self.curves[budget])
            if not np.isnan(curve).any():
                spent = float(np.minimum(budget * unit, np.asarray(self.spent)).mean())
                found.append(_line(f"{budget}x", spent, curve, without, prompt))
        whole = np.asarray(self.whole)
        return [*found, _line("whole search", float(np.mean(self.spent)), whole, without, prompt)]

    def baseline(self) -> Interval | None:
        without = np.asarray(self.without)
        _, prompt = np.unique(np.asarray(self.prompts), return_inverse=True)
        return None if np.isnan(without).all() else _of_prompts(without, prompt)


def _line(budget: str, nfe: float, scores: np.ndarray, without: np.ndarray, prompt: np.ndarray) -> Line:
    has_both = not np.isnan(without).all()
    return Line(budget, nfe, _of_prompts(scores, prompt), _of_prompts(scores - without, prompt) if has_both else None)


def _of_prompts(values: np.ndarray, prompt: np.ndarray) -> Interval:
    """The mean over prompts of the means over their rows. values: [rows], NaN for a row that has none."""
    has = ~np.isnan(values)
    count = np.bincount(prompt[has])
    totals = np.bincount(prompt[has], weights=values[has])
    return mean(totals[count > 0] / count[count > 0])


def summed(lines: Iterable[Mapping[str, str]]) -> tuple[dict[str, Searches], int]:
    """Of each sampler, in their order; and how many rows have an error."""
    found: dict[str, Searches] = {}
    failed = 0
    for line in lines:
        failed += bool(line["error"]) and line["part"] == "0"
        if line["scores"]:
            found.setdefault(line["node"], Searches()).add(line)
    return found, failed


def table(searches: Searches) -> str:
    """In Markdown."""
    unit = "NFE" if searches.is_counted else "candidates"
    rows = [("budget", unit, "mean score", "above without search")]
    baseline = searches.baseline()
    if baseline is not None:
        rows.append(("without search", f"{np.mean(searches.unit):.0f}", shown(baseline, 4), ""))
    for budget, nfe, score, gain in searches.lines():
        rows.append((budget, f"{nfe:.0f}", shown(score, 4), "" if gain is None else shown(gain, 4)))
    rows.insert(1, ("---",) * 4)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows)


def text(found: Mapping[str, Searches], failed: int, total: int) -> str:
    """total: rows of the table."""
    told = [f"{failed} of {total} rows failed; their errors are in `rows.csv`."] if failed else []
    for node, searches in found.items():
        count, prompts = len(searches.whole), len(set(searches.prompts))
        told += [f"Node {node}: {count} searches, {prompts} prompts.", table(searches)]
    told += [] if found else ["No row has searched: there is nothing to compare."]
    explained = "Intervals are 90 %, bootstrap over prompts. A budget of 4x is what 4 images cost without search."
    return "\n\n".join([*told, *([explained] if found else [])])


def write(found: Mapping[str, Searches], told: str, folder: Path) -> list[Path]:
    """`summary.md`, and a plot for each sampler."""
    page = folder / "summary.md"
    page.write_text(told + "\n", encoding="utf-8")
    files = [page]
    for node, searches in found.items():
        name = "summary.png" if len(found) == 1 else f"summary_{node.replace(':', '-')}.png"
        plot(searches).save(folder / name)
        files.append(folder / name)
    return files


class _Axes:
    """Where costs, by their logarithms, and scores lie on the canvas, in pixels."""

    def __init__(self, lines: Sequence[Line], baseline: Interval | None):
        intervals = [line.score for line in lines] + ([baseline] if baseline else [])
        low, high = min(one.low for one in intervals), max(one.high for one in intervals)
        room = 0.08 * (high - low) or 0.5
        self.low, self.high = low - room, high + room
        self.first, self.last = math.log2(lines[0].nfe), math.log2(lines[-1].nfe)
        self.left, self.right = (MARGIN + 12) * SHARP, (WIDTH - 24) * SHARP
        self.top, self.bottom = 48 * SHARP, (HEIGHT - MARGIN) * SHARP

    def x(self, nfe: float) -> float:
        part = (math.log2(nfe) - self.first) / (self.last - self.first) if self.last > self.first else 0.5
        return self.left + (self.right - self.left) * (0.04 + 0.92 * part)

    def y(self, score: float) -> float:
        return self.bottom - (self.bottom - self.top) * (score - self.low) / (self.high - self.low)


def plot(searches: Searches) -> Image.Image:
    """Mean score against NFE, with its interval as a band; the mean without search as a dashed line."""
    lines, baseline = searches.lines(), searches.baseline()
    axes = _Axes(lines, baseline)
    canvas = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), "white")
    draw = ImageDraw.Draw(canvas)
    for part in range(5):
        score = axes.low + (axes.high - axes.low) * part / 4
        draw.line([axes.left, axes.y(score), axes.right, axes.y(score)], fill=GRID, width=SHARP)
        draw.text((axes.left - 8 * SHARP, axes.y(score)), f"{score:.4g}", fill=INK, font=font(12), anchor="rm")
    places = [axes.x(line.nfe) for line in lines]
    upper = [(x, axes.y(line.score.high)) for x, line in zip(places, lines)]
    lower = [(x, axes.y(line.score.low)) for x, line in zip(places, lines)]
    if len(lines) > 1:
        draw.polygon([*upper, *reversed(lower)], fill=BAND)
        draw.line([(x, axes.y(line.score.value)) for x, line in zip(places, lines)], fill=LINE, width=2 * SHARP)
    if baseline is not None:
        height = axes.y(baseline.value)
        for at in range(int(axes.left), int(axes.right), 12 * SHARP):
            draw.line([at, height, at + 6 * SHARP, height], fill=FAINT, width=SHARP)
    for x, line in zip(places, lines):
        dot(draw, x, axes.y(line.score.value), 4 * SHARP, BEST if line is lines[-1] else LINE)
        draw.text((x, axes.bottom + 10 * SHARP), f"{line.nfe:.0f}", fill=INK, font=font(12), anchor="mt")
    without = "" if baseline is None else f", without search {baseline.value:.4g}"
    title = f"Mean score {lines[-1].score.value:.4g}{without} ({len(searches.whole)} searches)"
    draw.text((axes.left, 12 * SHARP), title, fill=INK, font=font(15))
    unit = "NFE" if searches.is_counted else "candidates"
    draw.text(((axes.left + axes.right) / 2, (HEIGHT - 14) * SHARP), unit, fill=INK, font=font(13), anchor="mb")
    return canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
