"""Candidates in, judged candidates out: earlier runs first, then the user's sampler and the judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import NamedTuple

from PIL.Image import Image
from torch import Tensor

from ..verifiers.base import pace
from .board.by_hand import ByHand
from .board.watch import Watch
from .course import Course, Judged, Recipes, Round
from .history.known import Known
from .judging.early import EarlyJudge
from .judging.judge import Judge
from .judging.race import Ahead, Look, Racing, looks
from .judging.small_images import small_images
from .methods.pruning import Race
from .pictures import thumbnail
from .records.candidate import Candidate
from .records.grid import Grid
from .records.recipe import Recipe
from .records.standing import Result
from .remaking import give_parents
from .sampling.call import Finished, SamplerCall
from .sampling.proving import Alone
from .sampling.trajectories import Cutting, Trajectories


class Spent:
    """What a search has cost: seconds by what they went to, steps of all candidates together, and of each image the NFE
    beside its candidates (given up, or run again) and those of its candidates that earlier runs have spent.

    is_beside_others: whether images were what they are only beside the others of their batch.
    """

    def __init__(self, images: int):
        self.seconds = {"sampling": 0.0, "decoding": 0.0, "scoring": 0.0}
        self.steps = 0
        self.extra_nfe = [0] * images
        self.earlier_nfe = [0] * images
        self.is_beside_others = False

    def beside(self, nfe: Sequence[Sequence[int]]) -> None:
        """Predictions [candidates][images] of no candidate's."""
        self.extra_nfe = [sum(spent) for spent in zip(self.extra_nfe, *nfe, strict=True)]


class Run(NamedTuple):
    """Candidates that went through the sampler together."""

    recipes: list[Recipes]
    finished: Finished


