"""What the SEARCH socket carries: filled in when the sampler, or the loop, runs."""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass, field
from typing import Any

import comfy.utils
from torch import Tensor

from .records.report import Report

CANDIDATES_KEPT = 4096  # of all runs together; each has a thumbnail of some kilobytes


@dataclass(frozen=True)
class Run:
    """One sampler call that searched: what came of it, by which it is known, and a report an image."""

    result: weakref.ref[Tensor]
    fingerprint: bytes
    reports: list[Report]


@dataclass
class Search:
    """What the SEARCH socket carries: filled in when the sampler runs."""

    title: str
    runs: list[Run] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Keep the run, and as many of those before it as have not too many candidates together."""
        runs = [*self.runs, run]
        while len(runs) > 1 and sum(len(report.candidates) for r in runs for report in r.reports) > CANDIDATES_KEPT:
            runs = runs[1:]
        self.runs = runs

    def run_of(self, latents: Tensor) -> Run:
        """The run whose result these latents are; the only one there is, whatever became of its result since.

        Raises ValueError when no sampler has searched with this model, or it is not clear which one is meant.
        """
        if not self.runs:
            raise ValueError(
                f"{self.title} has not searched. Its MODEL has to go into the sampler whose LATENT comes in here, and "
                "that sampler has to add noise and run at least one step (check add_noise, denoise, start_at_step)."
            )
        same = [run for run in self.runs if run.result() is latents]
        if not same:  # the host has copied it, to another device or precision
            known = fingerprint(latents)
            same = [run for run in self.runs if run.fingerprint == known or len(self.runs) == 1]
        if same:
            return same[-1]
        raise ValueError(
            f"{self.title} has searched {len(self.runs)} times, and none of the results is this latent. Connect the "
            "sampler's LATENT to Search Report directly, before anything that changes it."
        )


def fingerprint(latents: Tensor) -> bytes:
    """The same for a sampler's result before and after the host has cast it or taken its parts from one another."""
    if latents.is_nested:
        latents = comfy.utils.pack_latents(latents.unbind())[0]
    return hashlib.sha1(latents.detach().cpu().half().numpy().tobytes(), usedforsecurity=False).digest()


@dataclass(frozen=True)
class Found:
    """The same of a loop: a report, whatever kind of result it is about."""

    reports: list[Report]

    def run_of(self, result: Any) -> Found:
        """Itself: a loop's search belongs to one result only."""
        return self
