"""What a search method is: its settings with their checks, what it costs, and how it asks for candidates.

A method is a frozen dataclass of its settings. It checks them when it is made, and `begin` starts one search: a
generator that yields the noises it wants judged and receives their scores. See random_search.py for the shortest one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any, ClassVar, NamedTuple

from ..records.candidate import Candidate
from ..records.recipe import Recipe
from ..records.scores import Scores
from .pruning import FINE, MOST_ROWS, Pace, Race

MOST_FORESEEN = 4096  # candidates


class Heat(NamedTuple):
    """Noises to judge. race: how they are pruned on the way, when they start together in one sampler call."""

    recipes: list[Recipe]
    race: Race | None = None


class Enough(Exception):
    """Thrown into an algorithm when people want the best so far: it may yield what is needed to finish that.

    scores: of everything it has asked for and that has run, in that order; a part of the last round may be missing.
    """

    def __init__(self, scores: Scores):
        super().__init__()
        self.scores = scores


# Yields the noises it wants judged; receives the scores of everything it has asked for so far, in that order, because
# some verifiers rank candidates among each other. A candidate that failed has minus infinity.
Algorithm = Generator[list[Recipe] | Heat, Scores, None]


class Start(NamedTuple):
    """What a search starts from: the sampler's seed and steps, the bytes of a candidate's latents, and whether time is
    limited. In a loop there is only a seed.

    images: how many are searched side by side, each by a search of its own; these have to ask for equally many.
    levels: of the noise before each step and after the last, 1 is noise and 0 the image.
    pace: at which x0 predictions are pruned, as the verifier asks for. rows: candidates in one race at most.
    """

    seed: int
    steps: int = 0
    latent_bytes: int = 0
    is_timed: bool = False
    images: int = 1
    levels: tuple[float, ...] = ()
    pace: Pace = FINE
    rows: int = MOST_ROWS


class Method(ABC):
    """Settings of a search, as a frozen dataclass; what is none raises checks.SettingError when it is made.

    name: in reports, and as a choice of Search Loop Close. needs_noise: whether a seed alone can not describe its
    candidates. in_loops: whether it can search a loop, where candidates can not stop on the way. parents: how many of
    the best images it goes on from. refine: what is searched around; None for the sampler's own noise.
    """

    name: ClassVar[str]
    needs_noise: ClassVar[bool] = False
    in_loops: ClassVar[bool] = True
    parents: ClassVar[int] = 0
    races: bool = False
    refine: Recipe | None = None

    @property
    @abstractmethod
    def trajectories(self) -> float:
        """How many it runs, with parts of one as fractions."""

    @abstractmethod
    def begin(self, start: Start) -> Algorithm:
        """Start one search."""

    def summary(self, candidates: Sequence[Candidate]) -> str:
        """What a search did and why, for its report; empty where its settings say that."""
        return ""


class Asking:
    """One search that a method has started."""

    def __init__(self, algorithm: Algorithm):
        self._algorithm = algorithm
        self._has_begun = False

    def more(self, scores: Scores) -> Heat | None:
        """What to judge next; None when the search has ended. scores: of everything asked for so far."""
        try:
            asked = self._algorithm.send(scores) if self._has_begun else next(self._algorithm)
        except StopIteration:
            return None
        self._has_begun = True
        return _heat(asked)

    def finish(self, scores: Scores) -> Heat | None:
        """What is still needed so that the best is an image; None when nothing is. scores: of what has run."""
        try:
            return _heat(self._algorithm.throw(Enough(scores)))
        except (StopIteration, Enough):
            return None

    def close(self) -> None:
        self._algorithm.close()


class Unread(Scores):
    """Stands for scores that nobody knows yet. Raises LookedAt when they are asked for."""

    def __getattribute__(self, name: str) -> Any:
        raise LookedAt(name)

    def __len__(self) -> int:
        raise LookedAt("len")

    def __iter__(self) -> Any:
        raise LookedAt("iter")

    def __getitem__(self, index: Any) -> Any:
        raise LookedAt("item")


class LookedAt(Exception):
    """A method wants to know scores."""


def unread_rounds(algorithm: Algorithm, most: int = MOST_FORESEEN) -> list[Heat]:
    """What an algorithm asks for before it looks at any score, up to so many candidates."""
    found: list[Heat] = []
    try:
        heat = _heat(next(algorithm))
        while (most := most - len(heat.recipes)) >= 0:
            found.append(heat)
            heat = _heat(algorithm.send(Unread()))
    except (StopIteration, LookedAt):
        pass
    algorithm.close()
    return found


def _heat(asked: list[Recipe] | Heat) -> Heat:
    return asked if isinstance(asked, Heat) else Heat(asked)
