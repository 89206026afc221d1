"""A search around any part of the graph: what it asks the host to run next, and what came of it."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import Any, NamedTuple

import comfy.utils
from comfy_execution.graph import DynamicPrompt
from comfy_execution.progress import NodeState, get_progress_state
from PIL.Image import Image
from torch import Tensor

from ...verifiers.base import Details
from ..board.boards import BOARDS
from ..course import Course, Judged
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
from .cache import forget
from .kept import SCORE, Kept, Made


class _Wire:
    """Stands where a verifier stands: the score is what comes through a wire."""

    name, needs_prompt = SCORE, False

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        raise NotImplementedError


class Where(NamedTuple):
    """prompt: where the nodes of the loop are. close: the id of its Search Loop Close, and the place in the list that
    it runs for. prefix: how the ids begin of all nodes that are made for this search."""

    prompt: DynamicPrompt
    close: tuple[str, int]
    prefix: str


def positive(wording: int) -> str:
    """What a conditioning is kept as for the copies, by its wording's number."""
    return f"positive{wording}"


class LoopSearch:
    """One search. The host runs the candidates that `wanted` names, and tells it when one `begins` and what it made."""

    def __init__(self, plan: Plan, flow: Flow, body: Body, kept: Kept, where: Where):
        self.plan = plan
        self.flow = flow
        self.body = body
        self.kept = kept
        self.where = where
        self.limit = TimeLimit(plan.limits.max_seconds)
        seconds = plan.limits.max_seconds
        settings = {"max_seconds": seconds, "seed": flow.seed, "marks": [kept.page.marks_of(0)]}
        self.board = BOARDS.start(plan.node, plan.name, plan.method.trajectories, **settings)
        said = {positive(at): [own] for at, own in enumerate(flow.positives.values())}
        self.outside: dict[str, list[Any]] = {"value": [flow.value], **said}  # lists that copies take, by name
        self.later: dict[int, Any] = {}  # links to results that the score did not need, by candidate
        self.cached: dict[int, str] = {}  # candidates whose nodes ComfyUI's cache holds, and how the ids of those begin
        self.runs = 0
        self.began = self.seconds = 0.0  # when the candidate that runs began, and what those before it took
        self._start()

    def _start(self) -> None:
        self.asked: list[tuple[Recipe, int]] = []  # what the method has asked for so far, and the round of each
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

    def name(self, index: int) -> str:
        recipe = self.recipe(index)
        moves = f", {len(recipe.moves)} moves" if recipe.moves else ""
        said = f', "{recipe.wording}"' if recipe.wording else ""
        return f"candidate {index} (seed {recipe.seed}{moves}{said})"

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

    def add(
        self,
        index: int,
        score: float,
        image: Tensor | None,
        made: Made,
        failed: str = "",
        is_one_color: bool = False,
        details: dict[str, Details] | None = None,
    ) -> None:
        """What became of a candidate. image: [H, W, 3], float in 0..1, that was scored. failed: why its score does not
        count. is_one_color, details: see Candidate."""
        picture = None if image is None or failed else thumbnail.of_image(image)
        self.seconds += time.perf_counter() - self.began
        recipe, round_ = self.asked[index]
        seen = Candidate(
            scores={} if failed else {_Wire.name: score},
            recipe=recipe,
            round=round_,
            nfe=0,
            thumbnail=b"" if picture is None else thumbnail.encode(picture),
            failed=failed,
            is_one_color=is_one_color,
            details=details or {},
        )
        if index < len(self.standing.seen):
            self._add_again(index, seen, made)
        else:
            self.kept.add(seen, index)
            self._take(seen, made)
            self.limit.spent_on(1)
        if self.standing.best == index and not made.is_link:
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

    def show_progress(self) -> None:
        """Show how far the search is, and make the host forget the nodes of this search that have finished.

        It repeats the state of every node that has run in each of its messages to the browser; all candidates' together
        would be gigabytes.
        """
        comfy.utils.ProgressBar(self.plan.method.trajectories).update_absolute(len(self.standing.seen))
        states = get_progress_state().nodes
        for node in [node for node in states if node.startswith(self.where.prefix)]:
            if states[node]["state"] is NodeState.Finished:
                del states[node]

    def let_go(self) -> None:
        """Make the host forget what the candidates have made, but for the best one."""
        for index in [index for index in self.cached if index != self.standing.best]:
            forget(self.cached.pop(index))

    def give_result(self) -> Any:
        """The winner's result, or a link to it; the host holds this search until the prompt has ended, and shall not
        hold the result with it."""
        made = self.standing.won
        del self.standing.results[self.best]
        return made.value

    def _add_known(self) -> int | None:
        """Go on with what was scored in earlier runs, up to the first candidate that was not; None if there is none."""
        pictures: dict[int, Image] = {}
        new = None
        while new is None and not self.course.stopping.is_enough():
            index = len(self.standing.seen)
            if index == len(self.asked) and not self._ask():
                break
            known = self.kept.find(self.recipe(index), index)
            if known is not None:
                seen, made = known
                self._take(replace(seen, round=self.asked[index][1]), made)
                pictures |= {index: thumbnail.decode(seen.thumbnail)} if seen.thumbnail else {}
            elif self.course.stopping.affords(1):
                new = index
        if pictures:
            self._show(pictures)
        return new

    def _ask(self) -> bool:
        """Let the method ask for more candidates; False when it has ended."""
        asked = self.course.next_round()
        if asked is None:
            return False
        self.asked += [(recipe, self.course.rounds) for (recipe,) in asked.candidates]
        self.course.rounds += 1
        return True

    def _take(self, seen: Candidate, made: Made | None) -> None:
        self.course.take(Judged([(self.recipe(len(self.standing.seen)),)], [[seen]], [[made]]))

    def _add_again(self, index: int, seen: Candidate, made: Made) -> None:
        """The winner of an earlier run once more. When its score has changed, those of the others may have as well."""
        before = self.standing.seen[index].scores
        if is_same(before, seen.scores, self.standing.seen):
            self.standing.again(index, seen, made)
            return
        logging.warning(
            "%s: %s had the score %.4f in an earlier run and has %.4f now, so what was kept is of no use: something in "
            "the loop has changed or is random. All candidates run again.",
            *(self.plan.title, self.name(index), before[_Wire.name], seen.scores.get(_Wire.name, math.nan)),
        )
        self.kept.forget()
        self._start()

    def _show(self, pictures: dict[int, Image]) -> None:
        """Show how the candidates stand, with the pictures of those that are new."""
        self.board.progress(len(self.standing.seen), nfe=0)
        self.board.show([self.standing.candidates()], {(0, index): picture for index, picture in pictures.items()})

    def _report(self) -> Report:
        seconds = Seconds(sampling=self.seconds, total=self.limit.elapsed)
        notes = (WORDED_IN_LOOPS,) if len(self.plan.wordings) > 1 else ()
        return self.course.report(0, steps=0, seconds=seconds, notes=notes)
