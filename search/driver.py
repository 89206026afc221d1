"""Runs an algorithm against a sampler and a judge: the one place where rounds, progress, time and records live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor
from tqdm.auto import tqdm

from ..verifiers.base import VerifierError
from . import thumbnail
from .budget import TimeLimit
from .judge import Judge, Judged
from .random import Algorithm
from .recipe import Recipe
from .report import Candidate, Report, Seconds
from .source import NoiseSource
from .trajectory import Finished, SamplerCall, Trajectories


@dataclass(frozen=True)
class Plan:
    """What a search node was set to.

    title: the node's name in messages. algorithm: starts one search, given the sampler's seed. trajectories: how many
    it will run, with parts of one as fractions. batch_size: candidates in one sampler call, 0 for what fits.
    max_seconds: 0 for no limit.
    """

    title: str
    name: str
    algorithm: Callable[[int], Algorithm]
    trajectories: float
    batch_size: int = 0
    max_seconds: float = 0.0

    def total_steps(self, steps: int) -> int:
        """Of all candidates together, with this many steps a trajectory."""
        return max(1, round(self.trajectories * steps))


class Outcome(NamedTuple):
    """Of one sampler call: a report an image, and the winners' latents and x0 predictions [B, ...] on the CPU."""

    reports: list[Report]
    latents: Tensor
    x0: Tensor


@dataclass
class _Item:
    """The search for one image of the user's batch."""

    algorithm: Algorithm
    candidates: list[Candidate] = field(default_factory=list)
    best: int | None = None

    def add(self, candidate: Candidate) -> bool:
        """Record the candidate; true when it is the best so far."""
        self.candidates.append(candidate)
        if not candidate.is_finished:
            return False
        if self.best is not None and candidate.score <= self.candidates[self.best].score:
            return False
        self.best = candidate.index
        return True


class Driver:
    """One search around one call of the user's sampler. The images of a batch are searched side by side."""

    def __init__(self, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource):
        self.plan = plan
        self.call = call
        self.judge = judge
        self.source = source
        self.trajectories = Trajectories(call, source, plan.batch_size, self._progress)
        self.items = [_Item(plan.algorithm(call.seed)) for _ in range(self.source.items)]
        self.limit = TimeLimit(plan.max_seconds)
        self.steps_done = 0
        self.bar = tqdm(total=plan.total_steps(call.steps), desc=plan.title, disable=call.disable_pbar)
        self.seconds = {"sampling": 0.0, "decoding": 0.0, "scoring": 0.0}
        self.rounds = 0
        self.stopped = "finished"
        self.best_latents: Tensor | None = None
        self.best_x0: Tensor | None = None

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
        return Outcome([self._report(item) for item in self.items], self.best_latents, self.best_x0)

    def _progress(self, steps: int, x0: Tensor, x: Tensor) -> None:
        """Show one bar over the whole search, on the sampler node with its preview and in the console."""
        done = min(self.steps_done + steps, self.bar.total)
        self.bar.update(done - self.bar.n)
        if self.call.callback is not None:
            self.call.callback(done - 1, x0, x, self.bar.total)

    def _search(self) -> None:
        scores: list[list[float]] | None = None
        while asked := self._next_round(scores):
            scores = self._run_round(asked)
            self.trajectories.next_round()
            self.rounds += 1
        for item in self.items:
            item.algorithm.close()

    def _next_round(self, scores: list[list[float]] | None) -> list[tuple[Recipe, ...]]:
        """The candidates to run next, each a recipe an image; none when the search is over."""
        if self.stopped != "finished":
            return []
        answers = [None] * len(self.items) if scores is None else list(zip(*scores, strict=True))
        asked = [_send(item.algorithm, answer) for item, answer in zip(self.items, answers, strict=True)]
        return list(zip(*asked, strict=True))

    def _run_round(self, asked: list[tuple[Recipe, ...]]) -> list[list[float]]:
        """Scores [candidate][image], as many as there was time for."""
        scores: list[list[float]] = []
        while len(scores) < len(asked):
            affordable = self.limit.affords(len(asked) - len(scores))
            if not affordable:
                self.stopped = "time"
                break
            ready = asked[len(scores) : len(scores) + affordable]
            started = time.perf_counter()
            finished = self.trajectories.run(ready)
            self.seconds["sampling"] += time.perf_counter() - started
            self.steps_done += finished.steps * len(finished)
            scores += self._judge(ready[: len(finished)], finished)
            self.limit.spent_on(len(finished))
        return scores

    def _judge(self, recipes: list[tuple[Recipe, ...]], finished: Finished) -> list[list[float]]:
        items, first = len(self.items), len(self.items[0].candidates)
        latents = self._to_judge(recipes[0][0], finished).flatten(0, 1)
        judged = self.judge.judge(latents, lambda row: self._name(first + row // items, row % items))
        self.seconds["decoding"] += judged.decoding
        self.seconds["scoring"] += judged.scoring
        for candidate in range(len(finished)):
            self._record(recipes[candidate], finished, candidate, judged)
        return [judged.scores[at : at + items] for at in range(0, len(judged.scores), items)]

    def _to_judge(self, recipe: Recipe, finished: Finished) -> Tensor:
        """The final latents; where noise is left in them, what the model predicts behind it."""
        if float(self.call.sigmas[-1]) == 0 and not recipe.is_open:
            return finished.latents
        return self.call.guider.model_patcher.model.process_latent_out(finished.x0)

    def _record(self, recipes: tuple[Recipe, ...], finished: Finished, candidate: int, judged: Judged) -> None:
        for number, item in enumerate(self.items):
            row = candidate * len(self.items) + number
            score = judged.scores[row]
            recipe = recipes[number] if self.source.recreates(recipes[number]) else None
            record = Candidate(
                index=len(item.candidates),
                round=self.rounds,
                score=score,
                scores={self.judge.verifier.name: score},
                recipe=recipe,
                nfe=finished.nfe,
                thumbnail=thumbnail.encode(judged.pictures[row]),
                stopped_at_step=finished.steps if recipes[number].is_open else None,
            )
            if item.add(record):
                self._keep(number, finished, candidate)

    def _keep(self, number: int, finished: Finished, candidate: int) -> None:
        if self.best_latents is None:
            self.best_latents, self.best_x0 = finished.latents[candidate].clone(), finished.x0[candidate].clone()
        self.best_latents[number] = finished.latents[candidate, number]
        self.best_x0[number] = finished.x0[candidate, number]

    def _report(self, item: _Item) -> Report:
        return Report(
            algorithm=self.plan.name,
            seed=self.call.seed,
            sampler_steps=self.call.steps,
            candidates=tuple(item.candidates),
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
            best, first = item.candidates[item.best], item.candidates[0]
            logging.info(
                "%s %s after %d candidates: image %d, best score %.4f (candidate %d, recipe %s), without search %.4f.",
                *(self.plan.title, how, len(item.candidates), number, best.score, best.index, best.recipe, first.score),
            )


def _send(algorithm: Algorithm, scores: tuple[float, ...] | None) -> list[Recipe]:
    """The algorithm's next noises; none when it has ended."""
    try:
        return algorithm.send(None if scores is None else list(scores))
    except StopIteration:
        return []
