"""Candidates with strangers in the call: proven once, then together; where the proof fails, one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..records.outcomes import Outcomes
from ..records.recipe import Recipe
from .call import Finished
from .proof import Apart, RaceWitness, Recording, Repeat, Watcher, Witness, tolerance
from .rows import Cutting, Smaller

if TYPE_CHECKING:
    from .trajectories import Trajectories

Candidates = Sequence[Sequence[Recipe]]


class Alone(Exception):
    """Candidates of a race have to run one by one, which a race can not. beside: predictions [..][B] spent on it."""

    def __init__(self, beside: list[list[int]]):
        super().__init__("candidates of this race have to run one by one.")
        self.beside = beside


class Proving:
    """Of one search. What is proven for a schedule and a number of candidates holds for as many or fewer."""

    def __init__(self, trajectories: Trajectories, outcomes: Outcomes):
        self.trajectories = trajectories
        self.outcomes = outcomes

    def run(self, candidates: Candidates, cutting: Cutting | None, uncut: int) -> Finished:
        """As Trajectories.run."""
        kind = self._kind(candidates, "race" if cutting else "plain")
        lost: list[list[int]] = []
        while True:
            try:
                if cutting is None:
                    finished = self._plain(candidates, kind)
                else:
                    finished = self._race(candidates, cutting, uncut, kind)
                return replace(finished, beside=[*lost, *finished.beside])
            except Smaller as smaller:
                lost += [*smaller.beside, *self.trajectories.spent_beside()]

    def _plain(self, candidates: Candidates, kind: str) -> Finished:
        known = self._known(kind)
        if known or self._needs_nothing(kind):
            return self.trajectories.once(candidates, watcher=Watcher(known or None))
        recording = Recording()
        first = self.trajectories.once(candidates, watcher=recording)
        if first.given_up or not recording.wanted or not recording.seen or len(candidates) == 1:
            return self._seeded(first, recording, kind)
        witness = Witness(recording, self._same)
        witness.done = first.work
        try:
            others = self.trajectories.once(candidates[1:], watcher=witness)
            if not others.given_up:
                witness.close(others.latents[-1], first.latents[0])
        except Smaller:
            return replace(first, beside=[*first.beside, *self.trajectories.spent_beside()])
        except Apart:
            return self._seeded(self._apart(first, kind), recording, kind)
        except Exception as error:
            if self.trajectories.is_own(error):
                raise
            return self._seeded(self._apart(first, kind, error), recording, kind)
        if others.given_up:
            return replace(first, beside=[*first.beside, *others.nfe])
        if len(others) > 1:
            self.outcomes.keep(kind, len(others))
        return _joined(first, others)

    def _race(self, candidates: Candidates, cutting: Cutting, uncut: int, kind: str) -> Finished:
        """The first candidate alone, whose result is not of the race; then the race, with an eye on that candidate."""
        together = self.trajectories.together
        known = self._known(kind)
        if together.has_strange_sampler:  # in the first rows, where a race has it, the witness can not tell on that
            together.go_alone(" and ".join(together.strangers))
        if together.alone_because:
            raise Alone([])
        together.most = known or uncut + 1
        if known:
            return self.trajectories.once(candidates, cutting)
        recording = Recording(counts=False)
        first = self.trajectories.once(candidates, watcher=recording)
        beside = [*first.beside, *first.nfe]
        if len(recording.seen) < 2:  # too few to be seen beside others
            together.go_alone("a schedule of one prediction")
            raise Alone(beside)
        witness = RaceWitness(recording, self._same)
        try:
            finished = self.trajectories.once(candidates, cutting, witness)
            if not finished.given_up:
                witness.close(finished.latents[0], first.latents[0])
        except Smaller as smaller:
            smaller.beside = beside
            raise
        except Apart:
            raise Alone([*beside, *self._apart(first, kind).beside]) from None
        except Exception as error:
            if self.trajectories.is_own(error):
                raise
            raise Alone([*beside, *self._apart(first, kind, error).beside]) from error
        if not finished.given_up:
            self.outcomes.keep(kind, uncut + 1)
        return replace(finished, beside=[*finished.beside, *beside])

    def _apart(self, first: Finished, kind: str, error: Exception | None = None) -> Finished:
        """One by one from here on. The predictions of the call that failed are beside."""
        together = self.trajectories.together
        beside = self.trajectories.spent_beside()
        told = "" if error is None else f" ({type(error).__name__}: {error})"
        together.go_alone(" and ".join(together.strangers) + told)
        self.outcomes.keep(kind, together.alone_because)
        return replace(first, beside=[*first.beside, *beside])

    def _seeded(self, first: Finished, recording: Recording, kind: str) -> Finished:
        """Asks a sampler that is a stranger, where nothing else has shown it, whether its seed gives the same again."""
        together, name = self.trajectories.together, f"{kind} seed"
        if first.given_up or not together.has_strange_sampler or not recording.seen:
            return first
        known = self.outcomes.find(name)
        if known is None:
            again = Repeat(recording, self._same, counts=False)
            try:
                repeated = self.trajectories.once([recording.recipes], watcher=again)
                if repeated.given_up:
                    return replace(first, beside=[*first.beside, *repeated.nfe])
                again.close(repeated.latents[0], first.latents[0])
                known, beside = 1, repeated.nfe
            except Apart:
                known, beside = 0, self.trajectories.spent_beside()
            first = replace(first, beside=[*first.beside, *beside])
            self.outcomes.keep(name, known)
        if not known:  # of another stretch it may be unknown, as noise after the last prediction is not seen
            together.follows_seed = False
        return first

    def _known(self, kind: str) -> int:
        """How many candidates may share such a call; 0 when none may, or it is not known."""
        together, outcome = self.trajectories.together, self.outcomes.find(kind)
        if self.outcomes.find(f"{kind} seed") == 0:
            together.follows_seed = False
        if isinstance(outcome, str):
            together.go_alone(outcome)
        return outcome if isinstance(outcome, int) else 0

    def _needs_nothing(self, kind: str) -> bool:
        """Whether candidates go alone, and what there is to know of their seeds is known."""
        together = self.trajectories.together
        is_asked = not together.has_strange_sampler or self.outcomes.find(f"{kind} seed") is not None
        return bool(together.alone_because) and is_asked

    @property
    def _same(self) -> float:
        return tolerance(self.trajectories.call)

    def _kind(self, candidates: Candidates, name: str) -> str:
        """Of a call: its schedule, the images of a batch, and whether it is a race."""
        trajectories = self.trajectories
        sigmas: Tensor = trajectories.stretches.schedule(candidates[0][0], trajectories.call.sigmas)
        digest = hashlib.sha256(sigmas.double().cpu().numpy().tobytes()).hexdigest()[:16]
        return f"{name} {trajectories.source.items} {digest}"


def _joined(first: Finished, others: Finished) -> Finished:
    """The candidate that ran alone and those beside which it ran again; of that only the cost is kept."""
    return Finished(
        latents=torch.cat([first.latents, others.latents[:-1]]),
        x0=torch.cat([first.x0, others.x0[:-1]]),
        nfe=[*first.nfe, *others.nfe[:-1]],
        steps=first.steps,
        work=first.work + others.work - others.steps,
        predictions={
            level: torch.cat([prediction, others.predictions[level][:-1]])
            for level, prediction in first.predictions.items()
        },
        beside=[*first.beside, *others.beside, others.nfe[-1]],
        way=[
            (torch.cat([x0, more_x0[:-1]]), torch.cat([x, more_x[:-1]]))
            for (x0, x), (more_x0, more_x) in zip(first.way, others.way)
        ],
    )
