"""Candidates that run wherever there is room: here, and with a crew on other GPUs or machines.

Whoever is free takes what is next, and it is recorded in the order it was asked for. So the winner is the one that this
process alone would have found: what a candidate is worth does not depend on who runs it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from comfy.model_management import throw_exception_if_processing_interrupted
from PIL.Image import Image
from torch import Tensor

from ..course import Judged, Recipes, Round
from ..evaluate import Evaluator
from ..judging.race import Racing
from ..methods.pruning import Race
from ..pictures import thumbnail
from ..records.candidate import Candidate
from ..records.grid import Grid
from ..records.hand import Hand
from ..records.recipe import Recipe
from ..records.standing import Result
from ..remaking import give_parents
from .seam import THIS_GPU, Handed, Note, Offer, Piece, Scored

POLL = 0.1  # seconds
MOST = 8  # candidates that one worker takes at a time
PROOF = 4  # candidates that run here while it is not known whether they may share a call


_IDLE = Hand(THIS_GPU, "waits")


class _Came(NamedTuple):
    """A candidate that has been scored and not been asked for yet: of each image."""

    candidates: list[Candidate]
    kept: list[Result | None]
    pictures: list[Image | None]


class Spread(Evaluator):
    """As an Evaluator, with a crew."""

    def __init__(self, offer: Offer, *parts: Any):
        super().__init__(*parts)
        self.offer = offer
        self.handed: Handed | None = None
        self.waiting: set[tuple[Recipes, int, Race | None]] = set()  # what was handed out and has not come
        self.came: dict[tuple[Recipes, int, Race | None], _Came] = {}
        self.far: dict[tuple[int, Recipe, int], Callable[[], Result | None]] = {}
        self.far_ends: dict[tuple[int, Recipe], Callable[[], Tensor | None]] = {}
        self.told: dict[str, None] = {}
        self.by: Counter[str] = Counter()
        self.own: Iterator[bool] | None = None  # what runs here
        self.first: int | None = None  # the number of what runs here out of its turn
        self.me = _IDLE
        self.watch.hands = self._hands

    @property
    def notes(self) -> list[str]:
        shares = ", ".join(f"{count} on {who}" for who, count in self.by.items())
        return [*self.told, *([f"Candidates ran on several GPUs: {shares}."] if len(self.by) > 1 else [])]

    @property
    def _grid(self) -> Grid:
        return Grid(len(self.course.standings), self._number if self.first is None else self.first)

    @property
    def _number(self) -> int:
        """Of the candidate that is next."""
        return len(self.course.standings[0].seen)

    def _hands(self, steps: int) -> list[Hand]:
        """Who has what, this process first. steps: done by all candidates so far, also those of the call that runs."""
        others = [] if self.handed is None else self.handed.who()
        me = self.me._replace(steps=steps - self.spent.steps)
        return [hand._replace(done=self.by[hand.who]) for hand in ([me, *others] if others else [])]

    def evaluate(self, asked: Round, in_time: bool = True) -> Iterator[Judged[Result]]:
        is_here = asked.race is not None and (asked.race.answer_within or self.trajectories.alone_because)
        if self.first is not None or is_here or self.is_given(asked.candidates):  # by hand, it pauses on this board
            yield from super().evaluate(asked, in_time)
            return
        if self.trajectories.together.proving:
            count = len(asked.candidates) if asked.race else PROOF
            ran = 0
            for judged in super().evaluate(Round(asked.candidates[:count], asked.race), in_time):
                ran += len(judged.recipes)
                yield judged
            if ran < count or ran == len(asked.candidates):
                return
            asked = Round(asked.candidates[count:])
        yield from self._spread(asked, in_time)

    def fetched(self, image: int, index: int) -> Result | None:
        """From where it ran; what is gone is sampled once more by whoever needs it."""
        get = self.far.get((image, self.course.recipes[index][image], self._steps))
        return None if get is None or self.trajectories.keeps_way else get()

    def close(self) -> None:
        """What came and was not asked for any more has cost something too."""
        self._let_go()
        for came in self.came.values():
            self.spent.beside([[one.nfe for one in came.candidates]])
        self.came.clear()

    def _let_go(self) -> None:
        """Nobody begins anything more of what was handed out."""
        if self.handed is not None:
            self._hear(self.handed.close())
        self.handed = self.own = None
        self.waiting.clear()

    def _spread(self, asked: Round, in_time: bool) -> Iterator[Judged[Result]]:
        stopping, steps = self.course.stopping, self._steps
        is_ending, left = stopping.reason is not None, list(asked.candidates)
        if not self._hand_out(asked, is_ending):
            return
        while left:
            if asked.race is not None and self.trajectories.alone_because:
                yield from super().evaluate(asked, in_time)
                return
            ready = self._ready(left, asked.race, steps)
            if ready:
                yield from self._taken(Round(left[:ready], asked.race), steps)
                left = left[ready:]
                continue
            if not self._work(in_time) or (not is_ending and self._is_enough(in_time)):
                self.close()
                return

    def _ready(self, left: Sequence[Recipes], race: Race | None, steps: int) -> int:
        """How many of the next are scored; of a race all or none."""
        count = 0
        for recipes in left:
            if (recipes, steps, race) not in self.came and self.known.find(recipes, steps, race) is None:
                break
            count += 1
        return 0 if race is not None and count < len(left) else count

    def _taken(self, asked: Round, steps: int) -> Iterator[Judged[Result]]:
        """What is scored, in its order: what came in this run, and what earlier runs knew."""
        most = 1 if self.course.plan.limits.patience and asked.race is None else len(asked.candidates)
        for _, group in groupby(asked.candidates, lambda one: (one, steps, asked.race) in self.came):
            recipes = list(group)
            for at in range(0, len(recipes), most):
                yield self._judged(Round(recipes[at : at + most], asked.race), steps)

    def _judged(self, asked: Round, steps: int) -> Judged[Result]:
        came = [self.came.pop((recipes, steps, asked.race), None) for recipes in asked.candidates]
        if None in came:
            known = [self.known.find(recipes, steps, asked.race) for recipes in asked.candidates]
            return self._known(asked, [seen for seen in known if seen is not None])
        images = range(len(self.course.standings))
        pairs = list(zip(asked.candidates, [one for one in came if one is not None], strict=True))
        candidates = [[self._again(recipes, one.candidates[at], at) for recipes, one in pairs] for at in images]
        kept = [[one.kept[image] for _, one in pairs] for image in images]
        shown = {
            (image, self._number + at): picture
            for at, (_, one) in enumerate(pairs)
            for image, picture in enumerate(one.pictures)
            if picture is not None
        }
        return Judged(asked.candidates, candidates, kept, shown)

    def _hand_out(self, asked: Round, is_ending: bool) -> bool:
        """What nobody has scored yet, with the rounds after it that do not depend on its scores. False when people have
        seen enough before it could go on."""
        steps = self._steps
        keys = {(recipes, steps, asked.race) for recipes in asked.candidates}
        if keys <= self.waiting | self.came.keys():
            return True
        self._let_go()
        if not self._give_starts(asked.candidates):
            return False
        rounds = [asked, *([] if is_ending else self._later(asked))]
        units = self._units(rounds, steps)
        self.waiting = {(one, steps, unit.race) for unit in units for one in unit.candidates}
        most = 1 if self.course.plan.limits.max_seconds else MOST
        self.handed = self.offer.crew.start(self.offer.job, units, most)
        return True

    def _later(self, asked: Round) -> list[Round]:
        rounds = self.course.foreseen()
        return rounds[rounds.index(asked) + 1 :] if asked in rounds else []

    def _units(self, rounds: Sequence[Round], steps: int) -> list[Piece]:
        units: list[Piece] = []
        number, outcomes = self._number, dict(self.known.page.outcomes.known)
        for candidates, race in rounds:
            numbers = tuple(range(number, number + len(candidates)))
            piece = Piece(tuple(candidates), numbers, steps, race, self._starts(candidates), outcomes)
            number += len(candidates)
            if race is not None:
                units += [] if self._ready(candidates, race, steps) else [piece]
            else:
                units += [one for one in piece.split() if not self._ready(one.candidates, race, steps)]
        return units

    def _give_starts(self, candidates: Sequence[Recipes]) -> bool:
        """Get the latents that these go on from; what is lost is made again. False when people have seen enough."""
        for image, index in self._parents(candidates):
            results = self.course.standings[image].results
            results[index] = results.get(index) or self.fetched(image, index)
        if not give_parents(self.course, self.trajectories, self.again, candidates):
            return False
        for befores in dict.fromkeys(tuple(recipe.before() for recipe in recipes) for recipes in candidates):
            whole = tuple(before for before in befores if before is not None)
            if len(whole) < len(befores) or self._holds(whole):
                continue
            if super().again(whole) is None:
                return False
        return True

    def _parents(self, candidates: Sequence[Recipes]) -> list[tuple[int, int]]:
        """The images that these refine, by image of the batch and number."""
        wanted = {
            (image, recipe.before())
            for recipes in candidates
            for image, recipe in enumerate(recipes)
            if recipe.is_refined
        }
        known = enumerate(self.course.recipes)
        return [
            (image, at) for at, recipes in known for image in range(len(recipes)) if (image, recipes[image]) in wanted
        ]

    def _holds(self, befores: Recipes) -> bool:
        """Whether the ends of these are here, or could be fetched."""
        stretches = self.trajectories.stretches
        for image, before in enumerate(befores):
            if stretches.held(image, before) is None:
                get = self.far_ends.get((image, before))
                end = None if get is None else get()
                if end is None:
                    return False
                stretches.hold(image, before, end)
        return True

    def _starts(self, candidates: Sequence[Recipes]) -> dict[tuple[int, Recipe], Tensor]:
        wanted = {
            (image, before)
            for recipes in candidates
            for image, recipe in enumerate(recipes)
            if (before := recipe.before()) is not None
        }
        held = {place: self.trajectories.stretches.held(*place) for place in wanted}
        return {place: end for place, end in held.items() if end is not None}

    def _work(self, in_time: bool) -> bool:
        """Take part, and hear what has come. False when it is over before everything is there."""
        handed = self.handed
        if handed is None:
            return False
        if self.own is None and (piece := handed.take()) is not None:
            self.own = self._run_here(piece, in_time)
        has_run = None if self.own is None else next(self.own, None)
        if has_run is None:
            self.own = None
        heard = handed.wait(POLL if has_run is None else 0.0)
        self._hear(heard)
        if has_run is None and not heard:
            throw_exception_if_processing_interrupted()
            self.watch.progress(self.spent.steps, 0)
            return not handed.is_over()
        return has_run is not False

    def _is_enough(self, in_time: bool) -> bool:
        stopping = self.course.stopping
        if in_time and stopping.limit.is_passed and self.course.standings[0].seen:
            stopping.reason = stopping.reason or "time"
        return stopping.is_enough()

    def _run_here(self, piece: Piece, in_time: bool) -> Iterator[bool]:
        """After each sampler call True; False, and nothing more, when it was given up."""
        for single in [piece] if piece.race is not None else _runs(piece):
            candidates, number = list(single.candidates), single.numbers[0]
            running = Evaluator.evaluate(self, Round(candidates, single.race), in_time)
            while (judged := self._next_of(running, single, number)) is not None:
                number += len(judged.recipes)
                yield True
            is_unpruned = single.race is not None and bool(self.trajectories.alone_because)
            if number < single.numbers[-1] + 1 and not is_unpruned:
                yield False
                return

    def _next_of(self, running: Iterator[Judged[Result]], single: Piece, number: int) -> Judged[Result] | None:
        """number: of the candidate that comes next."""
        self.first = number
        left = tuple(one for one in single.numbers if one >= number)
        self.me = Hand(THIS_GPU, "runs", left, work=single.work * len(left) // len(single.numbers))
        try:
            judged = next(running, None)
            if judged is not None:
                self._keep(judged, single.race)
            return judged
        finally:
            self.first, self.me = None, _IDLE

    def _keep(self, judged: Judged[Result], race: Race | None) -> None:
        first, race = self._grid.first, None if self.trajectories.alone_because else race
        for at, recipes in enumerate(judged.recipes):
            images = range(len(recipes))
            candidates = [judged.candidates[image][at] for image in images]
            kept = [judged.kept[image][at] for image in images]
            pictures = [judged.pictures.get((image, first + at)) for image in images]
            self._came(recipes, race, _Came(candidates, kept, pictures))
        self.by[THIS_GPU] += len(judged.recipes)

    def _came(self, recipes: Recipes, race: Race | None, came: _Came) -> None:
        key = (recipes, self._steps, race)
        self.waiting.discard(key)
        self.came[key] = came

    def _hear(self, heard: Sequence[Scored | Note]) -> None:
        for one in heard:
            if isinstance(one, Note):
                if one.text and one.text not in self.told:
                    logging.warning("%s: %s", self.course.plan.title, one.text)
                    self.told[one.text] = None
                if one.beside:
                    self.spent.beside([one.beside])
                continue
            self.spent.beside([one.beside])
            self.by[one.who] += len(one.candidates)
            for at, (recipes, candidates) in enumerate(zip(one.piece.candidates, one.candidates, strict=True)):
                self._scored(one, at, recipes, candidates)

    def _scored(self, scored: Scored, at: int, recipes: Recipes, candidates: list[Candidate]) -> None:
        """What somebody else has scored is kept as if it had run here."""
        race, steps = scored.piece.race, scored.piece.steps
        if (recipes, steps, race) not in self.waiting:  # of a round that is over
            self.spent.beside([[one.nfe for one in candidates]])
            return
        self.spent.steps += steps if race is None else race.cost // race.starts
        for image, (recipe, one) in enumerate(zip(recipes, candidates, strict=True)):
            self.known.add(recipe, image, one, steps, race)
            if one.is_finished:
                self.far[image, recipe, steps] = lambda image=image: scored.fetch(image, at)
            if recipe.is_open:
                self.far_ends[image, recipe] = lambda image=image: scored.fetch_end(image, at)
        pictures = [thumbnail.decode(one.thumbnail) if one.thumbnail else None for one in candidates]
        self._came(recipes, race, _Came(candidates, [None] * len(candidates), pictures))

    def _show(self, candidates: list[Recipes], racing: Racing, grid: Grid) -> None:
        if grid.first == self._number:  # a board has no place for a race out of its turn
            super()._show(candidates, racing, grid)


def _runs(piece: Piece) -> Iterator[Piece]:
    """The candidates of a piece with consecutive numbers, together."""
    singles = piece.split()
    for _, group in groupby(enumerate(singles), lambda pair: pair[1].numbers[0] - pair[0]):
        first, *others = [single for _, single in group]
        yield first.joined(others)
