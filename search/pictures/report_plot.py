"""Pictures of a report: best score against cost, and the candidates with their scores on them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median

from PIL import Image, ImageDraw, ImageOps

from ..records.candidate import Candidate
from ..records.marks import REJECT, STAR
from ..records.report import Report
from . import thumbnail
from .drawing import BELOW, BEST, FAINT, GRID, INK, LINE, SHARP, dot, font, star

WIDTH, HEIGHT, MARGIN = 720, 420, 64
SMALLEST_PICTURE = 160
MOST_SHOWN = 64
_LIKED = {STAR: 1, "": 0, REJECT: -1}
FAR = 8  # times the median distance from the median


def best_curve(report: Report) -> Image.Image:
    """Best score so far against NFE, or, where nobody counted that, against candidates; a dot per candidate, in another
    color at the lower edge where its score is far below the others; the score without search as a dashed line."""
    canvas = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), "white")
    draw = ImageDraw.Draw(canvas)
    axes = _Axes(report)
    _draw_grid(draw, axes)
    if report.baseline:
        baseline = axes.y(report.baseline.score)
        for at in range(int(axes.left), int(axes.right), 12 * SHARP):
            draw.line([at, baseline, at + 6 * SHARP, baseline], fill=FAINT, width=SHARP)
    _draw_steps(draw, axes)
    for nfe, candidate in zip(axes.nfes, report.candidates, strict=True):
        if not candidate.failed:
            color = FAINT if candidate.score >= axes.low else BELOW
            dot(draw, axes.x(nfe), axes.y(candidate.score), 3 * SHARP, color)
    best = report.best
    dot(draw, axes.x(axes.nfes[best.index]), axes.y(best.score), 5 * SHARP, BEST)
    _draw_words(draw, report, axes)
    return canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def nothing(title: str, text: str) -> Image.Image:
    """In place of a plot where there was no search: a title, and why."""
    canvas = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN * SHARP, MARGIN * SHARP), title, fill=INK, font=font(28))
    draw.multiline_text((MARGIN * SHARP, 2 * MARGIN * SHARP), textwrap.fill(text, 70), fill=INK, font=font(16))
    return canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def labelled_candidates(report: Report) -> list[Image.Image]:
    """Stars first, then the best, at the end what was rejected; at most MOST_SHOWN, with number and score below."""
    best, mark = report.best, report.marks.of
    ranked = sorted(
        report.candidates,
        key=lambda one: (-_LIKED[mark(one)], not one.is_finished, one is not best, -one.score),
    )[:MOST_SHOWN]
    pictures = of_one_size([_picture(candidate) for candidate in ranked])
    return [
        _labelled(
            candidate, picture, candidate is best, mark(candidate), "no search" if report.around is None else "start"
        )
        for candidate, picture in zip(ranked, pictures, strict=True)
    ]


def of_one_size(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Smaller ones fitted into the size of the largest."""
    size = (max(picture.width for picture in pictures), max(picture.height for picture in pictures))
    return [picture if picture.size == size else ImageOps.pad(picture, size, color="white") for picture in pictures]


class _Axes:
    """Where cost and scores lie on the canvas, in pixels."""

    def __init__(self, report: Report):
        self.unit = "NFE" if report.nfe else "candidates"
        self.nfes = list(accumulate(candidate.nfe if report.nfe else 1 for candidate in report.candidates))
        self.best = list(accumulate((c.score if c.is_finished else -math.inf for c in report.candidates), max))
        scores = [candidate.score for candidate in report.candidates if not candidate.failed]
        low = lowest(scores)
        spread = max(scores) - low or abs(low) or 1.0
        self.low, self.high = low - 0.05 * spread, max(scores) + 0.05 * spread
        self.left, self.right = (MARGIN + 12) * SHARP, (WIDTH - 24) * SHARP
        self.top, self.bottom = 48 * SHARP, (HEIGHT - MARGIN) * SHARP

    def x(self, nfe: float) -> float:
        return self.left + (self.right - self.left) * nfe / max(self.nfes[-1], 1)

    def y(self, score: float) -> float:
        """At the lower edge for a score that is below it."""
        return self.bottom - (self.bottom - self.top) * max(0.0, score - self.low) / (self.high - self.low)


