"""A bar in the terminal: how many rows are done, and how long the others will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

WIDTH = 30
REDRAW = 0.2  # seconds
SAY_EVERY = 30.0  # seconds, where the terminal can't redraw a line


class Bar:
    """total: of rows. done: by earlier commands. Time left is by the pace of this one."""

    def __init__(
        self, total: int, done: int, stream: TextIO = sys.stdout, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.done = self.before = done
        self.failed = 0
        self.stream = stream
        self.clock = clock
        self.started = self.shown = clock()

    def add(self, is_failed: bool) -> None:
        self.done += 1
        self.failed += is_failed
        now = self.clock()
        if now - self.shown >= (REDRAW if self.stream.isatty() else SAY_EVERY) or self.done == self.total:
            self.shown = now
            self._draw()

    def say(self, text: str) -> None:
        """A line above the bar."""
        print(("\r\033[K" if self.stream.isatty() else "") + text, file=self.stream, flush=True)

    def end(self) -> None:
        if self.stream.isatty():
            print(file=self.stream)

    @property
    def seconds_left(self) -> float:
        ran = self.done - self.before
        return (self.clock() - self.started) / ran * (self.total - self.done) if ran else 0.0

    def line(self) -> str:
        filled = WIDTH * self.done // self.total if self.total else WIDTH
        failed = f", {self.failed} failed" if self.failed else ""
        left = f", {duration(self.seconds_left)} left" if self.done < self.total else ""
        return f"{'█' * filled}{'░' * (WIDTH - filled)} {self.done}/{self.total}{failed}{left}"

    def _draw(self) -> None:
        is_line = self.stream.isatty()
        print(
            f"\r\033[K{self.line()}" if is_line else self.line(),
            end="" if is_line else "\n",
            file=self.stream,
            flush=True,
        )


def duration(seconds: float) -> str:
    """2 d 3 h, 3 h 20 min, 20 min, 15 s."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
