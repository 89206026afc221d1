"""What copies of a loop's nodes run for, whoever wants their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import comfy.utils
from comfy_execution.graph import DynamicPrompt
from comfy_execution.progress import NodeState, get_progress_state
from PIL.Image import Image
from torch import Tensor

from ...verifiers.base import Details
from ..pictures import thumbnail
from ..plan import Plan
from ..records.candidate import Candidate
from ..records.recipe import Recipe
from .body import Body, Flow
from .cache import forget
from .kept import SCORE, Made


class Where(NamedTuple):
    """prompt: where the nodes of the loop are. close: the id of its Search Loop Close, and the place in the list that
    it runs for. prefix: how the ids begin of all nodes that are made for this search."""

    prompt: DynamicPrompt
    close: tuple[str, int]
    prefix: str


class Look(NamedTuple):
    """What came of the nodes. image: [H, W, 3], float in 0..1, that was scored. failed: why the score does not count.
    is_one_color, details: see Candidate."""

    score: float
    image: Tensor | None
    failed: str = ""
    is_one_color: bool = False
    details: dict[str, Details] | None = None

    def picture(self) -> Image | None:
        return None if self.image is None or self.failed else thumbnail.of_image(self.image)

    def candidate(self, recipe: Recipe, round_: int, picture: Image | None) -> Candidate:
        return Candidate(
            scores={} if self.failed else {SCORE: self.score},
            recipe=recipe,
            round=round_,
            nfe=0,
            thumbnail=b"" if picture is None else thumbnail.encode(picture),
            failed=self.failed,
            is_one_color=self.is_one_color,
            details=self.details or {},
        )


def positive(wording: int) -> str:
    """What a conditioning is kept as for the copies, by its wording's number."""
    return f"positive{wording}"


class Looped(ABC):
    """Candidates of a loop. The host runs those that `wanted` names, and tells when one `begins` and what it made."""

    def __init__(self, plan: Plan, flow: Flow, body: Body, where: Where):
        self.plan = plan
        self.flow = flow
        self.body = body
        self.where = where
        said = {positive(at): [own] for at, own in enumerate(flow.positives.values())}
        self.outside: dict[str, list[Any]] = {"value": [flow.value], **said}  # lists that copies take, by name
        self.later: dict[int, Any] = {}  # links to results that the score did not need, by candidate
        self.cached: dict[int, str] = {}  # candidates whose nodes ComfyUI's cache holds, and how the ids of those begin
        self.runs = 0

    @abstractmethod
    def recipe(self, index: int) -> Recipe:
        """Of a candidate, by its number."""

    @abstractmethod
    def wanted(self) -> int | None:
        """The candidate that has to run next; None when none has to."""

    @abstractmethod
    def begins(self, index: int) -> None:
        """Its nodes run now."""

    @abstractmethod
    def add(self, index: int, look: Look, made: Made) -> None:
        """What became of a candidate."""

    @property
    @abstractmethod
    def progress(self) -> tuple[int, float]:
        """How many are scored, and of how many."""

    @property
    @abstractmethod
    def needed(self) -> set[int]:
        """Those whose results may still be asked for."""

    def name(self, index: int) -> str:
        recipe = self.recipe(index)
        moves = f", {len(recipe.moves)} moves" if recipe.moves else ""
        said = f', "{recipe.wording}"' if recipe.wording else ""
        return f"candidate {index} (seed {recipe.seed}{moves}{said})"

    def show_progress(self) -> None:
        """Show how far it is, and make the host forget the nodes of this loop that have finished.

        It repeats the state of every node that has run in each of its messages to the browser; all candidates' together
        would be gigabytes.
        """
        done, total = self.progress
        comfy.utils.ProgressBar(total).update_absolute(done)
        states = get_progress_state().nodes
        for node in [node for node in states if node.startswith(self.where.prefix)]:
            if states[node]["state"] is NodeState.Finished:
                del states[node]

    def let_go(self) -> None:
        """Make the host forget what the candidates have made, but for those that are needed."""
        for index in [index for index in self.cached if index not in self.needed]:
            forget(self.cached.pop(index))
