"""What a person thinks of candidates: stars and rejections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .candidate import Candidate
from .recipe import Recipe

STAR, REJECT = "star", "reject"
KINDS = (STAR, REJECT)


class Marks:
    """Of the candidates of one image, by number. Board and report have the same: a report also tells what was marked
    after the search. A candidate that is a draft in full has the draft's mark, unless it has one of its own.

    find, keep: what was kept of a recipe, from earlier runs and for later ones; empty for no mark.
    """

    def __init__(self, find: Callable[[Recipe], str] = lambda _: "", keep: Callable[[Recipe, str], None] | None = None):
        self.given: dict[int, str] = {}
        self._find = find
        self._keep = keep

    def of(self, one: Candidate) -> str:
        """`star`, `reject` or empty."""
        own = self.given.get(one.index)
        if own is None and one.recipe is not None:
            own = self._find(one.recipe)
        return own or ("" if one.repeats is None else self.given.get(one.repeats, ""))

    def give(self, one: Candidate, mark: str) -> None:
        """mark: empty to take it back."""
        self.given[one.index] = mark
        if self._keep is not None and one.recipe is not None:
            self._keep(one.recipe, mark)

    def is_rejected(self, one: Candidate) -> bool:
        return self.of(one) == REJECT

    def told(self, candidates: Sequence[Candidate]) -> dict[str, Any]:
        """As plain JSON values; nothing where nothing is marked."""
        marked = {kind: [one.index for one in candidates if self.of(one) == kind] for kind in KINDS}
        if not any(marked.values()):
            return {}
        words = self.agreement(candidates)
        return {"stars": marked[STAR], "rejected": marked[REJECT], **({"agreement": words} if words else {})}

    def agreement(self, candidates: Sequence[Candidate]) -> str:
        """How well the verifier agrees with this person, over the images; empty where none of them is marked."""
        images = sorted((one for one in candidates if one.is_finished), key=lambda one: -one.score)
        places = {
            kind: ", ".join(str(at) for at, one in enumerate(images, start=1) if self.of(one) == kind) for kind in KINDS
        }
        told = [f"{what} at {places[kind]}" for kind, what in _WORDS.items() if places[kind]]
        return f"The judge ranks {' and '.join(told)} of {len(images)}." if told else ""


_WORDS = {STAR: "your stars", REJECT: "what you rejected"}
