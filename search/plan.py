"""What a search node was set to, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from .methods import registered
from .methods.base import Method
from .methods.checks import SettingError, at_least
from .records.recipe import Recipe
from .records.target import Target

FINALISTS = 3  # drafts that run again in full, beside the candidate without search
FEW_FINALISTS, SMALL = 2, 16  # of drafts that cost less than so many images


@dataclass(frozen=True)
class Limits:
    """How far a search goes. None of them changes what a candidate is worth.

    max_seconds: 0 for no limit. batch_size: candidates in one sampler call, 0 for what fits. patience: candidates
    without anything better before it stops, 0 for no limit. search_steps: how many steps candidates get before the best
    are chosen (finals.py), 0 for all. target: at which it stops, None for none. keep: finished latents that are held,
    that of the winner among them (keeping.py).
    """

    max_seconds: float = 0.0
    batch_size: int = 0
    patience: int = 0
    search_steps: int = 0
    target: Target | None = None
    keep: int = 1

    def __post_init__(self) -> None:
        at_least(max_seconds=(self.max_seconds, 0.0), batch_size=(self.batch_size, 0))
        at_least(patience=(self.patience, 0), search_steps=(self.search_steps, 0), keep=(self.keep, 1))


@dataclass(frozen=True)
class Plan:
    """title: the node's name in messages. frames: of a video that are judged, 0 for all. node: the id of the search
    node, where the board is. variety: of the candidates' conditioning, but for that without search. wordings: texts
    that candidates are drawn with, the sampler's own ("") first."""

    title: str
    method: Method
    limits: Limits = Limits()
    frames: int = 0
    node: str = ""
    variety: float = 0.0
    wordings: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if not 0 <= self.variety <= 1:
            raise SettingError(f"variety is {self.variety}; it has to be from 0 to 1.")

    def refining(self, recipe: Recipe) -> Plan:
        """With another recipe to refine."""
        method: Any = self.method
        return replace(self, method=replace(method, refine=recipe))

    @property
    def name(self) -> str:
        return self.method.name

    def total_steps(self, steps: int) -> int:
        """Of all candidates together, where an image gets so many."""
        drafted = min(steps, self.limits.search_steps or steps)
        in_full = (1 + self.finalists(steps)) * steps if drafted < steps else 0
        return max(1, round(self.method.trajectories * drafted)) + in_full

    def finalists(self, steps: int) -> int:
        """Drafts that run again in full, beside the candidate without search, where an image gets so many steps."""
        return FINALISTS if self.method.trajectories * self.limits.search_steps >= SMALL * steps else FEW_FINALISTS


def which_noises() -> frozenset[str]:
    """The settings that say which noises are tried and in which order: a score has the same value whatever they are.

    `noise` is one: an object that is not the sampler's own is not asked, and that one counts with the sampler. So are
    `variety` and `positives`, which are part of a recipe, and `levels`, a choice of three settings of paths.
    """
    kinds: list[Any] = [Limits, *registered().values()]
    return frozenset(
        {"noise", "variety", "positives", "levels", *(field.name for kind in kinds for field in fields(kind))}
    )
