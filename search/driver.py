"""Runs an algorithm against a sampler and a judge: the one place where rounds, progress, time and records live."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from itertools import chain, groupby, takewhile
from typing import NamedTuple

import torch
from PIL.Image import Image
from torch import Tensor
from tqdm.auto import tqdm

from ..verifiers.base import VerifierError
from .board.board import BOARDS
from .board.watch import Watch
from .history.known import Known, is_same
from .host.memory import OutOfMemory
from .judging.decoding import DecodeError
from .judging.judge import Judge, Judged
from .judging.race import Racing, Stopped
from .methods.pruning import Race
from .methods.random_search import Algorithm, Enough, Heat
from .pictures import thumbnail
from .plan import FINALISTS, Plan
from .records.recipe import Recipe
from .records.report import Report, Seconds
from .records.standing import Result, Seen, Standing
from .sampling.levels import thin
from .sampling.source import NoiseSource
from .sampling.trajectories import Cutting, Finished, SamplerCall, Trajectories
from .stopping import TimeLimit


class _Round(NamedTuple):
    """Candidates, each a recipe an image, and the race they run if they are pruned."""

    candidates: list[tuple[Recipe, ...]]
    race: Race | None


class _Ended(NamedTuple):
    """A row that ran to its end: its scores by verifier, its picture, and that as a JPEG file's bytes."""

    scores: dict[str, float]
    picture: Image
    thumbnail: bytes
    step: None = None


class Outcome(NamedTuple):
    """Of one sampler call: a report an image, and the winners' latents and x0 predictions [B, ...] on the CPU."""

    reports: list[Report]
    latents: Tensor
    x0: Tensor


class ScoresChanged(Exception):
    """The best candidate was scored by an earlier run, and does not have that score any more."""