def lowest(scores: Sequence[float]) -> float:
    """Where a plot of these scores begins: one that is far below the others does not press those together."""
    middle = median(scores)
    apart = median(abs(score - middle) for score in scores)
    return min(score for score in scores if not apart or score >= middle - FAR * apart)


def _draw_grid(draw: ImageDraw.ImageDraw, axes: _Axes) -> None:
    for part in range(5):
        score = axes.low + (axes.high - axes.low) * part / 4
        draw.line([axes.left, axes.y(score), axes.right, axes.y(score)], fill=GRID, width=SHARP)
        draw.text((axes.left - 8 * SHARP, axes.y(score)), f"{score:.3g}", fill=INK, font=font(12), anchor="rm")
        nfe = axes.nfes[-1] * part / 4
        draw.text((axes.x(nfe), axes.bottom + 10 * SHARP), f"{nfe:.0f}", fill=INK, font=font(12), anchor="mt")


def _draw_steps(draw: ImageDraw.ImageDraw, axes: _Axes) -> None:
    reached = [(nfe, score) for nfe, score in zip(axes.nfes, axes.best, strict=True) if score > -math.inf]
    points = [(axes.x(nfe), axes.y(score)) for nfe, score in reached]
    for (x0, y0), (x1, y1) in pairwise(points):
        draw.line([x0, y0, x1, y0, x1, y1], fill=LINE, width=2 * SHARP)


def _draw_words(draw: ImageDraw.ImageDraw, report: Report, axes: _Axes) -> None:
    first = "without search" if report.around is None else "the refined image"
    without = f", {first} {report.baseline.score:.4g}" if report.baseline else ""
    failed = sum(bool(candidate.failed) for candidate in report.candidates)
    count = f"{len(report.candidates)} candidates" + (f", {failed} failed" if failed else "")
    what = "Best" if report.chosen is None else "Chosen:"
    title = f"{what} score {report.best.score:.4g}{without} ({count}, {report.algorithm})"
    draw.text((axes.left, 12 * SHARP), title, fill=INK, font=font(15))
    agreement = report.marks.agreement(report.candidates)
    draw.text((axes.left, 31 * SHARP), agreement, fill=INK, font=font(12))
    draw.text(((axes.left + axes.right) / 2, (HEIGHT - 14) * SHARP), axes.unit, fill=INK, font=font(13), anchor="mb")


def _picture(candidate: Candidate) -> Image.Image:
    """Grey when the candidate has none."""
    if not candidate.thumbnail:
        return Image.new("RGB", (SMALLEST_PICTURE, SMALLEST_PICTURE), GRID)
    picture = thumbnail.decode(candidate.thumbnail)
    scale = max(1, -(-SMALLEST_PICTURE // picture.width))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _labelled(candidate: Candidate, picture: Image.Image, is_best: bool, mark: str, first: str) -> Image.Image:
    """first: what to say of the image that the others are compared with."""
    strip = 24
    canvas = Image.new("RGB", (picture.width, picture.height + strip), "white")
    canvas.paste(picture if mark != REJECT else Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.6))
    draw = ImageDraw.Draw(canvas)
    if mark == STAR:
        star(draw, canvas.width - 16, 16, 12, BEST)
    score = "failed" if candidate.failed else f"{candidate.score:.4g}"
    label = f"#{candidate.index}  {score}{_remark(candidate, first)}"
    draw.text((6, picture.height + strip / 2), label, fill=BEST if is_best else INK, font=font(14, 1), anchor="lm")
    if is_best:
        draw.rectangle([0, 0, canvas.width - 1, canvas.height - 1], outline=BEST, width=3)
    return canvas


def _remark(candidate: Candidate, first: str) -> str:
    if candidate.stopped_at_step is not None:
        return f"  {candidate.stopped_at_step} steps"
    if candidate.is_baseline:
        return f"  {first}"
    return "" if candidate.repeats is None else f"  #{candidate.repeats} in full"
