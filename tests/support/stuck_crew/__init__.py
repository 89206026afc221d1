"""A pack for tests: with `a Ray cluster` a search has three workers. One never ends what it has, one was lost, one
takes no part."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

SEAM = ".search.crew.seam"
STUCK = (1, 2)  # numbers of the candidates that never come
STEPS_TOLD = 3


class StuckCrew:
    def __init__(self, pack: str):
        self.hand = sys.modules[f"{pack}.search.records.hand"].Hand

    def start(self, job: Any, units: Sequence[Any], most: int) -> StuckHanded:
        return StuckHanded(self.hand, list(units))


class StuckHanded:
    """This process gets candidate after candidate."""

    def __init__(self, hand: Any, units: list[Any]):
        self.stuck = [unit for unit in units if unit.numbers[0] in STUCK]
        self.left = [unit for unit in units if unit not in self.stuck]
        self.hand = hand

    def take(self) -> Any:
        return self.left.pop(0) if self.left else None

    def wait(self, seconds: float) -> list[Any]:
        time.sleep(seconds)
        return []

    def is_over(self) -> bool:
        return False

    def close(self) -> list[Any]:
        return []

    def who(self) -> list[Any]:
        numbers = tuple(unit.numbers[0] for unit in self.stuck)
        runs = self.hand("worker 1", "runs", numbers, STEPS_TOLD, sum(unit.work for unit in self.stuck))
        return [
            runs if numbers else self.hand("worker 1", "waits"),
            self.hand("worker 2", "lost"),
            self.hand("worker 3", "out"),
        ]


def open_crew(settings: Mapping[str, Any]) -> StuckCrew:
    return StuckCrew(_pack())


def _pack() -> str:
    """The name under which ComfyUI has loaded the pack."""
    return next(
        name.removesuffix(SEAM) for name, one in sys.modules.items() if name.endswith(SEAM) and hasattr(one, "CREWS")
    )


async def _take_over(_app: Any) -> None:
    """When all packs are loaded."""
    sys.modules[_pack() + SEAM].CREWS.open = open_crew


if "server" in sys.modules:  # in ComfyUI
    sys.modules["server"].PromptServer.instance.app.on_startup.append(_take_over)
NODE_CLASS_MAPPINGS: dict[str, Any] = {}
