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
ONE_PREDICTION = "a schedule of one prediction"


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
        recordings = [Recording(needed=not self._is_seed_known(kind))]
        first = self.trajectories.once(candidates, watcher=recordings[0])
        if first.given_up or not recordings[0].wanted or not recordings[0].is_witness or len(candidates) == 1:
            return self._seeded(first, recordings[0], kind)
        if len(recordings[0].seen) < 2:
            self.trajectories.together.go_alone(ONE_PREDICTION)
            return self._seeded(first, recordings[0], kind)
        recordings.append(Recording(needed=True, done=first.work))
        second = self.trajectories.once(candidates[1:], watcher=recordings[1])
        if second.given_up:
            return replace(first, beside=[*first.beside, *second.nfe])
        first = _joined(first, second)
        if len(candidates) == 2 or not recordings[1].is_witness:
            return self._seeded(first, recordings[0], kind)
        return self._together(first, candidates[2:], recordings, kind)

    def _together(self, first: Finished, waiting: Candidates, recordings: list[Recording], kind: str) -> Finished:
        """The two that ran alone once more among others."""
        witness = Witness(recordings, self._same)
        witness.done = first.work
        try:
            others = self.trajectories.once(waiting, watcher=witness)
            if not others.given_up:
                witness.close(list(others.latents[-2:]), list(first.latents))
        except Smaller:
            return replace(first, beside=[*first.beside, *self.trajectories.spent_beside()])
        except Apart:
            return self._seeded(self._apart(first, kind), recordings[0], kind)
        except Exception as error:
            if self.trajectories.is_own(error):
                raise
            return self._seeded(self._apart(first, kind, error), recordings[0], kind)
        if others.given_up:
            return replace(first, beside=[*first.beside, *others.nfe])
        self.outcomes.keep(kind, len(others))
        return _joined(first, others, witnesses=2)

    def _race(self, candidates: Candidates, cutting: Cutting, uncut: int, kind: str) -> Finished:
        """Two candidates alone, whose results are not of the race; then the race, with an eye on those."""
        together = self.trajectories.together
        known = self._known(kind)
        if together.has_strange_sampler:  # in the first rows, where a race has it, the witness can not tell on that
            together.go_alone(" and ".join(together.strangers))
        if together.alone_because:
            raise Alone([])
        together.most = known or uncut + 1
        if known:
            return self.trajectories.once(candidates, cutting)
        recordings = [Recording(needed=True, counts=False) for _ in candidates[:2]]
        alone = [self.trajectories.once(candidates[at:], watcher=one) for at, one in enumerate(recordings)]
        beside = [spent for one in alone for spent in [*one.beside, *one.nfe]]
        if len(recordings[0].seen) < 2:  # too few to be seen beside others
            together.go_alone(ONE_PREDICTION)
        if len(recordings[0].seen) < 2 or not all(recording.is_witness for recording in recordings):
            raise Alone(beside)
        finished = self._watched(candidates, cutting, RaceWitness(recordings, self._same), alone[0], beside, kind)
        if not finished.given_up:
            self.outcomes.keep(kind, uncut + 1)
        return replace(finished, beside=[*finished.beside, *beside])

    def _watched(
        self,
        candidates: Candidates,
        cutting: Cutting,
        witness: RaceWitness,
        alone: Finished,
        beside: list[list[int]],
        kind: str,
    ) -> Finished:
        """The race. alone: of its first candidate. beside: spent before. Raises Alone when it proves nothing."""
        try:
            finished = self.trajectories.once(candidates, cutting, witness)
            if not finished.given_up:
                witness.close([finished.latents[0]], [alone.latents[0]])
            return finished
        except Smaller as smaller:
            smaller.beside = beside
            raise
        except Apart:
            raise Alone([*beside, *self._apart(alone, kind).beside]) from None
        except Exception as error:
            if self.trajectories.is_own(error):
                raise
            raise Alone([*beside, *self._apart(alone, kind, error).beside]) from error

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
            again = Repeat([recording], self._same, counts=False)
            try:
                repeated = self.trajectories.once([recording.recipes], watcher=again)
                if repeated.given_up:
                    return replace(first, beside=[*first.beside, *repeated.nfe])
                again.close([repeated.latents[0]], [first.latents[0]])
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
        return bool(self.trajectories.together.alone_because) and self._is_seed_known(kind)

    def _is_seed_known(self, kind: str) -> bool:
        """Whether the sampler is ComfyUI's own, or was asked whether it follows its seed."""
        return not self.trajectories.together.has_strange_sampler or self.outcomes.find(f"{kind} seed") is not None

    @property
    def _same(self) -> float:
        return tolerance(self.trajectories.call)

    def is_proven(self, recipes: Sequence[Recipe]) -> bool:
        """Whether candidates such as this one were seen to be alone what they are among others."""
        return isinstance(self.outcomes.find(self._kind([recipes], "plain")), int)

    def _kind(self, candidates: Candidates, name: str) -> str:
        """Of a call: its schedule, the images of a batch, and whether it is a race."""
        trajectories = self.trajectories
        sigmas: Tensor = trajectories.stretches.schedule(candidates[0][0], trajectories.call.sigmas)
        digest = hashlib.sha256(sigmas.double().cpu().numpy().tobytes()).hexdigest()[:16]
        return f"{name} {trajectories.source.items} {digest}"


def _joined(first: Finished, others: Finished, witnesses: int = 0) -> Finished:
    """The candidates of two calls, without the witnesses at the end of the second; of those only the cost is kept."""
    count = len(others) - witnesses
    pairs = zip(first.way, others.way)
    return Finished(
        latents=torch.cat([first.latents, others.latents[:count]]),
        x0=torch.cat([first.x0, others.x0[:count]]),
        nfe=[*first.nfe, *others.nfe[:count]],
        steps=first.steps,
        work=first.work + max(others.work - witnesses * others.steps, 0),
        predictions={
            level: torch.cat([prediction, others.predictions[level][:count]])
            for level, prediction in first.predictions.items()
        },
        beside=[*first.beside, *others.beside, *others.nfe[count:]],
        way=[
            (torch.cat([x0, more_x0[:count]]), torch.cat([x, more_x[:count]])) for (x0, x), (more_x0, more_x) in pairs
        ],
    )
