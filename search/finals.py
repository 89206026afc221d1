"""The best again: drafts in full, and winners that only an earlier run has made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, groupby

from torch import Tensor

from .course import Course, Judged, Recipes, Round
from .evaluate import Evaluator
from .keeping import Keeping
from .records.recipe import Recipe
from .records.standing import Result
from .remaking import Indices, remake
from .stopping import TARGET


class Finals:
    """take: records what was judged."""

    def __init__(self, course: Course[Result], evaluator: Evaluator, take: Callable[[Judged[Result]], None]):
        self.course = course
        self.evaluator = evaluator
        self.take = take

    def run_finalists(self, sigmas: Tensor) -> None:
        """The best drafts again, on the whole schedule, as far as it takes to reach the target."""
        trajectories = self.evaluator.trajectories
        drafted = trajectories.call.steps
        trajectories.change_schedule(sigmas)
        chosen = self._finalists(self.course.plan.finalists(trajectories.call.steps))
        asked = [self._recipes_of(indices) for indices in chosen]
        drafts = {
            (image, recipe): index
            for indices, recipes in zip(chosen, asked, strict=True)
            for image, (index, recipe) in enumerate(zip(indices, recipes, strict=True))
        }
        for item in self.course.standings:
            item.only_drafts(drafted, self.course.plan.limits.target)
        for _, group in groupby(asked, key=lambda recipes: len(recipes[0].way())):
            ways = [zip(*(recipe.way() for recipe in recipes), strict=True) for recipes in group]
            for stage in map(list, zip(*ways, strict=True)):
                for judged in self.evaluator.evaluate(Round(stage), in_time=False):
                    self.take(_repeating(judged, drafts))
                    if self.course.stopping.has_reached:
                        self.course.stopping.reason = TARGET
                        return
                trajectories.next_round()

    def run_chosen(self, image: int, index: int) -> int | None:
        """What a person wants for an image in place of its best, to its end. Returns its number, which is another one
        where it was left on the way; None when it comes to nothing."""
        item, number = self.course.standings[image], index
        is_judged = index < len(item.seen)
        recipes = self.course.recipes[index] if is_judged else self.evaluator.begun.get(index)
        if recipes is None:
            return None
        if not (is_judged and item.seen[index].is_finished):
            judged = self.evaluator.again(recipes)
            if judged is None or not judged.candidates[image][0].is_finished:
                return None
            number = self._take_chosen(image, index, judged)
        item.choose(number)
        return number

    def _take_chosen(self, image: int, index: int, judged: Judged[Result]) -> int:
        item, kept = self.course.standings[image], judged.kept[image][0]
        if index >= len(item.seen) or kept is None:
            self.take(judged)
            return len(item.seen) - 1
        item.again(index, judged.candidates[image][0], kept)
        return index

    def run_known_winners(self) -> None:
        """Run winners whose latent only an earlier run has had. Raises ScoresChanged when one is not what it was, and
        CandidatesFailed when there is no winner."""
        self.course.check()
        standings = self.course.standings
        best = tuple(item.winner for item in standings)
        for image, index in enumerate(best):
            if standings[image].results.get(index) is None:
                standings[image].results[index] = self.evaluator.fetched(image, index)
        missing = [image for image, index in enumerate(best) if standings[image].results.get(index) is None]
        if not missing:
            return
        # also what the other images run: their own best may be the end of a path
        wanted = tuple(index if image in missing else best[missing[0]] for image, index in enumerate(best))
        for indices in self._side_by_side([wanted]):
            images = [image for image in missing if wanted[image] == indices[image]]
            remake(self.course, self.evaluator.again, indices, images)

    def run_kept(self, keepings: Sequence[Keeping]) -> list[list[int]]:
        """Run what is to be kept beside the winners and only an earlier run has made, as long as there is time and
        nobody wants the best now. Returns what each image keeps, by rank. Raises ScoresChanged as above."""
        standings = self.course.standings
        chosen = [keeping.choose(item) for keeping, item in zip(keepings, standings, strict=True)]
        for place in range(1, max(map(len, chosen))):
            wanted = [indices[min(place, len(indices) - 1)] for indices in chosen]
            missing = [at for at, index in enumerate(wanted) if keepings[at].is_missing(standings[at], index)]
            for at in missing:
                keepings[at].give(wanted[at], self.evaluator.fetched(at, wanted[at]))
            missing = [at for at in missing if keepings[at].is_missing(standings[at], wanted[at])]
            if not missing:
                continue
            if self._is_over:
                break
            best = tuple(index if at in missing else wanted[missing[0]] for at, index in enumerate(wanted))
            for indices in self._side_by_side([best]):
                images = [image for image in missing if wanted[image] == indices[image]]
                remake(self.course, self.evaluator.again, indices, images)
                for image in images:
                    keepings[image].give(indices[image], standings[image].results.pop(indices[image], None))
        return chosen

    @property
    def _is_over(self) -> bool:
        stopping = self.course.stopping
        return stopping.reason in ("user", "time") or stopping.stop_asked() or stopping.limit.is_passed

    def _finalists(self, most: int) -> list[Indices]:
        """Drafts, one per image: the best first, only one when the search was cut short; and that without search."""
        count = most if self.course.stopping.reason in (None, "patience") else 1
        ranked = [[index for index in item.finished() if index > 0][:count] for item in self.course.standings]
        if any(ranked):  # where all have failed, that without search runs beside those of the other images
            ranked = [indices or [0] for indices in ranked]
        best = self._side_by_side(list(zip(*ranked)))
        ran = all(item.seen[0].stopped_at_step is None for item in self.course.standings)
        return [*best, (0,) * len(ranked)] if ran else best

    def _side_by_side(self, wanted: list[Indices]) -> list[Indices]:
        """Candidates, one per image, as they can run. Alone, the images of a batch share one seed's step noise; and all
        of a batch are at the same stretch of their way."""
        ways = {len(recipe.way()) for indices in wanted for recipe in self._recipes_of(indices)}
        if not self.evaluator.trajectories.images_go_by_one_seed and len(ways) < 2:
            return wanted
        return [(index,) * len(self.course.standings) for index in dict.fromkeys(chain(*wanted))]

    def _recipes_of(self, indices: Indices) -> Recipes:
        return tuple(self.course.recipes[index][image] for image, index in enumerate(indices))


def _repeating(judged: Judged[Result], drafts: dict[tuple[int, Recipe], int]) -> Judged[Result]:
    """With the draft that each candidate is in full."""
    candidates = [
        [
            replace(one, repeats=drafts.get((image, recipes[image])))
            for one, recipes in zip(ones, judged.recipes, strict=True)
        ]
        for image, ones in enumerate(judged.candidates)
    ]
    return replace(judged, candidates=candidates)
