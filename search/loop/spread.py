"""Candidates of a loop that run wherever there is room: here, and with a crew on other GPUs or machines.

A worker executes the prompt up to Search Loop Close, which there makes copies of the loop's nodes for the candidates it
was given only, without a result, and sends back what the ledger holds of them (errand.py). Here that is kept as if an
earlier run had scored them, and the search goes on as after an interruption: in its own order, with the winner's nodes
once more where only a score is known.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_execution.graph import DynamicPrompt

from ..crew.seam import CREWS, THIS_GPU, Handed, Job, Nobody, Note, Offer, Piece, Scored
from ..crew.spread import POLL
from ..host.graph import upstream
from ..host.prompts import PROMPTS
from ..records.hand import Hand
from ..records.recipe import Recipe
from .body import Body, Flow, outputs
from .kept import Kept

DIFFERS = "The best candidate had another score on another GPU than here, so all ran again on this GPU."
LOOK_EVERY = 0.3  # seconds, whether the prompt has ended without telling the search


class LoopSpread:
    """kept: where scores go. prompt: the id of the prompt with whose end nobody begins anything more; None where there
    is none."""

    def __init__(self, offer: Offer, kept: Kept, prompt: str | None):
        self.offer = offer
        self.kept = kept
        self.handed: Handed | None = None
        self.waiting: set[int] = set()  # numbers that were handed out and have not come
        self.own: deque[int] = deque()  # that run here, in this order
        self.told: dict[str, None] = {}
        self.by: Counter[str] = Counter()
        self.scored: set[int] = set()  # numbers of those that ran elsewhere
        self.ended = threading.Event()
        if prompt is not None:
            threading.Thread(target=self._end_with, args=(prompt,), daemon=True).start()

    @property
    def notes(self) -> list[str]:
        shares = ", ".join(f"{count} on {who}" for who, count in self.by.items())
        return [*self.told, *([f"Candidates ran on several GPUs: {shares}."] if len(self.by) > 1 else [])]

    @property
    def is_over(self) -> bool:
        return self.ended.is_set()

    @property
    def is_elsewhere(self) -> bool:
        """Whether anything may still come."""
        return bool(self.waiting)

    def has(self, number: int) -> bool:
        """Whether this candidate will come, or runs here."""
        return number in self.waiting or number in self.own

    def hand_out(self, missing: Mapping[int, Recipe]) -> None:
        """Candidates that nobody has scored yet, by number. Nobody begins anything more of what was handed out."""
        self._let_go()
        left = {number: recipe for number, recipe in missing.items() if number not in self.own}
        units = [Piece(((recipe,),), (number,), steps=0) for number, recipe in left.items()]
        self.waiting = set(left)
        self.handed = self.offer.crew.start(self.offer.job, units, 1)

    def next(self, may_begin: bool) -> int | None:
        """The candidate that runs here now, the same until it has run; None when something may have come."""
        handed = self.handed
        if handed is None:
            return None
        if may_begin and not self.own and (piece := handed.take()) is not None:
            self._take(piece.numbers)
        if may_begin and self.own:
            return self.own[0]
        if not self.listen(POLL):
            throw_exception_if_processing_interrupted()
            if handed.is_over():  # what nobody has runs here
                self._take(sorted(self.waiting))
        return None

    def listen(self, seconds: float = 0.0) -> bool:
        """Whether anything has come since, or does within so many seconds."""
        heard = [] if self.handed is None else self.handed.wait(seconds)
        self._hear(heard)
        return bool(heard)

    def who(self) -> list[Hand]:
        """Who has what, this process first; nobody where it is alone."""
        others = [] if self.handed is None else self.handed.who()
        me = Hand(THIS_GPU, "runs", (self.own[0],)) if self.own else Hand(THIS_GPU, "waits")
        return [hand._replace(done=self.by[hand.who]) for hand in ([me, *others] if others else [])]

    def ran(self, number: int) -> None:
        """Here."""
        self.own.remove(number)
        self.by[THIS_GPU] += 1

    def close(self) -> None:
        """Nobody runs anything more, but for the winner here."""
        self.ended.set()
        self._let_go()

    def distrust(self) -> None:
        """What others have scored is not what it is here: all runs here."""
        self.told[DIFFERS] = None
        self.by.clear()

    def _let_go(self) -> None:
        handed, self.handed = self.handed, None
        if handed is not None:
            self._hear(handed.close())

    def _take(self, numbers: Sequence[int]) -> None:
        self.own.extend(numbers)
        self.waiting.difference_update(numbers)

    def _hear(self, heard: Sequence[Scored | Note]) -> None:
        for one in heard:
            if isinstance(one, Scored):
                self._scored(one)
            elif one.text and one.text not in self.told:
                logging.warning("%s: %s", self.offer.job.title, one.text)
                self.told[one.text] = None

    def _scored(self, scored: Scored) -> None:
        self.by[scored.who] += len(scored.candidates)
        piece = scored.piece
        for (recipe,), number, (seen,) in zip(piece.candidates, piece.numbers, scored.candidates, strict=True):
            self.kept.add(replace(seen, recipe=recipe), number)
            self.waiting.discard(number)
            self.scored.add(number)

    def _end_with(self, prompt: str) -> None:
        """A loop is only told what happens inside: not that it was cancelled, or that one of its nodes has failed."""
        while not self.ended.wait(LOOK_EVERY):
            if not PROMPTS.is_running(prompt):
                self.close()


def offer_of(title: str, flow: Flow, body: Body, kept: Kept, graph: DynamicPrompt) -> Offer | None:
    """Others who run candidates of the loop whose Search Loop Close is executing; None where people have not asked for
    them."""
    prompt, (close, item) = PROMPTS.executing()
    crew = None if prompt is None else CREWS.crew(prompt.settings)
    if prompt is None or crew is None:
        return None
    nodes = _scoring(prompt.nodes, close) if close in prompt.nodes else {}
    because = _here_because(flow, body, kept, graph, nodes)
    before = nodes.keys() - {close, *body.nodes}
    if not because and any(known.queued in before for known in prompt.found):
        because = "another search comes before the loop"
    job = Job(nodes, close, close, item, title)
    return Offer(Nobody(f"All candidates ran on this GPU, because {because}.") if because else crew, job)


def _scoring(nodes: Mapping[str, Any], close: str) -> dict[str, Any]:
    """The nodes that scores need, of a queued prompt: Close, without its result, and what comes before."""
    inputs = {name: value for name, value in nodes[close]["inputs"].items() if name != "result"}
    without = {**nodes, close: {**nodes[close], "inputs": inputs}}
    return {node: without[node] for node in upstream(DynamicPrompt(without), [close])}


def _here_because(flow: Flow, body: Body, kept: Kept, graph: DynamicPrompt, nodes: Mapping[str, Any]) -> str:
    """Why nobody else can run candidates of this loop; empty where others can. nodes: that were queued."""
    if not nodes:
        return "the loop is a part of another node or loop"
    if kept.page.path is None:
        return "something in the loop may give something else each time"
    if outputs(graph, body.nodes if flow.run_outputs else body.judged):
        return "nodes that save or show something run for each candidate"
    return ""
