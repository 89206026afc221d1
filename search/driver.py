"""Runs an algorithm against a sampler and a judge: the one place where rounds, progress, time and records live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..verifiers.base import VerifierError
from . import thumbnail
from .budget import TimeLimit
from .judge import Judge
from .pruning import Race
from .race import Racing, Stopped
from .random import Algorithm, Heat
from .recipe import Recipe
from .report import Report, Seconds
from .source import NoiseSource
from .standing import Result, Seen, Standing
from .trajectory import Cutting, Finished, SamplerCall, Trajectories


@dataclass(frozen=True)
class Plan:
    """What a search node was set to.

    title: the node's name in messages. algorithm: starts one search, given the sampler's seed and steps. trajectories:
    how many it will run, with parts of one as fractions. batch_size: candidates in one sampler call, 0 for what fits.
    max_seconds: 0 for no limit. patience: candidates without anything better before it stops, 0 for no limit.
    races: whether the algorithm prunes. frames: of a video that are judged, 0 for all.
    """

    title: str
    name: str
    algorithm: Callable[[int, int], Algorithm]
    trajectories: float
    batch_size: int = 0
    max_seconds: float = 0.0
    patience: int = 0
    races: bool = False
    frames: int = 0

    def total_steps(self, steps: int) -> int:
        """Of all candidates together, with this many steps a trajectory."""
        return max(1, round(self.trajectories * steps))


class _Round(NamedTuple):
    """Candidates, each a recipe an image, and the race they run if they are pruned."""

    candidates: list[tuple[Recipe, ...]]
    race: Race | None


class _Ended(NamedTuple):
    """A row that ran to its end: its scores by verifier, and its picture [H, W, 3]."""

    scores: dict[str, float]
    picture: Tensor
    step: None = None


class Outcome(NamedTuple):
    """Of one sampler call: a report an image, and the winners' latents and x0 predictions [B, ...] on the CPU."""

    reports: list[Report]
    latents: Tensor
    x0: Tensor


