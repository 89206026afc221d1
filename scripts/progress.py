"""A progress bar in the terminal, fed by the server's events."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from comfy_client import Event

WIDTH = 30


class Progress:
    """Called with each event. labels: node id -> what to call it; other nodes are not shown."""

    def __init__(self, labels: Mapping[str, str], stream: TextIO = sys.stdout) -> None:
        self.labels = labels
        self.stream = stream
        self.node: str | None = None
        self.started = 0.0

    def __call__(self, event: Event) -> None:
        if event.type == "executing":
            self._enter(event.data["node"])
        elif event.type == "progress" and event.data["node"] == self.node and self.stream.isatty():
            self._draw(event.data["value"], event.data["max"])

    def _enter(self, node: str | None) -> None:
        if self.node in self.labels and node != self.node:
            self._line(f"{self.labels[self.node]}: {time.monotonic() - self.started:.1f} s\n")
        if node in self.labels and node != self.node:
            self.started = time.monotonic()
        self.node = node

    def _draw(self, value: float, maximum: float) -> None:
        filled = round(WIDTH * value / maximum) if maximum else 0
        if self.node in self.labels:
            bar = "█" * filled + "░" * (WIDTH - filled)
            self._line(f"{self.labels[self.node]} {bar} {value:g}/{maximum:g}")

    def _line(self, text: str) -> None:
        clear = "\r\033[K" if self.stream.isatty() else ""
        print(clear + text, end="", file=self.stream, flush=True)
