"""What a search node was set to, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .methods.random_search import Algorithm

FINALISTS = 3  # drafts that run again in full, beside the candidate without search


@dataclass(frozen=True)
class Plan:
    """What a search node was set to.

    title: the node's name in messages. algorithm: starts one search, given the sampler's seed and steps and the bytes
    of a candidate's latents. trajectories: how many it will run, with parts of one as fractions. batch_size: candidates
    in one sampler call, 0 for what fits. max_seconds: 0 for no limit. patience: candidates without anything better
    before it stops, 0 for no limit. races: whether the algorithm prunes. frames: of a video that are judged, 0 for all.
    search_steps: how many steps candidates get before the best are chosen (finals.py), 0 for all. node: the id of the
    search node, where the board is.
    """

    title: str
    name: str
    algorithm: Callable[[int, int, int], Algorithm]
    trajectories: float
    batch_size: int = 0
    max_seconds: float = 0.0
    patience: int = 0
    races: bool = False
    frames: int = 0
    search_steps: int = 0
    node: str = ""

    def total_steps(self, steps: int) -> int:
        """Of all candidates together, where an image gets so many."""
        drafted = min(steps, self.search_steps or steps)
        return max(1, round(self.trajectories * drafted)) + final_steps(steps, self.search_steps)


def final_steps(steps: int, search_steps: int) -> int:
    """What the finalists add to a search, in solver steps; 0 when candidates run in full anyway."""
    return (1 + FINALISTS) * steps if 0 < search_steps < steps else 0
