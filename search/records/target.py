"""What is good enough: a score, or that everything holds which verifiers tell of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

HOLDS = "all requirements hold"


@dataclass(frozen=True)
class Target:
    """score: None where all requirements have to hold instead."""

    score: float | None = None

    @property
    def told(self) -> float | str:
        """As a report has it."""
        return HOLDS if self.score is None else self.score

    def is_reached(
        self, score: float, details: Mapping[str, list[dict[str, Any]]], ignored: Collection[str] = ()
    ) -> bool:
        """By an image with this score. Where nothing is told, nothing holds.

        details: see verifiers.base.Detailed, by the verifier's name. ignored: verifiers that do not count.
        """
        if self.score is not None:
            return score >= self.score
        parts = [part for name, told in details.items() if name not in ignored for part in told]
        return bool(parts) and all(part["holds"] for part in parts)
