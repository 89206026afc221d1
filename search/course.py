"""One search, whoever runs its candidates: asks the method, takes in what was judged, stops, reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

from PIL.Image import Image

from ..verifiers.base import Verifier
from .methods.base import Asking, Heat, Start, unread_rounds
from .methods.pruning import Race
from .methods.wordings import TOGETHER, Bandit
from .plan import Plan
from .records import failures
from .records.candidate import Candidate
from .records.marks import Marks
from .records.recipe import Recipe
from .records.report import Report, Seconds
from .records.scores import Scores
from .records.standing import Product, Standing
from .stopping import TARGET, Stopping

Recipes = tuple[Recipe, ...]  # of a candidate, one per image


class Round(NamedTuple):
    """Candidates to judge, and the race they run if they are pruned."""

    candidates: list[Recipes]
    race: Race | None = None


@dataclass(frozen=True)
class Judged(Generic[Product]):
    """Some candidates of a round.

    candidates: of each image, in the order they were asked for. kept: the same, what the winner will be made of; None
    when only an earlier run had it. pictures: by image and number of the candidate.
    """

    recipes: list[Recipes]
    candidates: list[list[Candidate]]
    kept: list[list[Product | None]]
    pictures: Mapping[tuple[int, int], Image] = field(default_factory=dict)


class Course(Generic[Product]):
    """start: of the images of a batch, searched side by side. verifier: what ranks the candidates. stop_asked: whether
    people want the best so far. drafts: whether candidates are no images yet, so that none reaches the target.
    marks: of each image, what a person thinks of its candidates."""

    def __init__(
        self,
        plan: Plan,
        start: Start,
        verifier: Verifier,
        stop_asked: Callable[[], bool],
        images: int = 1,
        drafts: bool = False,
        marks: Sequence[Marks] | None = None,
    ):
        self.plan = plan
        self.seed = start.seed
        self._start = start
        target, parents = None if drafts else plan.limits.target, plan.method.parents
        self.standings: list[Standing[Product]] = [Standing(verifier, parents, target) for _ in range(images)]
        self.marks = [Marks() for _ in range(images)] if marks is None else marks
        self.stopping = Stopping(plan.limits, self.standings, stop_asked)
        self.recipes: list[Recipes] = []  # of every candidate that was judged
        self.rounds = 0
        self._bandits = [Bandit(len(plan.wordings), start.seed + image) for image in range(images)]
        self._waiting: list[list[Recipe]] = []  # of each image, what was asked for and has not run
        self._asking = [Asking(plan.method.begin(start._replace(images=images))) for _ in range(images)]

    @property
    def has_best(self) -> bool:
        """Whether every image has a candidate that ran to its end."""
        return all(item.best is not None for item in self.standings)

    def next_round(self) -> Round | None:
        """What to run next; None when the search is over. When it is cut short, what the best needs to be finished."""
        ended = self.stopping.reason is not None
        if self.stopping.reason == TARGET:
            return None
        told = [self._scores(image) for image in range(len(self.standings))]
        if ended or not any(self._waiting):
            asked = self._asked(told, ended)
            if asked is None:
                return None
            self._waiting, race = [heat.recipes for heat in asked], asked[0].race
        else:
            race = None
        count = self._together(race)
        now, self._waiting = [of[:count] for of in self._waiting], [of[count:] for of in self._waiting]
        drawn = [self._worded(image, recipes, scores) for image, (recipes, scores) in enumerate(zip(now, told))]
        return Round([tuple(map(self._varied, recipes)) for recipes in zip(*drawn, strict=True)], race)

    def foreseen(self) -> list[Round]:
        """The rounds from the first on that the method asks for whatever the scores are: all may run at once."""
        if len(self.plan.wordings) > 1:
            return []
        images = len(self.standings)
        one = unread_rounds(self.plan.method.begin(self._start._replace(images=images)))
        return [Round([(self._varied(recipe),) * images for recipe in heat.recipes], heat.race) for heat in one]

    def _asked(self, told: list[Scores], ended: bool) -> list[Heat] | None:
        """What the method asks for next, for each image; None when it has ended."""
        heats = [
            asking.finish(scores) if ended else asking.more(scores)
            for asking, scores in zip(self._asking, told, strict=True)
        ]
        asked = [heat for heat in heats if heat is not None]
        return asked if len(asked) == len(heats) else None  # of one method, they end together

    def _together(self, race: Race | None) -> int:
        """How many of those that wait run on the same knowledge of wordings."""
        is_path = any(recipe.path for of in self._waiting for recipe in of)
        return len(self._waiting[0]) if race or is_path or len(self.plan.wordings) < 2 else TOGETHER

    def _worded(self, image: int, recipes: list[Recipe], scores: Scores) -> list[Recipe]:
        """With the wordings that they are drawn with: that of what they go on from, else one by the bandit."""
        texts = self.plan.wordings
        if len(texts) < 2:
            return recipes
        known = {plain(recipe): recipe.wording for recipe in scores.recipes}
        seen = [(texts.index(recipe.wording), score) for recipe, score in zip(scores.recipes, scores, strict=True)]
        chosen = iter(self._bandits[image].choose(seen, len(recipes)))
        befores = [recipe.before() for recipe in recipes]
        return [
            recipe._replace(wording=known[plain(before)] if before is not None else texts[next(chosen)])
            for recipe, before in zip(recipes, befores, strict=True)
        ]

    def _scores(self, image: int) -> Scores:
        """What a person has rejected counts as failed: a search does not go on from there."""
        scores = self.standings[image].scores()
        scores.leave_out(map(self.marks[image].is_rejected, self.standings[image].seen))
        scores.recipes = [recipes[image] for recipes in self.recipes]
        return scores

    def _varied(self, recipe: Recipe) -> Recipe:
        """With the variety that people want; without it what goes back to the image without search. A recipe that was
        given has its own, as what comes of it."""
        is_plain = recipe.seed == self.seed and not recipe.moves
        return recipe if is_plain or self.plan.method.refine else recipe._replace(variety=self.plan.variety)

    def take(self, judged: Judged[Product]) -> None:
        """Record candidates. Raises CandidatesFailed when so many have failed that no more need to run."""
        for item, candidates, kept in zip(self.standings, judged.candidates, judged.kept, strict=True):
            item.add(zip(candidates, kept, strict=True))
        self.recipes += judged.recipes
        if any(failures.hopeless(item.seen) for item in self.standings):
            self.check()

    def check(self) -> None:
        """Raises CandidatesFailed where a search has no image to give, or where that without search and most of the
        others have failed."""
        for image, item in enumerate(self.standings):
            failure = failures.failure(item.seen, "" if len(self.standings) == 1 else f" of image {image}")
            if failure is not None:
                raise failures.CandidatesFailed(f"{self.plan.title}: {failure}")

    def close(self) -> None:
        for asking in self._asking:
            asking.close()

    def report(
        self,
        image: int,
        steps: int,
        seconds: Seconds,
        extra_nfe: int = 0,
        earlier_nfe: int = 0,
        notes: tuple[str, ...] = (),
    ) -> Report:
        """Of one image. steps: the sampler's."""
        candidates = self.standings[image].candidates()
        return Report(
            algorithm=self.plan.name,
            seed=self.seed,
            sampler_steps=steps,
            candidates=candidates,
            stopped=self.stopping.word,
            seconds=seconds,
            extra_nfe=extra_nfe,
            earlier_nfe=earlier_nfe,
            notes=notes,
            summary=self.plan.method.summary(candidates),
            target=None if self.plan.limits.target is None else self.plan.limits.target.told,
            chosen=self.standings[image].chosen,
            marks=self.marks[image],
            passed_over=self.standings[image].passed_over,
            around=candidates[0].recipe if self.plan.method.refine else None,
        )


def plain(recipe: Recipe) -> Recipe:
    """As a method asks for it."""
    return recipe._replace(variety=0.0, wording="")
