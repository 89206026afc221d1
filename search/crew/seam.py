"""The seam for others who score candidates of the same sampler call, on other GPUs or machines.

A search asks a crew for the scores of recipes; without one everything runs here. Nothing in here sends anything: those
who know how (cluster/) put themselves into `CREWS`, and in the processes that they start, an errand.

wire.py writes what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from ..course import Recipes
from ..history.ledger import line
from ..methods.pruning import Race
from ..records.candidate import Candidate
from ..records.hand import Hand
from ..records.recipe import Recipe
from ..records.standing import Result

THIS_GPU = "this GPU"


@dataclass(frozen=True)
class Job:
    """A sampler call as others can make it: the prompt in API format up to the sampler, the ids of the sampler and of
    the search node, and for which place of a list the sampler runs.

    title: the search node in messages.
    """

    nodes: Mapping[str, Any]
    sampler: str
    search: str
    item: int
    title: str


@dataclass(frozen=True)
class Piece:
    """Candidates that run together in one place: some of a round, or a whole race.

    numbers: of each, in the search. steps: of the schedule that they run on. starts: by image and recipe, the latents
    that they go on from. outcomes: what was proven of the sampler call.
    """

    candidates: tuple[Recipes, ...]
    numbers: tuple[int, ...]
    steps: int
    race: Race | None = None
    starts: Mapping[tuple[int, Recipe], Tensor] = field(default_factory=dict)
    outcomes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> int:
        """Steps of all its candidates together."""
        return len(self.candidates) * self.steps if self.race is None else self.race.cost

    def joined(self, others: Sequence[Piece]) -> Piece:
        """With others of the same round."""
        pieces = [self, *others]
        starts = {place: start for piece in pieces for place, start in piece.starts.items()}
        candidates = tuple(one for piece in pieces for one in piece.candidates)
        numbers = tuple(number for piece in pieces for number in piece.numbers)
        return Piece(candidates, numbers, self.steps, self.race, starts, self.outcomes)

    def split(self) -> list[Piece]:
        """Each candidate by itself; a race stays one."""
        if self.race is not None:
            return [self]
        pairs = zip(self.candidates, self.numbers, strict=True)
        return [Piece((one,), (at,), self.steps, None, self.starts, self.outcomes) for one, at in pairs]


class Scored(NamedTuple):
    """What came of a piece.

    candidates: [candidates][images]. fetch: gets the latent and x0 of an image, by image and place in the piece; None
    when they are gone. fetch_end: the same for where an open recipe has ended. beside: predictions of each image that
    are no candidate's. who: in a sentence, such as `worker 1`.
    """

    piece: Piece
    candidates: list[list[Candidate]]
    fetch: Callable[[int, int], Result | None]
    fetch_end: Callable[[int, int], Tensor | None]
    beside: list[int]
    who: str


class Note(NamedTuple):
    """Something that people have to know. beside: predictions of each image for what was lost, as far as they are
    known."""

    text: str
    beside: tuple[int, ...] = ()


class CrewError(RuntimeError):
    """Candidates that no crew can score."""

    __module__ = "builtins"


class Handed(Protocol):
    """Pieces that a crew works on.

    take: what this process shall run; None when nobody has to begin anything more. wait: what has come in since, at the
    latest after so many seconds; raises CrewError for what no one can score. is_over: whether nothing more will come.
    close: nobody begins anything more, and what runs elsewhere is interrupted; what was still to be told. who: all but
    this process, and what they have now.
    """

    def take(self) -> Piece | None: ...
    def wait(self, seconds: float) -> list[Scored | Note]: ...
    def is_over(self) -> bool: ...
    def close(self) -> list[Scored | Note]: ...
    def who(self) -> list[Hand]: ...


class Crew(Protocol):
    """Others who score candidates. units: none is split; several of one candidate each go together, up to `most`."""

    def start(self, job: Job, units: Sequence[Piece], most: int) -> Handed: ...


class Nobody:
    """A crew of this process alone. because: why, for people; empty where they need not know."""

    def __init__(self, because: str = ""):
        self.because = because

    def start(self, job: Job, units: Sequence[Piece], most: int) -> Handed:
        return _Here(list(units), self.because)


class _Here:
    def __init__(self, units: list[Piece], because: str):
        self.units = units
        self.notes: list[Scored | Note] = [Note(because)] if because else []

    def take(self) -> Piece | None:
        """All up to the next race, as without a crew."""
        if not self.units or self.units[0].race is not None:
            return self.units.pop(0) if self.units else None
        count = next((at for at, unit in enumerate(self.units) if unit.race is not None), len(self.units))
        first, *others = self.units[:count]
        del self.units[:count]
        return first.joined(others)

    def wait(self, seconds: float) -> list[Scored | Note]:
        told, self.notes = self.notes, []
        return told

    def is_over(self) -> bool:
        return not self.units

    def close(self) -> list[Scored | Note]:
        self.units = []
        return []

    def who(self) -> list[Hand]:
        return []


class Offer(NamedTuple):
    """A crew, and what it is asked about."""

    crew: Crew
    job: Job


@dataclass
class Errand:
    """In another process: the piece that a search node scores instead of searching.

    lines: of the candidates, [candidates][images]. results, ends: by image and place in the piece. beside: predictions
    of each image that are no candidate's. spent: asks for those of each image so far. steps: asks for those of all
    candidates together.
    """

    sampler: str
    search: str
    item: int
    piece: Piece
    lines: list[list[bytes]] = field(default_factory=list)
    results: dict[tuple[int, int], Result] = field(default_factory=dict)
    ends: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    beside: list[int] = field(default_factory=list)
    spent: Callable[[], list[int]] = list
    steps: Callable[[], int] = int
    is_done: bool = False

    def add(self, candidates: Sequence[Candidate], results: Sequence[Result | None]) -> None:
        """What came of the next candidate, of each image."""
        at = len(self.lines)
        self.lines.append([line("", one) for one in candidates])
        self.results |= {(image, at): result for image, result in enumerate(results) if result is not None}


class Crews:
    """Who opens a crew for the settings that came with a prompt; and the errand that is to be run in this process."""

    def __init__(self) -> None:
        self.open: Callable[[Mapping[str, Any]], Crew] | None = None
        self.errand: Errand | None = None

    def crew(self, settings: Mapping[str, Any]) -> Crew | None:
        """None where people have not asked for one."""
        wanted = settings.get("spread", THIS_GPU)
        return None if self.open is None or wanted == THIS_GPU or self.errand is not None else self.open(settings)


CREWS = Crews()