class Evaluator:
    """Runs candidates in the user's sampler and judges them, as many together as go in one call."""

    def __init__(
        self, course: Course[Result], trajectories: Trajectories, judge: Judge, known: Known, watch: Watch, spent: Spent
    ):
        self.course = course
        self.trajectories = trajectories
        self.judge = judge
        self.early_judge = _early_judge(judge, trajectories.call, len(course.standings))
        self.known = known
        self.watch = watch
        self.spent = spent
        self.begun: dict[int, Recipes] = {}  # what ran last, by number
        self.by_hand = ByHand(course.plan.title, watch.board, len(course.standings), self._paused)

    @property
    def notes(self) -> list[str]:
        """What people have to know of how the candidates ran."""
        return []

    def fetched(self, image: int, index: int) -> Result | None:
        """What a candidate is made of that ran elsewhere; None where nobody has it."""
        return None

    def close(self) -> None:
        """The search is over."""

    def evaluate(self, asked: Round, in_time: bool = True) -> Iterator[Judged[Result]]:
        """What earlier runs have scored, and what runs now. Ends early when it is given up. in_time: also when there is
        no time for more."""
        if asked.race is not None and self.trajectories.alone_because:
            asked = _unpruned(asked, asked.race)
        is_by_hand = asked.race is not None and asked.race.answer_within > 0
        found = [
            None if is_by_hand else self.known.find(recipes, self._steps, asked.race) for recipes in asked.candidates
        ]
        if asked.race is not None:  # it takes place in one call
            seen = [one for one in found if one is not None]
            if len(seen) == len(found):
                yield self._known(asked, seen)
                return
            try:
                yield from self._race(asked, asked.race)
            except Alone as found_out:
                self.spent.beside(found_out.beside)
                yield from self.evaluate(_unpruned(asked, asked.race), in_time)
            return
        for is_known, group in groupby(zip(asked.candidates, found, strict=True), lambda pair: pair[1] is not None):
            recipes, seen = map(list, zip(*group, strict=True))
            if is_known:
                yield self._known(Round(recipes), seen)
                continue
            ran = 0
            for judged in self._run_all(recipes, in_time):
                ran += len(judged.recipes)
                yield judged
            if ran < len(recipes):
                return

    def run(self, candidates: list[Recipes], cutting: Cutting | None = None, uncut: int = 0) -> Run | None:
        """As many of the candidates as go in one call; None when they were given up, as people had seen enough."""
        is_given = self.is_given(candidates)
        if not (is_given or give_parents(self.course, self.trajectories, self.again, candidates)):
            return None
        first = self._grid.first
        numbers = {recipes: first + at for at, recipes in reversed(list(enumerate(candidates)))}
        self.begun = {number: recipes for recipes, number in numbers.items()}
        numbers |= dict.fromkeys(zip(*(recipe.way() for recipe in candidates[0])), first) if is_given else {}
        self.trajectories.glimpse = partial(self._glimpse, numbers)
        try:
            return self._run_given(candidates[0]) if is_given else self._run(candidates, cutting, uncut)
        finally:
            self.trajectories.glimpse = None

    def _glimpse(
        self,
        numbers: dict[Recipes, int],
        running: Sequence[Sequence[Recipe]],
        step: int,
        x0: Tensor,
        alive: Tensor,
    ) -> None:
        """Show what is predicted of candidates that run. numbers: of those that were asked for."""
        images = self._grid.images
        named = {row: (row % images, numbers.get(tuple(running[row // images]))) for row in alive.tolist()}
        self.watch.glimpse({row: (image, at) for row, (image, at) in named.items() if at is not None}, step, x0)

    def is_given(self, candidates: Sequence[Recipes]) -> bool:
        """Whether this is the one candidate that people have given: nothing on its way is a candidate."""
        return candidates[0][0] == self.course.plan.method.refine

    def _run_given(self, recipes: Recipes) -> Run | None:
        """Its predictions are those of its whole way."""
        nfe, run = self._along(recipes)
        if run is None:
            self.spent.beside(nfe)
            return None
        return Run(run.recipes, replace(run.finished, nfe=[list(map(sum, zip(*nfe, strict=True)))]))

    def again(self, recipes: Recipes) -> Judged[Result] | None:
        """One candidate from noise on, whatever its way was. What that costs is no candidate's."""
        nfe, run = self._along(recipes)
        self.spent.beside(nfe)
        return None if run is None else self.judged(run)

    def _along(self, recipes: Recipes) -> tuple[list[list[int]], Run | None]:
        """One candidate from noise on: predictions [..][images] of all that ran, and the last part of its way, None
        when it was given up, which is noted already."""
        *before, last = zip(*(recipe.way() for recipe in recipes), strict=True)
        nfe: list[list[int]] = []
        self.trajectories.keeps_ends = True
        try:
            for stage in before:
                run = self._run([stage])
                if run is None:
                    return nfe, None
                nfe += run.finished.nfe
        finally:
            self.trajectories.keeps_ends = False
        run = self._run([last])
        return nfe + (run.finished.nfe if run else []), run

    def _run(self, candidates: list[Recipes], cutting: Cutting | None = None, uncut: int = 0) -> Run | None:
        started = time.perf_counter()
        try:
            finished = self.trajectories.run(candidates, cutting, uncut)
        finally:
            self.spent.seconds["sampling"] += time.perf_counter() - started
        self.spent.steps += finished.work
        self.spent.beside(finished.beside)
        self.watch.alone(self.trajectories.alone_because)
        if finished.given_up:
            self.spent.beside(finished.nfe)
            return None
        return Run(candidates[: len(finished)], finished)

    def judged(self, run: Run, racing: Racing | None = None) -> Judged[Result]:
        """Scores and pictures of what has run. racing: when rows were cut on the way."""
        grid = self._grid
        stopped, early = ({}, {}) if racing is None else (racing.stopped, racing.early)
        seen = stopped | self._looks(run, grid, stopped)
        candidates = [
            [
                replace(
                    self._candidate(recipes, image, nfe[image], seen[row := grid.row(image, at)], run.finished.steps),
                    early=None if row in stopped else early.get(row),
                )
                for at, (recipes, nfe) in enumerate(zip(run.recipes, run.finished.nfe, strict=True))
            ]
            for image in range(grid.images)
        ]
        kept = [_results(run.finished, image) for image in range(grid.images)]
        return Judged(run.recipes, candidates, kept, _pictures(seen, grid))

    @property
    def _steps(self) -> int:
        return self.trajectories.call.steps

    @property
    def _grid(self) -> Grid:
        return Grid(len(self.course.standings), len(self.course.standings[0].seen))

    def _run_all(self, left: list[Recipes], in_time: bool) -> Iterator[Judged[Result]]:
        stopping = self.course.stopping
        while left and (count := stopping.affords(len(left)) if in_time else len(left)):
            run = self.run(left[:count])
            if run is None:
                return
            yield self._noted(run)
            stopping.limit.spent_on(len(run.recipes))
            left = left[len(run.recipes) :]

    def _race(self, asked: Round, race: Race) -> Iterator[Judged[Result]]:
        """Candidates that are pruned on the way; the score of one that was is its last prediction's."""
        stopping, grid = self.course.stopping, self._grid
        if not stopping.affords(race.starts):
            return
        racing = Racing(race, grid.images, self.early_judge, self._name_in(grid), self._to_latent, stopping.stop_asked)

        def cutting(step: int, x0: Tensor, look_ahead: Ahead) -> list[int] | None:
            started, looking = time.perf_counter(), racing.looking
            alive = racing.after_step(step, x0, look_ahead)
            if alive is not None:
                self._show(asked.candidates, racing, grid)
                if race.answer_within:
                    alive = racing.alive = self._ask(race, step, racing, grid)
                    self._show(asked.candidates, racing, grid)
            beside = time.perf_counter() - started - (racing.looking - looking)
            self.spent.seconds["sampling"] -= beside  # of which it is a part
            return alive

        try:
            run = self.run(asked.candidates, cutting, race.cuts[0].step if race.cuts else race.steps)
        finally:
            self._spent_judging(racing.decoding, racing.scoring)
        if run is not None:
            yield self._noted(run, race, racing)
            stopping.limit.spent_on(race.starts)

    def _ask(self, race: Race, step: int, racing: Racing, grid: Grid) -> list[int]:
        """A person, for the rows that go on."""
        waiting = {row: grid.place(row) for row in racing.judged if not racing.latest[row].failed}
        return self.by_hand.choose(race, step, waiting, racing.alive, racing.early)

    def _paused(self, seconds: float) -> None:
        self.course.stopping.limit.paused(seconds)
        self.watch.board.remaining.paused(seconds)

    def _show(self, candidates: list[Recipes], racing: Racing, grid: Grid) -> None:
        nfe = self.trajectories.spent
        racers = [
            [
                self._candidate(candidates[row // grid.images], image, nfe[row], racing.latest[row])
                for row in grid.of_image(image, range(len(nfe)))
            ]
            for image in range(grid.images)
        ]
        pictures = _pictures({row: racing.latest[row] for row in racing.judged}, grid)
        self.watch.racing(racers, pictures, set(map(grid.place, racing.alive)))

    def _known(self, asked: Round, seen: list[list[Candidate]]) -> Judged[Result]:
        """What earlier runs have recorded, as of this run. seen: of each candidate, one per image."""
        grid = self._grid
        images = [
            [self._again(recipes, own[image], image) for recipes, own in zip(asked.candidates, seen, strict=True)]
            for image in range(grid.images)
        ]
        self.spent.earlier_nfe = [
            nfe + sum(one.nfe for one in image) for nfe, image in zip(self.spent.earlier_nfe, images, strict=True)
        ]
        self.spent.steps += asked.race.cost if asked.race else len(asked.candidates) * self._steps
        pictures = {
            grid.place(grid.row(image, at)): thumbnail.decode(one.thumbnail)
            for image, ones in enumerate(images)
            for at, one in enumerate(ones)
            if one.thumbnail
        }
        return Judged(asked.candidates, images, [[None] * len(seen) for _ in images], pictures)

    def _again(self, recipes: Recipes, seen: Candidate, image: int) -> Candidate:
        return replace(seen, recipe=self._own(recipes, image), round=self.course.rounds)

    def _noted(self, run: Run, race: Race | None = None, racing: Racing | None = None) -> Judged[Result]:
        """Judged, and kept for later runs."""
        judged = self.judged(run, racing)
        if race is not None and race.answer_within:  # another person, or the same, may choose otherwise
            return judged
        for image, candidates in enumerate(judged.candidates):
            for recipes, one in zip(judged.recipes, candidates, strict=True):
                self.known.add(recipes[image], image, one, self._steps, race)
        return judged

    def _looks(self, run: Run, grid: Grid, stopped: dict[int, Look]) -> dict[int, Look]:
        """Of every row that ran to its end."""
        finished = run.finished
        rows = [row for row in range(len(finished) * grid.images) if row not in stopped]
        latents = self._to_judge(finished, run.recipes[0][0].is_open).flatten(0, 1)[rows]
        predictions = {
            level: self._to_latent(prediction.flatten(0, 1)[rows]) for level, prediction in finished.predictions.items()
        }
        name = self._name_in(grid)
        judged = self.judge.judge(latents, lambda at: name(rows[at]), predictions)
        self._spent_judging(judged.decoding, judged.scoring)
        return dict(zip(rows, looks(judged), strict=True))

    def _to_judge(self, finished: Finished, is_open: bool) -> Tensor:
        """The final latents; where noise is left in them, what the model predicts behind it."""
        if float(self.trajectories.call.sigmas[-1]) == 0 and not is_open:
            return finished.latents
        return self._to_latent(finished.x0)

    def _to_latent(self, x0: Tensor) -> Tensor:
        """From model space to what a sampler node gives out."""
        return self.trajectories.call.guider.model_patcher.model.process_latent_out(x0)

    def _spent_judging(self, decoding: float, scoring: float) -> None:
        self.spent.seconds["decoding"] += decoding
        self.spent.seconds["scoring"] += scoring

    def _candidate(self, recipes: Recipes, image: int, nfe: int, look: Look, steps: int = 0) -> Candidate:
        """steps: the solver's on the last stretch of the recipe."""
        return Candidate(
            scores=look.scores,
            recipe=self._own(recipes, image),
            nfe=nfe,
            thumbnail=look.thumbnail,
            stopped_at_step=steps if recipes[image].is_open else look.step,
            round=self.course.rounds,
            failed=look.failed,
            is_one_color=look.is_one_color,
            details=look.details,
        )

    def _own(self, recipes: Recipes, image: int) -> Recipe | None:
        """The recipe of one image of a candidate, as people are told it; None when nothing gives it again."""
        if self.trajectories.images_may_mix(recipes):
            self.spent.is_beside_others = True
            return None
        is_told = self.trajectories.together.follows_seed
        return self.trajectories.source.told(recipes[image], image) if is_told else None

    def _name_in(self, grid: Grid) -> Callable[[int], str]:
        """What to call the candidate in a row."""

        def name(row: int) -> str:
            image, candidate = grid.place(row)
            return f"candidate {candidate}" if grid.images == 1 else f"candidate {candidate} of image {image}"

        return name


def _unpruned(asked: Round, race: Race) -> Round:
    """As many full trajectories as the race costs."""
    return Round(asked.candidates[: -(-race.cost // race.steps)])


def _pictures(seen: dict[int, Look], grid: Grid) -> dict[tuple[int, int], Image]:
    """By image and number of the candidate; those that failed have mostly none."""
    return {grid.place(row): look.picture for row, look in seen.items() if look.picture is not None}


def _results(finished: Finished, image: int) -> list[Result | None]:
    """Of one image, copied so that the latents of the whole round can go."""
    found: list[Result | None] = []
    for at in range(len(finished)):
        way = tuple((x0[at, image].clone(), x[at, image].clone()) for x0, x in finished.way)
        found.append(Result(finished.latents[at, image].clone(), finished.x0[at, image].clone(), way))
    return found


def _early_judge(judge: Judge, call: SamplerCall, items: int) -> EarlyJudge:
    """A verifier of the coarse pace takes so long that asking it twice costs more than decoding."""
    is_dear = pace(judge.verifier) == "coarse"
    small = None if is_dear else small_images(judge.vae, call.guider.model_patcher.model, call.shapes)
    return EarlyJudge(judge, small, items)
