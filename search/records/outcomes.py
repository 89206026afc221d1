"""What was proven of a sampler call: how many candidates may share it, or why none may."""

from __future__ import annotations

from collections.abc import Callable

Outcome = int | str


class Outcomes:
    """Outcomes by the kind of call. on_keep: called with each new one."""

    def __init__(self, on_keep: Callable[[str, Outcome], None] | None = None):
        self.known: dict[str, Outcome] = {}
        self.on_keep = on_keep

    def find(self, kind: str) -> Outcome | None:
        return self.known.get(kind)

    def keep(self, kind: str, outcome: Outcome) -> None:
        self.known[kind] = outcome
        if self.on_keep is not None:
            self.on_keep(kind, outcome)