class Driver:
    """One search around one call of the user's sampler. The images of a batch are searched side by side."""

    def __init__(self, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource):
        self.plan = plan
        self.call = call
        self.judge = judge
        self.source = source
        self.trajectories = Trajectories(
            call, source, plan.batch_size, self._progress, plan.races, judge.prediction_levels
        )
        self.items = [Standing(plan.algorithm(call.seed, call.steps), judge.verifier) for _ in range(source.items)]
        self.limit = TimeLimit(plan.max_seconds)
        self.steps_done = 0
        self.bar = tqdm(total=plan.total_steps(call.steps), desc=plan.title, disable=call.disable_pbar)
        self.seconds = {"sampling": 0.0, "decoding": 0.0, "scoring": 0.0}
        self.rounds = 0
        self.stopped = "finished"

    def run(self) -> Outcome:
        try:
            with self.bar:
                self._search()
        except VerifierError as error:
            self._log_best("ended early")
            raise VerifierError(f"{self.plan.title}: {error}") from error
        except BaseException:
            self._log_best("ended early")
            raise
        self._log_best(self.stopped)
        winners = [item.results[item.best] for item in self.items]
        latents, x0 = (torch.stack(parts) for parts in zip(*winners, strict=True))
        return Outcome([self._report(item) for item in self.items], latents, x0)

    def _progress(self, steps: int, x0: Tensor, x: Tensor) -> None:
        """Show one bar over the whole search, on the sampler node with its preview and in the console."""
        done = min(self.steps_done + steps, self.bar.total)
        self.bar.update(done - self.bar.n)
        if self.call.callback is not None:
            self.call.callback(done - 1, x0, x, self.bar.total)

    def _search(self) -> None:
        while asked := self._next_round():
            if asked.race is None:
                self._run_round(asked.candidates)
            else:
                self._run_race(asked)
            self.trajectories.next_round()
            self.rounds += 1
        for item in self.items:
            item.algorithm.close()

    def _next_round(self) -> _Round | None:
        """What to run next; None when the search is over."""
        if self.stopped != "finished":
            return None
        asked = [_send(item.algorithm, item.scores() or None) for item in self.items]
        if asked[0] is None:
            return None
        race = asked[0].race if isinstance(asked[0], Heat) else None
        recipes = [heat.recipes if isinstance(heat, Heat) else heat for heat in asked]
        return _Round(list(zip(*recipes, strict=True)), race)

    def _run_round(self, asked: list[tuple[Recipe, ...]]) -> None:
        """Run and judge the candidates, as many as there is time for."""
        done = 0
        while done < len(asked):
            affordable = self.limit.affords(len(asked) - done)
            if not affordable:
                self.stopped = "time"
                return
            ready = asked[done : done + affordable]
            finished = self._sample(ready)
            self._judge(ready[: len(finished)], finished, {})
            self.limit.spent_on(len(finished))
            done += len(finished)
            if self._out_of_patience():
                return

    def _out_of_patience(self) -> bool:
        """Whether no image of the batch has found anything better for a while; then the search stops."""
        if self.plan.patience and all(item.since_best >= self.plan.patience for item in self.items):
            self.stopped = "patience"
        return self.stopped == "patience"

    def _run_race(self, heat: _Round) -> None:
        """The same for candidates that are pruned on the way; the score of one that was is its last prediction's."""
        race = heat.race
        if not self.trajectories.can_race:
            logging.warning(
                "%s: no pruning, because with this sampler and conditioning candidates can only run one by one.",
                self.plan.title,
            )
            self._run_round(heat.candidates[: -(-race.cost // race.steps)])
            return
        if not self.limit.affords(race.starts):
            self.stopped = "time"
            return
        first, items = len(self.items[0].seen), len(self.items)
        name = lambda row: self._name(first + row // items, row % items)  # noqa: E731
        racing = Racing(race, items, self.judge, name, self._to_latent)
        finished = self._sample(heat.candidates, racing.after_step)
        self._spent_judging(racing.decoding, racing.scoring)
        self.seconds["sampling"] -= racing.decoding + racing.scoring
        self._judge(heat.candidates, finished, racing.stopped)
        self.limit.spent_on(race.starts)
        self._out_of_patience()

    def _sample(self, candidates: list[tuple[Recipe, ...]], cutting: Cutting | None = None) -> Finished:
        started = time.perf_counter()
        finished = self.trajectories.run(candidates, cutting)
        self.seconds["sampling"] += time.perf_counter() - started
        self.steps_done += finished.work
        return finished

    def _judge(self, recipes: list[tuple[Recipe, ...]], finished: Finished, stopped: dict[int, Stopped]) -> None:
        """Score and record what has run, but for the rows that were stopped and have their scores."""
        items, first = len(self.items), len(self.items[0].seen)
        rows = [row for row in range(len(finished) * items) if row not in stopped]
        latents = self._to_judge(recipes[0][0], finished).flatten(0, 1)[rows]
        predictions = {
            level: self._to_latent(prediction.flatten(0, 1)[rows]) for level, prediction in finished.predictions.items()
        }
        judged = self.judge.judge(
            latents, lambda at: self._name(first + rows[at] // items, rows[at] % items), predictions
        )
        self._spent_judging(judged.decoding, judged.scoring)
        outcomes = stopped | dict(zip(rows, map(_Ended, judged.scores, judged.pictures), strict=True))
        for number, item in enumerate(self.items):
            item.add(
                [
                    self._seen(recipes[at][number], finished, at, number, outcomes[at * items + number])
                    for at in range(len(finished))
                ]
            )

    def _spent_judging(self, decoding: float, scoring: float) -> None:
        self.seconds["decoding"] += decoding
        self.seconds["scoring"] += scoring

    def _to_judge(self, recipe: Recipe, finished: Finished) -> Tensor:
        """The final latents; where noise is left in them, what the model predicts behind it."""
        if float(self.call.sigmas[-1]) == 0 and not recipe.is_open:
            return finished.latents
        return self._to_latent(finished.x0)

    def _to_latent(self, x0: Tensor) -> Tensor:
        """From model space to what a sampler node gives out."""
        return self.call.guider.model_patcher.model.process_latent_out(x0)

    def _seen(
        self, recipe: Recipe, finished: Finished, at: int, number: int, outcome: Stopped | _Ended
    ) -> tuple[Seen, Result]:
        seen = Seen(
            scores=outcome.scores,
            recipe=recipe if self.source.recreates(recipe) else None,
            round=self.rounds,
            nfe=finished.nfe[at][number],
            thumbnail=thumbnail.encode(outcome.picture),
            stopped_at_step=finished.steps if recipe.is_open else outcome.step,
        )
        return seen, Result(finished.latents[at, number].clone(), finished.x0[at, number].clone())

    def _report(self, item: Standing) -> Report:
        return Report(
            algorithm=self.plan.name,
            seed=self.call.seed,
            sampler_steps=self.call.steps,
            candidates=item.candidates(),
            stopped=self.stopped,
            seconds=Seconds(**self.seconds, total=self.limit.elapsed),
        )

    def _name(self, candidate: int, number: int) -> str:
        return f"candidate {candidate}" if len(self.items) == 1 else f"candidate {candidate} of image {number}"

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
