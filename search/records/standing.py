"""How the search for one image stands: what was seen, how it ranks, and the latents that may still win."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

from ...verifiers.base import Ensemble, Verifier, combine, contenders, parts
from .candidate import Candidate
from .failures import ONE_COLOR
from .scores import Scores
from .target import Target


class Result(NamedTuple):
    """A candidate's latent and x0 prediction, [...] on the CPU. way: x0 and x at each step, where somebody asks."""

    latent: Tensor
    x0: Tensor
    way: tuple[tuple[Tensor, Tensor], ...] = ()


Product = TypeVar("Product")  # of a candidate that may win: a Result, or what a loop has made


class Standing(Generic[Product]):
    """One image of the user's batch. Candidates are ranked among all that were seen (verifiers.base.Ensemble); those
    that failed have minus infinity, whatever they are ranked among.

    seen: in the order they ran; the scores of an ensemble are theirs among the others only in `candidates`.
    parents: of how many of the best the latents are kept in any case, as a search goes on from them.
    target: the first image to reach it is the best. chosen: what a person has taken in place of the best, once it has
    run to its end. passed_over: better ones that a person has rejected.
    """

    chosen: int | None = None
    passed_over: tuple[int, ...] = ()

    def __init__(self, verifier: Verifier, parents: int = 0, target: Target | None = None):
        self.verifier = verifier
        self.parents = parents
        self.target = target
        self.seen: list[Candidate] = []
        self.results: dict[int, Product | None] = {}  # of those that may still turn out best; None: of an earlier run
        self.best: int | None = None
        self._has_picture = False  # whether there was an image of more than one color
        self._plain: set[int] = set()  # those of one color that have not failed

    @property
    def since_best(self) -> int:
        """Candidates that came after the best one."""
        return 0 if self.best is None else len(self.seen) - 1 - self.best

    @property
    def has_reached(self) -> bool:
        """Whether there is an image that reaches the target."""
        return self.best is not None and self.seen[self.best].reached

    @property
    def winner(self) -> int:
        """The number of the best one. Raises RuntimeError when nothing has run to its end."""
        if self.best is None:
            raise RuntimeError("nothing has been scored.")
        return self.best

    @property
    def won(self) -> Product:
        """What the winner is made of. Raises RuntimeError when only an earlier run had it."""
        result = self.results[self.winner]
        if result is None:
            raise RuntimeError(f"candidate {self.winner} was scored by an earlier run and has not been made again.")
        return result

    def add(self, candidates: Iterable[tuple[Candidate, Product | None]]) -> None:
        """Record candidates; only those that ran to their end and have not failed can win."""
        for candidate, result in candidates:
            if candidate.is_finished:
                self.results[len(self.seen)] = result
            self.seen.append(self._numbered(candidate))
            self._look_at_colors(len(self.seen) - 1)
        self._fail_single_colors()
        running = list(self.results)
        kept = {running[at] for at in contenders(self.verifier, self._by_name(running))}
        kept |= set(self.finished()[: self.parents])
        self.best = self._best()
        kept |= {self.best}
        self.results = {index: result for index, result in self.results.items() if index in kept}

    def choose(self, index: int) -> None:
        """A person takes this one, which has run to its end."""
        self.chosen = self.best = index

    def pass_over(self, is_rejected: Callable[[Candidate], bool]) -> None:
        """The best that a person has not rejected wins; where all were, the best of all. What was chosen stays."""
        ranked = sorted((one for one in self.candidates() if one.is_finished), key=lambda one: one.rank, reverse=True)
        rejected = [one.index for one in takewhile(is_rejected, ranked)]
        if self.chosen is None and 0 < len(rejected) < len(ranked):
            self.passed_over, self.best = tuple(rejected), ranked[len(rejected)].index

    def again(self, index: int, candidate: Candidate, result: Product) -> None:
        """The same candidate once more, now with its result."""
        self.seen[index] = replace(self._numbered(candidate), index=index)
        self._look_at_colors(index)
        self.results[index] = result

    def finished(self) -> list[int]:
        """Those that ran to their end, best first."""
        finished = self._finished()
        ranked = combine(self.verifier, self._by_name(finished)) if finished else []
        return [finished[at] for at in sorted(range(len(finished)), key=lambda at: -ranked[at])]

    def ranked(self, indices: Sequence[int]) -> list[int]:
        """These, best first, ranked among themselves. Pictures of one color, which may still fail, come last."""
        scores = dict(zip(indices, combine(self.verifier, self._by_name(indices)) if indices else [], strict=True))

        def place(index: int) -> tuple[bool, bool, float, int]:
            one = self.seen[index]
            return index in self._plain, not one.reached, 0.0 if one.reached else -scores[index], index

        return sorted(indices, key=place)

    def only_drafts(self, steps: int, target: Target | None = None) -> None:
        """From now on nothing seen so far can win: it ran on a schedule of so many steps, fewer than the image gets.

        target: of the images.
        """
        self.target = target
        self.seen = [replace(one, stopped_at_step=steps) if one.stopped_at_step is None else one for one in self.seen]
        self.results, self.best = {}, None

    def scores(self) -> Scores:
        """One number for everything seen, finished or not."""
        scores = combine(self.verifier, self._by_name(range(len(self.seen)))) if self.seen else []
        seen = self.seen
        return Scores(
            scores, [one.is_finished for one in seen], [one.round for one in seen], [one.early for one in seen]
        )

    def candidates(self) -> tuple[Candidate, ...]:
        """Those that ran to their end ranked among themselves, the others among all."""
        if not isinstance(self.verifier, Ensemble):
            return tuple(self.seen)
        scores, finished = self.scores(), self._finished()
        for index, score in zip(finished, combine(self.verifier, self._by_name(finished)) if finished else []):
            scores[index] = score
        return tuple(replace(one, score=score) for one, score in zip(self.seen, scores, strict=True))

    def joined_by(self, racing: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The candidates with some more that are still on their way, judged by what is predicted of them."""
        together = copy.copy(self)
        together.seen = list(self.seen)
        for one in racing:
            together.seen.append(together._numbered(one))
        return together.candidates()

    def _numbered(self, candidate: Candidate) -> Candidate:
        numbered = replace(candidate, index=len(self.seen), score=0.0)
        if candidate.failed:
            return numbered.failing(candidate.failed)
        if not isinstance(self.verifier, Ensemble):
            numbered = replace(numbered, score=candidate.scores[self.verifier.name])
        return replace(numbered, reached=self._is_reached_by(numbered))

    def _is_reached_by(self, one: Candidate) -> bool:
        if self.target is None or not one.is_finished:
            return False
        ignored = self.verifier.held_out if isinstance(self.verifier, Ensemble) else ()
        return self.target.is_reached(one.score, one.details, ignored)

    def _fail_single_colors(self) -> None:
        """Where one candidate has a picture, those in one color have failed: alone, that may be what was asked for."""
        if not self._has_picture:
            return
        for index in self._plain:
            self.seen[index] = self.seen[index].failing(ONE_COLOR)
            self.results.pop(index, None)
        self._plain.clear()

    def _look_at_colors(self, index: int) -> None:
        one = self.seen[index]
        self._plain.discard(index)  # of one that has run again
        if one.is_one_color and not one.failed:
            self._plain.add(index)
        self._has_picture |= not one.failed and not one.is_one_color

    def _best(self) -> int | None:
        """What was chosen; else of equal ones the first. What is no contender is beaten by one that is, or comes after
        its like."""
        running = sorted(self.results)
        if self.chosen is not None or not running:
            return self.chosen
        if not isinstance(self.verifier, Ensemble):
            return max(running, key=lambda index: self.seen[index].rank)
        reached = next((index for index in running if self.seen[index].reached), None)
        if reached is not None:
            return reached
        finished = self._finished()
        ranked = combine(self.verifier, self._by_name(finished))
        return finished[max(range(len(finished)), key=ranked.__getitem__)]

    def _finished(self) -> list[int]:
        return [index for index, one in enumerate(self.seen) if one.is_finished]

    def _by_name(self, indices: Sequence[int]) -> dict[str, list[float]]:
        seen = [self.seen[index] for index in indices]
        return {name: [-math.inf if one.failed else one.scores[name] for one in seen] for name in parts(self.verifier)}
