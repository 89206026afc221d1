"""A picture of a schedule: sigma and flow time against step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from .drawing import FAINT, GRID, INK, LINE, SHARP, dot, font

WIDTH, HEIGHT = 720, 320
TOP, BOTTOM, SIDE, GAP = 64, 48, 52, 60


def schedule_plot(sigmas: Sequence[float], level: Callable[[float], float], compare: Sequence[float], name: str):
    """sigmas: what runs. level: of a sigma, 0..1. compare: another schedule, called `name`, drawn in grey."""
    canvas = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), "white")
    draw = ImageDraw.Draw(canvas)
    width = (WIDTH - 2 * SIDE - GAP) / 2
    for number, (title, value) in enumerate((("sigma", float), ("flow time", level))):
        panel = _Panel(draw, SIDE + number * (width + GAP), width, max(map(value, (*sigmas, *compare))), title)
        panel.curve([value(sigma) for sigma in compare], FAINT)
        panel.curve([value(sigma) for sigma in sigmas], LINE)
    title = f"{len(sigmas) - 1} steps"
    draw.text((SIDE * SHARP, 16 * SHARP), title, fill=LINE, font=font(15))
    draw.text(((WIDTH - SIDE) * SHARP, 16 * SHARP), name, fill=FAINT, font=font(15), anchor="ra")
    return canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


class _Panel:
    """One set of axes: from 0 to `most` upwards, from the first to the last step to the right."""

    def __init__(self, draw: ImageDraw.ImageDraw, left: float, width: float, most: float, title: str):
        self.draw, self.most = draw, most
        self.left, self.right = left * SHARP, (left + width) * SHARP
        self.top, self.bottom = TOP * SHARP, (HEIGHT - BOTTOM) * SHARP
        for part in range(5):
            y = self._y(most * part / 4)
            draw.line([self.left, y, self.right, y], fill=GRID, width=SHARP)
            draw.text((self.left - 8 * SHARP, y), f"{most * part / 4:.3g}", fill=INK, font=font(12), anchor="rm")
        center = (self.left + self.right) / 2
        draw.text(
            (center, (HEIGHT - 14) * SHARP), f"{title} against the way done", fill=INK, font=font(13), anchor="mb"
        )

    def curve(self, values: Sequence[float], color: str) -> None:
        points = [(self._x(at / (len(values) - 1)), self._y(value)) for at, value in enumerate(values)]
        self.draw.line(points, fill=color, width=2 * SHARP)
        for x, y in points:
            dot(self.draw, x, y, 3 * SHARP, color)

    def _x(self, part: float) -> float:
        return self.left + (self.right - self.left) * part

    def _y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / self.most
