"""A search around any part of the graph: what it asks the host to run next, and what came of it."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import Any

from PIL.Image import Image
from torch import Tensor

from ..board.boards import BOARDS
from ..course import Course, Judged
from ..crew.seam import Offer
from ..history.known import is_same
from ..host.prompts import PROMPTS
from ..methods.base import Start
from ..pictures import thumbnail
from ..plan import Plan
from ..records import failures
from ..records.candidate import Candidate
from ..records.recipe import Recipe
from ..records.report import Report, Seconds
from ..records.standing import Standing
from ..results import Found
from ..sampling.wordings import WORDED_IN_LOOPS
from ..stopping import TimeLimit
from .body import Body, Flow
from .kept import SCORE, Kept, Made
from .looped import Look, Looped, Where
from .spread import LoopSpread


class _Wire:
    """Stands where a verifier stands: the score is what comes through a wire."""

    name, needs_prompt = SCORE, False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        raise NotImplementedError


class LoopSearch(Looped):
    """One search. offer: others who run candidates, where people want that."""

    def __init__(self, plan: Plan, flow: Flow, body: Body, kept: Kept, where: Where, offer: Offer | None = None):
        super().__init__(plan, flow, body, where)
        self.kept = kept
        self.limit = TimeLimit(plan.limits.max_seconds)
        seconds = plan.limits.max_seconds
        settings = {"max_seconds": seconds, "seed": flow.seed, "marks": [kept.page.marks_of(0)]}
        self.board = BOARDS.start(plan.node, plan.name, plan.method.trajectories, **settings)
        self.spread = None if offer is None else LoopSpread(offer, kept, self.board.origin.prompt)
        self.began = self.seconds = 0.0  # when the candidate that runs began, and what those before it took
        self._start()

    def _start(self) -> None:
        self.asked: list[tuple[Recipe, int]] = []  # what the method has asked for so far, and the round of each
        self.early: tuple[int, float, Made] | None = None  # the best of what ran here ahead of its turn, and its score
        start, stop_asked = Start(self.flow.seed), lambda: self.board.stop_asked
        self.course: Course[Made] = Course(self.plan, start, _Wire(), stop_asked, marks=self.board.marks)
        self.course.stopping.limit = self.limit

    @property
    def standing(self) -> Standing[Made]:
        return self.course.standings[0]

    def recipe(self, index: int) -> Recipe:
        return self.asked[index][0]

    @property
    def best(self) -> int:
        """The winner's number, once there is one."""
        return self.standing.winner

    @property
    def made(self) -> Made | None:
        """The winner's result; None when it was scored in an earlier run and has to be made again."""
        return self.standing.results.get(self.best)

    def wanted(self) -> int | None:
        """The candidate that has to run next; None when the winner is known and its result is there. Raises
        CandidatesFailed when the search has ended without one."""
        new = self._add_known()
        if new is None:
            if self.spread is not None:
                self.spread.close()
                self.board.hands = ()
            self.course.check()
            self._choose()
            return self.best if self.made is None else None
        return new

    def _choose(self) -> None:
        """What people want in place of the best; else the best that they have not rejected."""
        index = self.board.wanted.get(0)
        if index is not None and index < len(self.standing.seen) and self.standing.seen[index].is_finished:
            self.standing.choose(index)
            self.board.choose(0, index)
        self.standing.pass_over(self.course.marks[0].is_rejected)

    def begins(self, index: int) -> None:
        """Say which candidate runs: an error inside the loop comes from the host and can not name it."""
        self.began = time.perf_counter()
        text = f"{self.name(index)} of {self.plan.method.trajectories:g}"
        best, left = self.standing.best, self.board.remaining.seconds
        scores = self.standing.scores()
        logging.info(
            "%s: %s; best score %s, about %.0f s left.",
            *(self.plan.title, text, "none yet" if best is None else f"{scores[best]:.4f}", left or 0.0),
        )
        PROMPTS.show(text, self.plan.node)

    def add(self, index: int, look: Look, made: Made) -> None:
        self.seconds += time.perf_counter() - self.began
        picture = look.picture()
        seen = look.candidate(*self.asked[index], picture)
        is_new, is_next = index >= len(self.standing.seen), index == len(self.standing.seen)
        if is_new:
            self.kept.add(seen, index)
            self.limit.spent_on(1)
            if self.spread is not None and not self.spread.is_over:
                self.spread.ran(index)
        else:
            self._add_again(index, seen, made)
        if is_next:
            self._take(seen, made)
        elif is_new:  # it is found when it is its turn
            self._hold(index, seen, made)
            return
        elif self.standing.best == index and not made.is_link:
            self.add_result(made.value)
        self._show({} if picture is None else {index: picture})

    def add_result(self, result: Any) -> None:
        """The result of the best candidate."""
        self.kept.add_result(self.recipe(self.best), self.best, result)

    def found(self) -> Found:
        """The end of the search."""
        stopped = self.course.stopping.word
        self.board.end(stopped)
        failed = failures.summary(self.standing.seen)
        if failed:
            logging.warning("%s: %s.", self.plan.title, failed)
        best = self.standing.candidates()[self.best]
        logging.info(
            "%s %s after %d candidates: best score %.4f (%s, recipe %s).",
            *(self.plan.title, stopped, len(self.standing.seen), best.score),
            *(self.name(self.best), self.recipe(self.best).to_dict()),
        )
        PROMPTS.show(f"{self.name(self.best)} is the best of {len(self.standing.seen)}", self.plan.node)
        report = self._report()
        self.board.reports = [report]
        winner = {"node": self.plan.node, "board": self.board.id, "images": 1, "image": 0, **report.winner()}
        PROMPTS.record([winner], self.where.close)
        return Found([report])

    @property
    def progress(self) -> tuple[int, float]:
        return len(self.standing.seen), self.plan.method.trajectories

    @property
    def needed(self) -> set[int]:
        held = set() if self.early is None else {self.early[0]}
        return held if self.standing.best is None else {self.standing.best, *held}

    def give_result(self) -> Any:
        """The winner's result, or a link to it; the host holds this search until the prompt has ended, and shall not
        hold the result with it."""
        made = self.standing.won
        del self.standing.results[self.best]
        return made.value

    def _add_known(self) -> int | None:
        """Go on with what is scored, in earlier runs or by others, up to the first candidate that is not; the one to
        run here, None if there is none."""
        pictures: dict[int, Image] = {}
        new = None
        if self.spread is not None:
            self.spread.listen()
        while new is None and not self.course.stopping.is_enough():
            index = len(self.standing.seen)
            if index == len(self.asked) and not self._ask():
                break
            known = self.kept.find(self.recipe(index), index)
            if known is not None:
                seen, made = known
                if self.early is not None and self.early[0] == index:
                    made, self.early = self.early[2], None
                self._take(replace(seen, round=self.asked[index][1]), made)
                pictures |= {index: thumbnail.decode(seen.thumbnail)} if seen.thumbnail else {}
                continue
            if pictures:
                self._show(pictures)
                pictures = {}
            new = self._next(index)
        if pictures:
            self._show(pictures)
        return new

    def _next(self, index: int) -> int | None:
        """A candidate to run here, this one or with others a later one; None when there is no time for it, or something
        may have come."""
        stopping, spread = self.course.stopping, self.spread
        if spread is None or spread.is_over:
            return index if stopping.affords(1) else None
        if not spread.has(index):
            left = [at for at in range(index, len(self.asked)) if self.kept.find(self.recipe(at), at) is None]
            spread.hand_out({at: self.recipe(at) for at in left})
        is_first = not self.standing.seen
        may_begin = is_first or bool(self.limit.affords(1))
        if not is_first and (self.limit.is_passed or not (may_begin or spread.is_elsewhere)):
            stopping.reason = "time"
            return None
        new = spread.next(may_begin)
        self.board.hands = spread.who()
        self.board.progress(self.board.remaining.done, self.board.nfe)
        return new

    def _hold(self, index: int, seen: Candidate, made: Made) -> None:
        """Keep the result of a candidate that ran ahead of its turn, if it may turn out best."""
        best = None if self.standing.best is None else self.standing.seen[self.standing.best].score
        rivals = [score for score in (best, self.early and self.early[1]) if score is not None]
        if not seen.failed and all(seen.scores[SCORE] > score for score in rivals):
            self.early = index, seen.scores[SCORE], made

    def _ask(self) -> bool:
        """Let the method ask for more candidates; False when it has ended."""
        asked = self.course.next_round()
        if asked is None:
            return False
        self.asked += [(recipe, self.course.rounds) for (recipe,) in asked.candidates]
        self.course.rounds += 1
        return True

    def _take(self, seen: Candidate, made: Made | None) -> None:
        index = len(self.standing.seen)
        self.course.take(Judged([(self.recipe(index),)], [[seen]], [[made]]))
        if made is not None and not made.is_link and self.standing.best == index:
            self.add_result(made.value)

    def _add_again(self, index: int, seen: Candidate, made: Made) -> None:
        """The winner of an earlier run once more. When its score has changed, those of the others may have as well."""
        before = self.standing.seen[index].scores
        if is_same(before, seen.scores, self.standing.seen):
            self.standing.again(index, seen, made)
            return
        is_elsewhere = self.spread is not None and index in self.spread.scored
        logging.warning(
            "%s: %s had the score %.4f %s and has %.4f now, so what was kept is of no use: something in the loop has "
            "changed or is random. All candidates run again.",
            *(self.plan.title, self.name(index), before[_Wire.name]),
            *("on another GPU" if is_elsewhere else "in an earlier run", seen.scores.get(_Wire.name, math.nan)),
        )
        if self.spread is not None and is_elsewhere:
            self.spread.distrust()
        self.kept.forget()
        self._start()

    def _show(self, pictures: dict[int, Image]) -> None:
        """Show how the candidates stand, with the pictures of those that are new."""
        self.board.progress(len(self.standing.seen), nfe=0)
        self.board.show([self.standing.candidates()], {(0, index): picture for index, picture in pictures.items()})

    def _report(self) -> Report:
        seconds = Seconds(sampling=self.seconds, total=self.limit.elapsed)
        notes = [WORDED_IN_LOOPS] if len(self.plan.wordings) > 1 else []
        notes += [] if self.spread is None else self.spread.notes
        return self.course.report(0, steps=0, seconds=seconds, notes=tuple(notes))
