"""Runs a search method against a sampler and a judge: asks, has candidates evaluated, tells the scores."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..verifiers.base import VerifierError, pace
from .board.boards import BOARDS
from .board.glimpses import Glimpses
from .board.watch import Asked, Watch
from .course import Course, Judged
from .crew.seam import Offer
from .crew.spread import Spread
from .evaluate import Evaluator, Spent
from .finals import Finals
from .history.known import Known
from .host.memory import OutOfMemory
from .judging.decoding import DecodeError
from .judging.judge import Judge
from .keeping import Keeping
from .methods.base import Start
from .methods.pruning import CREW_ROWS, MOST_ROWS, PACES
from .pictures.likeness import hardly_differ
from .plan import Plan
from .records.report import Kept, Report, Seconds
from .records.standing import Result
from .sampling.call import SamplerCall
from .sampling.levels import thin
from .sampling.listening import Step, least_steps, shows, side_by_side
from .sampling.source import NoiseSource
from .sampling.together import BATCH_CHANGES, NOT_BY_SEED
from .sampling.trajectories import Trajectories
from .sampling.variety import VARIED
from .sampling.wordings import WORDED


class Outcome(NamedTuple):
    """Of one sampler call: a report for each image, and the winners' latents and x0 predictions [B, ...] on the CPU.

    way: their x0 and x at each step, where somebody wants to hear them. kept: of each image the latents [...] that are
    held, by the candidate's number.
    """

    reports: list[Report]
    latents: Tensor
    x0: Tensor
    way: list[Step]
    kept: list[dict[int, Tensor]]


class Driver:
    """One search around one call of the user's sampler. The images of a batch are searched side by side.

    offer: others who run candidates, where people want that.
    """

    def __init__(
        self, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource, known: Known, offer: Offer | None = None
    ):
        self.plan = plan
        self.call = call
        limits, total = plan.limits, plan.total_steps(call.steps)
        draft = replace(call, sigmas=thin(call.sigmas, limits.search_steps or call.steps))
        levels, outcomes = judge.prediction_levels, known.page.outcomes
        self.trajectories = Trajectories(
            draft, source, limits.batch_size, self._progress, plan.method.races, levels, outcomes
        )
        marks = [known.page.marks_of(image) for image in range(source.items)]
        settings = {"images": source.items, "max_seconds": limits.max_seconds, "seed": call.seed, "marks": marks}
        settings["refines"] = plan.method.refine is not None
        self.board = BOARDS.start(plan.node, plan.name, total / call.steps, **settings)
        size = call.noise.numel() * 4  # solvers compute in float32
        levels_of = self.trajectories.stretches.levels_of_schedule()
        is_timed, at = limits.max_seconds > 0, PACES[pace(judge.verifier)]
        rows = MOST_ROWS if offer is None else CREW_ROWS
        start = Start(call.seed, draft.steps, size, is_timed, levels=levels_of, pace=at, rows=rows)
        how: Any = {"images": source.items, "drafts": draft.steps < call.steps, "marks": marks}
        self.course: Course[Result] = Course(plan, start, judge.verifier, lambda: self.board.stop_asked, **how)
        asked = Asked(plan.method.races, limits.batch_size)
        glimpses = Glimpses(call.guider.model_patcher.model.latent_format, call.shapes)
        self.watch = Watch(plan.title, self.board, self.course.standings, call.steps, asked, glimpses)
        self.spent = Spent(source.items)
        own = self.course, self.trajectories, judge, known, self.watch, self.spent
        self.evaluator = Evaluator(*own) if offer is None else Spread(offer, *own)
        self.finals = Finals(self.course, self.evaluator, self._take)
        self.keepings = [Keeping(limits.keep) for _ in range(source.items)]
        self.bar = tqdm(total=total, desc=plan.title, disable=call.disable_pbar)
        self.show = shows(call, total)
        self.can_give_up = True

    def run(self) -> Outcome:
        self.watch.alone(self.trajectories.alone_because)
        try:
            with self.bar:
                self._search()
                if self.trajectories.call.steps < self.call.steps:
                    self.finals.run_finalists(self.call.sigmas)
                self.can_give_up = False
                self._choose()
                self.finals.run_known_winners()
                chosen = self.finals.run_kept(self.keepings)
        except (VerifierError, DecodeError, OutOfMemory) as error:
            self.watch.end("interrupted", "ended early")
            raise type(error)(f"{self.plan.title}: {error}") from error
        except BaseException:
            self.watch.end("interrupted", "ended early")
            raise
        finally:
            self.evaluator.close()
        self.watch.took(self.course.stopping.limit, self.spent.seconds)
        if not self.trajectories.together.follows_seed:
            logging.warning("%s: %s", self.plan.title, NOT_BY_SEED)
        self.watch.end(self.course.stopping.word)
        return self._outcome(chosen)

    def _search(self) -> None:
        """Rounds, until the method ends or it is enough and the best is an image."""
        while asked := self.course.next_round():
            for judged in self.evaluator.evaluate(asked):
                self._take(judged)
                if self.course.stopping.is_enough():
                    break
            if self.course.stopping.reason is None:
                self.trajectories.next_round()
            self.course.rounds += 1
        self.course.close()

    def _choose(self) -> None:
        """What people want in place of the best; else the best that they have not rejected."""
        for image, index in self.board.wanted.items():
            number = self.finals.run_chosen(image, index)
            if number is not None:
                self.board.choose(image, number)
        for item, marks in zip(self.course.standings, self.course.marks, strict=True):
            item.pass_over(marks.is_rejected)
        if self.board.wanted:
            self.watch.judged({})

    def _take(self, judged: Judged[Result]) -> None:
        self.course.take(judged)
        for keeping, item, kept in zip(self.keepings, self.course.standings, judged.kept, strict=True):
            keeping.add(item, kept)
        self._notes()
        self.watch.judged(judged.pictures)

    def _progress(self, steps: int, x0: Tensor, x: Tensor) -> bool:
        """Show one bar over the whole search, on the sampler node with its preview and in the console. True when people
        have seen enough: what is running is given up."""
        done = min(self.spent.steps + steps, self.bar.total)
        self.bar.update(done - self.bar.n)
        self.show(done - 1, x0, x)
        self.watch.progress(done, sum(self.trajectories.spent))
        stopping = self.course.stopping
        if not (self.watch.stop_asked and stopping.reason is None and self.can_give_up and self.course.has_best):
            return False
        stopping.reason = "user"
        return True

    def _outcome(self, chosen: list[list[int]]) -> Outcome:
        """chosen: what each image keeps, by rank."""
        winners = [item.won for item in self.course.standings]
        latents, x0 = (torch.stack([getattr(won, part) for won in winners]) for part in ("latent", "x0"))
        recipes = [self.course.recipes[item.winner][image] for image, item in enumerate(self.course.standings)]
        way = side_by_side([won.way for won in winners], least_steps(recipes, self.call.steps))
        seconds = Seconds(**self.spent.seconds, total=self.course.stopping.limit.elapsed)
        nfe = zip(self.spent.extra_nfe, self.spent.earlier_nfe, strict=True)
        alike = [hardly_differ(item.seen) for item in self.course.standings]
        notes = self._notes(next(filter(None, alike), ""))
        reports = [
            self.course.report(image, self.call.steps, seconds, *spent, notes=notes) for image, spent in enumerate(nfe)
        ]
        sets = zip(self.keepings, self.course.standings, chosen, strict=True)
        kept = [keeping.latents(item, indices) for keeping, item, indices in sets]
        told = [
            replace(report, kept=Kept.of(kept[image]), cuts=self.evaluator.by_hand.told(image))
            for image, report in enumerate(reports)
        ]
        return Outcome(told, latents, x0, way, kept)

    def _notes(self, alike: str = "") -> tuple[str, ...]:
        """What people have to know of this search, on the board and in the report."""
        together = self.trajectories.together
        seeds = self.trajectories.source.note if together.follows_seed else NOT_BY_SEED
        varied, worded = VARIED if self.plan.variety else "", WORDED if len(self.plan.wordings) > 1 else ""
        told = [seeds, varied, worded, BATCH_CHANGES if self.spent.is_beside_others else "", alike]
        told += [self.evaluator.early_judge.note, self.evaluator.by_hand.note, *self.evaluator.notes]
        return self.watch.notes([note for note in told if note])
