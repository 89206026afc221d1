"""What earlier runs of a loop have left: scores on disk, and in memory the result of the best candidate."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from ..history.known import failed_place
from ..history.ledger import Page
from ..records.candidate import Candidate
from ..records.recipe import Recipe

WINNERS_KEPT = 4  # of the latest searches
SCORE = "score"  # what the number that comes through the wire is called


class Made(NamedTuple):
    """A candidate's result: the value, or the link behind which the host finds or makes it."""

    value: Any
    is_link: bool


_WINNERS: OrderedDict[str | None, tuple[tuple[Recipe, int], Any]] = OrderedDict()  # by search


class Kept:
    """Of one loop. page: scores. search: a name for this search, the same when its result is, but for the candidate;
    None to keep no result. by_number: whether a candidate's number matters beside its noise."""

    def __init__(self, page: Page, search: str | None, by_number: bool):
        self.page = page
        self.search = search
        self.by_number = by_number

    def find(self, recipe: Recipe, number: int) -> tuple[Candidate, Made | None] | None:
        """A candidate that was scored before, with its result if that is at hand."""
        place = self._place(number)
        seen = self.page.find(recipe, place)
        if seen is None or seen.scores.keys() != {SCORE}:
            seen = self.page.find(recipe, failed_place(place))
        if seen is None:
            return None
        candidate, result = _WINNERS.get(self.search, (None, None))
        return seen, Made(result, is_link=False) if candidate == (recipe, number) else None

    def add(self, seen: Candidate, number: int) -> None:
        place = self._place(number)
        self.page.add(seen, failed_place(place) if seen.failed else place)

    def _place(self, number: int) -> int | None:
        return number if self.by_number else None

    def add_result(self, recipe: Recipe, number: int, result: Any) -> None:
        """The result of the best candidate so far."""
        if self.search is None:
            return
        _WINNERS[self.search] = ((recipe, number), result)
        _WINNERS.move_to_end(self.search)
        while len(_WINNERS) > WINNERS_KEPT:
            _WINNERS.popitem(last=False)

    def forget(self) -> None:
        self.page.forget()
        _WINNERS.pop(self.search, None)