class Driver:
    """One search around one call of the user's sampler. The images of a batch are searched side by side."""

    def __init__(self, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource, known: Known):
        self.plan = plan
        self.call = call
        self.judge = judge
        self.source = source
        self.known = known
        draft = replace(call, sigmas=thin(call.sigmas, plan.search_steps or call.steps))
        self.trajectories = Trajectories(
            draft, source, plan.batch_size, self._progress, plan.races, judge.prediction_levels
        )
        size = call.noise.numel() * 4  # solvers compute in float32
        self.items = [Standing(judge.verifier) for _ in range(source.items)]
        self.algorithms = [plan.algorithm(call.seed, draft.steps, size) for _ in self.items]
        self.recipes: list[tuple[Recipe, ...]] = []  # of each candidate, one an image
        self.repeats: dict[tuple[int, Recipe], int] = {}  # drafts that run again in full, by image and recipe
        self.limit = TimeLimit(plan.max_seconds)
        self.steps_done = 0
        self.bar = tqdm(total=plan.total_steps(call.steps), desc=plan.title, disable=call.disable_pbar)
        self.seconds = {"sampling": 0.0, "decoding": 0.0, "scoring": 0.0}
        self.rounds = 0
        self.extra = [0] * source.items  # NFE beside the candidates, of each image: given up, or run again
        self.earlier = [0] * source.items  # NFE that earlier runs have spent on its candidates
        self.stopped = "finished"
        self.can_give_up = True
        self.board = BOARDS.start(
            plan.node,
            plan.name,
            plan.total_steps(call.steps) / call.steps,
            images=source.items,
            max_seconds=plan.max_seconds,
        )
        self.watch = Watch(plan.title, self.board, self.items, call.steps)

    def run(self) -> Outcome:
        self._log_alone()
        try:
            with self.bar:
                self._search()
                if self.trajectories.call.steps < self.call.steps:
                    self._run_finalists()
                self._run_known_winners()
        except (VerifierError, DecodeError, OutOfMemory) as error:
            self._end_early()
            raise type(error)(f"{self.plan.title}: {error}") from error
        except BaseException:
            self._end_early()
            raise
        self.watch.end(self.stopped)
        self._log_time()
        self._log_best(self.stopped)
        winners = [item.results[item.best] for item in self.items]
        latents, x0 = (torch.stack(parts) for parts in zip(*winners, strict=True))
        return Outcome(list(map(self._report, self.items, self.extra, self.earlier)), latents, x0)

    def _log_alone(self) -> None:
        because = self.trajectories.alone_because
        if because and self.plan.races:
            text = "%s: no pruning, because with %s candidates can only run one by one."
            logging.warning(text, self.plan.title, because)
        elif because and self.plan.batch_size != 1:
            logging.info("%s: with %s candidates can only run one by one.", self.plan.title, because)

    def _end_early(self) -> None:
        self.watch.end("interrupted")
        self._log_best("ended early")

    def _progress(self, steps: int, x0: Tensor, x: Tensor) -> None:
        """Show one bar over the whole search, on the sampler node with its preview and in the console."""
        if self.trajectories.given_up:
            return
        done = min(self.steps_done + steps, self.bar.total)
        self.bar.update(done - self.bar.n)
        if self.call.callback is not None:
            self.call.callback(done - 1, x0, x, self.bar.total)
        self.watch.progress(done, sum(self.trajectories.spent))
        stop = self.watch.stop_asked and self.stopped == "finished" and self.can_give_up
        if stop and all(item.best is not None for item in self.items):
            self.stopped = "user"
            self.trajectories.give_up()

    def _search(self) -> None:
        while asked := self._next_round():
            if asked.race is None:
                self._run_round(asked.candidates)
            else:
                self._run_race(asked)
            if self.stopped == "finished":
                self.trajectories.next_round()
            self.rounds += 1
        for algorithm in self.algorithms:
            algorithm.close()

    def _next_round(self) -> _Round | None:
        """What to run next; None when the search is over. When it is cut short, what the best needs to be finished."""
        if self.stopped == "finished":
            asked = [_send(asked, item.scores() or None) for asked, item in zip(self.algorithms, self.items)]
        else:
            asked = [_end(asked, item.scores()) for asked, item in zip(self.algorithms, self.items)]
        if asked[0] is None:
            return None
        race = asked[0].race if isinstance(asked[0], Heat) else None
        recipes = [heat.recipes if isinstance(heat, Heat) else heat for heat in asked]
        return _Round(list(zip(*recipes, strict=True)), race)

    def _run_round(self, asked: list[tuple[Recipe, ...]]) -> None:
        """Run and judge the candidates, as many as there is time for; all, when it is about finishing the best."""
        while asked:
            ended = self._take_known(asked) or self._run_affordable(asked)
            asked = asked[ended:]
            if not ended or self._is_enough():
                return

    def _run_affordable(self, asked: list[tuple[Recipe, ...]]) -> int:
        """Run and judge as many as go in one call and there is time for; how many those were."""
        affordable = len(asked) if self.stopped != "finished" else self.limit.affords(len(asked))
        if not affordable:
            self.stopped = "time"
            return 0
        ended = self._run(asked[:affordable])
        if ended:
            self.limit.spent_on(ended)
        return ended

    def _run(self, ready: list[tuple[Recipe, ...]]) -> int:
        """Run and judge as many as go in one call; how many those were, 0 when they were given up."""
        finished = self._sample(list(takewhile(lambda recipes: not self._find(recipes), ready)))
        if finished is None:
            return 0
        self._judge(ready[: len(finished)], finished, {})
        return len(finished)

    def _find(self, recipes: tuple[Recipe, ...], race: Race | None = None) -> list[Seen] | None:
        """What an earlier run has recorded of a candidate, an entry an image."""
        return self.known.find(recipes, self.trajectories.call.steps, race)

    def _take_known(self, asked: list[tuple[Recipe, ...]], race: Race | None = None) -> int:
        """Record those of the first candidates that an earlier run has scored; how many those were. All, or none, of a
        race: it takes place in one call.
        """
        found = list(takewhile(bool, (self._find(recipes, race) for recipes in asked)))
        if not found or (race and len(found) < len(asked)):
            return 0
        first, pictures = len(self.recipes), {}
        for number, item in enumerate(self.items):
            seen = [self._again(number, recipes[number], images[number]) for recipes, images in zip(asked, found)]
            pictures |= {(number, first + at): thumbnail.decode(one.thumbnail) for at, one in enumerate(seen)}
            self.earlier[number] += sum(one.nfe for one in seen)
            item.add([(one, None) for one in seen])
        self.recipes += asked[: len(found)]
        self.steps_done += race.cost if race else len(found) * self.trajectories.call.steps
        self.watch.judged(pictures)
        return len(found)

    def _again(self, number: int, recipe: Recipe, seen: Seen) -> Seen:
        """An earlier run's record as one of this run."""
        own = recipe if self.source.recreates(recipe) else None
        return seen._replace(recipe=own, round=self.rounds, repeats=self.repeats.get((number, recipe)))

    def _run_known_winners(self) -> None:
        """Run winners whose latent only an earlier run has had. Raises ScoresChanged when one is not what it was."""
        missing = [number for number, item in enumerate(self.items) if item.results[item.best] is None]
        if not missing:
            return
        self.can_give_up = False
        known = self.items[missing[0]].best  # also what the other images run: their own best may be the end of a path
        wanted = tuple(item.best if number in missing else known for number, item in enumerate(self.items))
        for indices in self._side_by_side([wanted]):
            finished = self._sample([self._recipes_of(indices)])
            judged = self._judged(finished, list(range(len(self.items))))
            self.extra = [sum(nfe) for nfe in zip(self.extra, *finished.nfe)]
            for number in (number for number in missing if wanted[number] == indices[number]):
                item = self.items[number]
                if not is_same(item.seen[item.best].scores, judged.scores[number], item.seen):
                    raise ScoresChanged
                item.results[item.best] = self._results(finished, number)[0]

    def _side_by_side(self, wanted: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Candidates, one an image, as they can run. Alone, the images of a batch share one seed's step noise."""
        if not self.trajectories.alone_because:
            return wanted
        return [(index,) * len(self.items) for index in dict.fromkeys(chain(*wanted))]

    def _recipes_of(self, indices: tuple[int, ...]) -> tuple[Recipe, ...]:
        return tuple(self.recipes[index][number] for number, index in enumerate(indices))

    def _run_finalists(self) -> None:
        """The best drafts again in full."""
        chosen = self._finalists()
        asked = [self._recipes_of(indices) for indices in chosen]
        for indices, recipes in zip(chosen, asked, strict=True):
            self.repeats |= {(number, recipe): indices[number] for number, recipe in enumerate(recipes)}
        for item in self.items:
            item.only_drafts(self.trajectories.call.steps)
        self.trajectories.change_schedule(self.call.sigmas)
        for _, group in groupby(asked, key=lambda recipes: len(recipes[0].way())):
            ways = [zip(*(recipe.way() for recipe in recipes), strict=True) for recipes in group]
            for stage in map(list, zip(*ways, strict=True)):
                while stage and (ended := self._take_known(stage) or self._run(stage)):
                    stage = stage[ended:]
                self.trajectories.next_round()

    def _finalists(self) -> list[tuple[int, ...]]:
        """Drafts, one an image: the best first, only one when the search was cut short; and that without search."""
        count = FINALISTS if self.stopped in ("finished", "patience") else 1
        ranked = [item.finished() for item in self.items]
        best = self._side_by_side(list(zip(*([index for index in indices if index > 0][:count] for indices in ranked))))
        return [*best, (0,) * len(ranked)] if all(0 in indices for indices in ranked) else best

    def _is_enough(self) -> bool:
        """Whether somebody wants the search to stop, or no image has found anything better for a while."""
        if self.watch.stop_asked:
            self.stopped = "user"
        elif self.plan.patience and all(item.since_best >= self.plan.patience for item in self.items):
            self.stopped = "patience"
        return self.stopped != "finished"

    def _run_race(self, heat: _Round) -> None:
        """The same for candidates that are pruned on the way; the score of one that was is its last prediction's."""
        race = heat.race
        if self.trajectories.alone_because:
            self._run_round(heat.candidates[: -(-race.cost // race.steps)])
            return
        if self._take_known(heat.candidates, race):
            self._is_enough()
            return
        if not self.limit.affords(race.starts):
            self.stopped = "time"
            return
        name = lambda row: self._name(*self._place(row))  # noqa: E731
        racing = Racing(race, len(self.items), self.judge, name, self._to_latent, lambda: self.watch.stop_asked)

        def cutting(step: int, x0: Tensor) -> list[int] | None:
            started = time.perf_counter()
            alive = racing.after_step(step, x0)
            if alive is not None:
                self._show_race(heat.candidates, racing)
            self.seconds["sampling"] -= time.perf_counter() - started  # of which it is a part
            return alive

        finished = self._sample(heat.candidates, cutting)
        self._spent_judging(racing.decoding, racing.scoring)
        if finished is None:
            return
        self._judge(heat.candidates, finished, racing.stopped, race)
        self.limit.spent_on(race.starts)
        self._is_enough()

    def _show_race(self, candidates: list[tuple[Recipe, ...]], racing: Racing) -> None:
        items, spent = len(self.items), self.trajectories.spent
        seen = [
            [
                self._seen(number, candidates[row // items][number], spent[row], racing.latest[row])
                for row in range(number, len(spent), items)
            ]
            for number in range(items)
        ]
        pictures = {self._place(row): racing.latest[row].picture for row in racing.judged}
        self.watch.racing(seen, pictures, {self._place(row) for row in racing.alive})

    def _sample(self, candidates: list[tuple[Recipe, ...]], cutting: Cutting | None = None) -> Finished | None:
        """What became of them; None when they were given up, because people had seen enough."""
        started = time.perf_counter()
        finished = self.trajectories.run(candidates, cutting)
        self.seconds["sampling"] += time.perf_counter() - started
        self.steps_done += finished.work
        if not self.trajectories.given_up:
            return finished
        self.extra = [sum(nfe) for nfe in zip(self.extra, *finished.nfe)]
        return None

    def _judge(
        self,
        recipes: list[tuple[Recipe, ...]],
        finished: Finished,
        stopped: dict[int, Stopped],
        race: Race | None = None,
    ) -> None:
        """Score and record what has run, but for the rows that were stopped and have their scores."""
        items = len(self.items)
        rows = [row for row in range(len(finished) * items) if row not in stopped]
        judged = self._judged(finished, rows, recipes[0][0].is_open)
        ended = map(_Ended, judged.scores, judged.pictures, map(thumbnail.encode, judged.pictures))
        outcomes = stopped | dict(zip(rows, ended, strict=True))
        pictures = {self._place(row): outcome.picture for row, outcome in outcomes.items()}
        for number, item in enumerate(self.items):
            seen = [
                self._seen(number, recipe[number], nfe[number], outcomes[at * items + number], finished.steps)
                for at, (recipe, nfe) in enumerate(zip(recipes, finished.nfe, strict=True))
            ]
            for recipe, one in zip(recipes, seen, strict=True):
                self.known.add(recipe[number], number, one, self.trajectories.call.steps, race)
            item.add(list(zip(seen, self._results(finished, number), strict=True)))
        self.recipes += recipes
        self.watch.judged(pictures)

    def _judged(self, finished: Finished, rows: list[int], is_open: bool = False) -> Judged:
        """Scores and pictures of these rows. is_open: whether they are still on their way."""
        latents = self._to_judge(is_open, finished).flatten(0, 1)[rows]
        predictions = {
            level: self._to_latent(prediction.flatten(0, 1)[rows]) for level, prediction in finished.predictions.items()
        }
        judged = self.judge.judge(latents, lambda at: self._name(*self._place(rows[at])), predictions)
        self._spent_judging(judged.decoding, judged.scoring)
        return judged

    def _place(self, row: int) -> tuple[int, int]:
        """The image and the number of the candidate in a row of the call that is not yet recorded."""
        items = len(self.items)
        return row % items, len(self.items[0].seen) + row // items

    def _spent_judging(self, decoding: float, scoring: float) -> None:
        self.seconds["decoding"] += decoding
        self.seconds["scoring"] += scoring

    def _to_judge(self, is_open: bool, finished: Finished) -> Tensor:
        """The final latents; where noise is left in them, what the model predicts behind it."""
        if float(self.call.sigmas[-1]) == 0 and not is_open:
            return finished.latents
        return self._to_latent(finished.x0)

    def _to_latent(self, x0: Tensor) -> Tensor:
        """From model space to what a sampler node gives out."""
        return self.call.guider.model_patcher.model.process_latent_out(x0)

    def _seen(self, number: int, recipe: Recipe, nfe: int, outcome: Stopped | _Ended, steps: int = 0) -> Seen:
        """Of image `number`. steps: the solver's on the last stretch of the recipe."""
        return Seen(
            scores=outcome.scores,
            recipe=recipe if self.source.recreates(recipe) else None,
            round=self.rounds,
            nfe=nfe,
            thumbnail=outcome.thumbnail,
            stopped_at_step=steps if recipe.is_open else outcome.step,
            repeats=self.repeats.get((number, recipe)),
        )

    def _results(self, finished: Finished, number: int) -> list[Result]:
        """Of one image, copied so that the latents of the whole round can go."""
        parts = zip(finished.latents[:, number], finished.x0[:, number], strict=True)
        return [Result(latent.clone(), x0.clone()) for latent, x0 in parts]

    def _report(self, item: Standing, extra_nfe: int, earlier_nfe: int) -> Report:
        return Report(
            algorithm=self.plan.name,
            seed=self.call.seed,
            sampler_steps=self.call.steps,
            candidates=item.candidates(),
            stopped=self.stopped,
            seconds=Seconds(**self.seconds, total=self.limit.elapsed),
            extra_nfe=extra_nfe,
            earlier_nfe=earlier_nfe,
        )

    def _name(self, number: int, candidate: int) -> str:
        return f"candidate {candidate}" if len(self.items) == 1 else f"candidate {candidate} of image {number}"

    def _log_time(self) -> None:
        """Say what has taken the search past its limit: a round runs to its end, and nothing ends a call of others."""
        if self.limit.is_passed:
            logging.warning(
                "%s took %.1f s, more than max_seconds (%g): what has begun runs to its end (%s).",
                *(self.plan.title, self.limit.elapsed, self.limit.seconds),
                ", ".join(f"{seconds:.1f} s {what}" for what, seconds in self.seconds.items()),
            )

    def _log_best(self, how: str) -> None:
        for number, item in enumerate(self.items):
            if item.best is None:
                logging.info("%s %s before anything was scored.", self.plan.title, how)
                continue
            best, score = item.seen[item.best], item.candidates()[item.best].score
            logging.info(
                "%s %s after %d candidates: image %d, best score %.4f (candidate %d, recipe %s).",
                *(self.plan.title, how, len(item.seen), number, score),
                *(item.best, best.recipe and best.recipe.to_dict()),
            )


def _send(algorithm: Algorithm, scores: list[float] | None) -> list[Recipe] | Heat | None:
    """The algorithm's next noises; None when it has ended. scores: None starts it."""
    try:
        return algorithm.send(scores)
    except StopIteration:
        return None


def _end(algorithm: Algorithm, scores: list[float]) -> list[Recipe] | Heat | None:
    """What the algorithm still needs so that its best is an image; None when it needs nothing."""
    try:
        return algorithm.throw(Enough(scores))
    except (StopIteration, Enough):
        return None
