"""One of those who score a search's candidates, and what it has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

MOST_TOLD = 64  # of a search, to the browser

State = Literal["runs", "waits", "starts", "lost", "out"]
"""It has candidates; it has none; it gets ready; it was lost and gets ready again; it takes no part."""


class Hand(NamedTuple):
    """who: in a sentence, such as `worker 1`. numbers: of the candidates it has now. steps, work: those they have done,
    of how many they take together. done: candidates that it has scored."""

    who: str
    state: State
    numbers: tuple[int, ...] = ()
    steps: int = 0
    work: int = 0
    done: int = 0


def told(hands: Sequence[Hand]) -> dict[str, Any]:
    """As plain JSON values: how many there are and, of very many, those that run first."""
    first = hands if len(hands) <= MOST_TOLD else sorted(hands, key=lambda hand: hand.state != "runs")[:MOST_TOLD]
    return {"count": len(hands), "first": [hand._asdict() for hand in first]}
