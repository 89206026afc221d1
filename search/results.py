"""What the SEARCH socket carries: filled in when the sampler, or the loop, runs."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import comfy.utils
from torch import Tensor

from .host.prompts import PROMPTS
from .records.report import Report

CANDIDATES_KEPT = 4096  # of all runs together; each has a thumbnail of some kilobytes
LATENTS_KEPT = 2**30  # bytes of latents that are held beside the winners', of all runs but the last


@dataclass(frozen=True, eq=False)
class Run:
    """One sampler call that searched: what came of it, by which it is known, and a report per image.

    place: the prompt, the node in which it ran and for which entry of a list; empty where ComfyUI runs none. kept: of
    each image the latents [...] that are held, by the candidate's number; none where they were let go.
    """

    result: weakref.ref[Tensor]
    fingerprint: bytes
    reports: list[Report]
    place: tuple[str, str, int] = ("", "", 0)
    kept: list[dict[int, Tensor]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Of what is held, in bytes."""
        return sum(latent.numel() * latent.element_size() for of in self.kept for latent in of.values())


@dataclass
class Search:
    """What the SEARCH socket carries: filled in when the sampler runs. reason: why there is none, where none can be."""

    title: str
    runs: list[Run] = field(default_factory=list)
    reason: str = ""

    def add(self, run: Run) -> None:
        """Keep the run, and as many of those before it as have not too many candidates together."""
        runs = [*self.runs, run]
        while len(runs) > 1 and sum(len(report.candidates) for r in runs for report in r.reports) > CANDIDATES_KEPT:
            runs = runs[1:]
        self.runs = runs
        self._let_go()

    def _let_go(self) -> None:
        """Of the latents that are held: those of the prompts before the last in which a node has searched, and the
        oldest where they are too many."""
        latest, held = self._latest(), 0
        for run in reversed(self.runs):
            held += run.size
            if latest[run.place[1]] != run.place[0] or (held > LATENTS_KEPT and run is not self.runs[-1]):
                run.kept.clear()

    def _latest(self) -> dict[str, str]:
        """The last prompt in which a node has searched."""
        return {run.place[1]: run.place[0] for run in self.runs}

    def run_of(self, latents: Any) -> Run | None:
        """The last one whose result these latents are."""
        same = [run for run in self.runs if run.result() is latents]
        if not same and (isinstance(latents, Tensor) or getattr(latents, "is_nested", False)):  # the host has copied it
            known = fingerprint(latents) if self.runs else b""
            same = [run for run in self.runs if run.fingerprint == known]
        return same[-1] if same else None

    def runs_of(self, latents: Any) -> list[Run]:
        """The run whose result these latents are, after those that the same node had made before it.

        Of latents that are no run's result all runs of the prompt that is executing: parts of a picture, or what was
        made into another one; with those that ComfyUI has kept from an earlier prompt. None when nothing has searched.
        """
        same = self.run_of(latents)
        if same is not None:
            return self._in_one_node(same)
        prompt, _ = PROMPTS.executing()
        if prompt is None:
            return [run for run in self.runs if run.place[0] == ""]
        kept = {place.node for place in prompt.found}
        latest = self._latest()
        return [run for run in self.runs if run.place[0] == prompt.id or _is_kept(run, kept, latest)]

    def _in_one_node(self, last: Run) -> list[Run]:
        """The run with those before it in the same run of the node, whose result it may have gone on with."""
        if not last.place[0]:
            return [last]
        return [run for run in self.runs[: self.runs.index(last) + 1] if run.place == last.place]

    @property
    def why_not(self) -> str:
        """What to do when nothing has searched."""
        return self.reason or (
            f"{self.title} has not searched here. Its MODEL has to go into the sampler whose LATENT comes in, and that "
            "sampler has to add noise and run at least one step (check add_noise, denoise, start_at_step)."
        )


def _is_kept(run: Run, kept: Collection[str], latest: Mapping[str, str]) -> bool:
    """Whether the node's result of an earlier prompt is what this one goes on with."""
    prompt, node, _ = run.place
    return node in kept and latest[node] == prompt


def fingerprint(latents: Tensor) -> bytes:
    """The same for a sampler's result before and after the host has cast it or taken its parts from one another."""
    if latents.is_nested:
        latents = comfy.utils.pack_latents(latents.unbind())[0]
    return hashlib.sha1(latents.detach().cpu().half().numpy().tobytes(), usedforsecurity=False).digest()


@dataclass(frozen=True)
class Found:
    """The same of a loop: a report, whatever kind of result it is about."""

    reports: list[Report]
    why_not: str = "The loop has found nothing."

    def runs_of(self, result: Any) -> list[Found]:
        """Itself: a loop's search belongs to one result only."""
        return [self]
