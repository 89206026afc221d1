"""Who gets what next: work in its order, to whoever is free; what is lost goes back to the front.

No clock, no threads of its own and nothing of what the work is, so a simulation runs the same code.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

Unit = TypeVar("Unit")
ALONE_AFTER = 2  # how often a unit was lost until it goes by itself
LOST_AT_MOST = 3


class Share(NamedTuple, Generic[Unit]):
    """Units that one worker has, each with its number."""

    numbers: tuple[int, ...]
    units: tuple[Unit, ...]


class Handout(Generic[Unit]):
    """units: read as they are needed, so there may be very many. count: how many there are; needed when they go several
    at a time. most: together. is_whole: whether a unit goes by itself in any case. losses: after how many nobody gets a
    unit any more."""

    def __init__(
        self,
        units: Iterable[Unit],
        count: int = 0,
        most: int = 1,
        is_whole: Callable[[Unit], bool] = lambda _: False,
        losses: int = LOST_AT_MOST,
    ):
        self._rest: Iterator[tuple[int, Unit]] = enumerate(units)
        self._front: deque[tuple[int, Unit]] = deque()
        self._left = count
        self._most = most
        self._is_whole = is_whole
        self._lost_at_most = losses
        self._losses: dict[int, int] = {}
        self._out = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def take(self, hands: int) -> Share[Unit] | None:
        """What one who is free does next; None when nobody has to begin anything. hands: how many there are.

        Half of an equal share at most, so that all end at about the same time.
        """
        with self._lock:
            first = None if self._is_closed else self._next()
            if first is None:
                return None
            taken = [first]
            most = max(1, min(self._most, (self._left + 1) // (2 * max(hands, 1))))
            while len(taken) < most and self._goes_with_others(first) and (more := self._next()) is not None:
                if not self._goes_with_others(more):
                    self._put_back([more])
                    break
                taken.append(more)
            self._out += 1
            return Share(tuple(number for number, _ in taken), tuple(unit for _, unit in taken))

    def done(self, share: Share[Unit]) -> None:
        with self._lock:
            self._out -= 1
            for number in share.numbers:
                self._losses.pop(number, None)

    def back(self, share: Share[Unit]) -> None:
        """Nobody has begun it, or whoever had it could not do it."""
        with self._lock:
            self._out -= 1
            self._put_back(zip(share.numbers, share.units, strict=True))

    def lost(self, share: Share[Unit]) -> list[Unit]:
        """Whoever had it is gone. Returns what has ended so many that nobody gets it any more."""
        with self._lock:
            self._out -= 1
            for number in share.numbers:
                self._losses[number] = self._losses.get(number, 0) + 1
            pairs = list(zip(share.numbers, share.units, strict=True))
            hopeless = {number for number in share.numbers if self._losses[number] >= self._lost_at_most}
            self._put_back(pair for pair in pairs if pair[0] not in hopeless)
            return [unit for number, unit in pairs if number in hopeless]

    def close(self) -> None:
        """Nobody begins anything more."""
        with self._lock:
            self._is_closed = True

    @property
    def is_over(self) -> bool:
        """Whether nothing is left and nothing is out."""
        with self._lock:
            return self._out == 0 and (self._is_closed or not self._has_more())

    @property
    def has_more(self) -> bool:
        """Whether there is something to begin."""
        with self._lock:
            return not self._is_closed and self._has_more()

    def _has_more(self) -> bool:
        following = self._next()
        if following is None:
            return False
        self._put_back([following])
        return True

    def _goes_with_others(self, pair: tuple[int, Unit]) -> bool:
        return not self._is_whole(pair[1]) and self._losses.get(pair[0], 0) < ALONE_AFTER

    def _next(self) -> tuple[int, Unit] | None:
        following = self._front.popleft() if self._front else next(self._rest, None)
        self._left -= following is not None
        return following

    def _put_back(self, pairs: Iterable[tuple[int, Unit]]) -> None:
        returned: Sequence[tuple[int, Unit]] = list(pairs)
        self._front.extendleft(reversed(returned))
        self._left += len(returned)
