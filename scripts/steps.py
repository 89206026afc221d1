"""Steps that are done once: each leaves a stamp of what was asked and is skipped while that stays the same."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One thing to make in a folder.

    wanted: all that decides what is made; a change makes it again.
    make: makes it. Called with True when an earlier try did not finish.
    target: has to exist for the stamp to count.
    """

    title: str
    name: str
    folder: Path
    wanted: Callable[[], str]
    make: Callable[[bool], None]
    target: Path

    @property
    def stamp(self) -> Path:
        return self.folder / f".{self.name}.stamp"

    @property
    def unfinished(self) -> Path:
        return self.folder / f".{self.name}.unfinished"

    def digest(self) -> str:
        return hashlib.sha256(self.wanted().encode()).hexdigest()

    def is_done(self) -> bool:
        return self.target.exists() and self.stamp.is_file() and self.stamp.read_text() == self.digest()

    def run(self) -> None:
        repair = self.unfinished.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stamp.unlink(missing_ok=True)
        self.unfinished.touch()
        self.make(repair)
        self.stamp.write_text(self.digest())
        self.unfinished.unlink(missing_ok=True)


def run_steps(steps: list[Step], say: Callable[[str], None] = print) -> None:
    """In order. A later step's folder may be made by an earlier one, so each is looked at when its turn comes."""
    for number, step in enumerate(steps, start=1):
        if step.is_done():
            continue
        say(f"[{number}/{len(steps)}] {step.title} ...")
        started = time.monotonic()
        step.run()
        say(f"[{number}/{len(steps)}] {step.title}: done in {time.monotonic() - started:.0f} s")
