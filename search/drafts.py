"""Searching on fewer steps than the image gets: candidates are drafts, and the best of them run again in full.

A noise makes another image with another number of steps, so a draft's score says little enough of the image that only
those that ran in full can win.
"""

from __future__ import annotations

import torch
from torch import Tensor

FINALISTS = 3  # beside the candidate without search


def thin(sigmas: Tensor, steps: int) -> Tensor:
    """So many steps of a schedule [its steps + 1], evenly among its own, its ends included; all when it has no more."""
    if len(sigmas) <= steps + 1:
        return sigmas
    return sigmas[torch.linspace(0, len(sigmas) - 1, steps + 1).round().long()]


def final_steps(steps: int, search_steps: int) -> int:
    """What the finalists add to a search, in solver steps; 0 when candidates run in full anyway."""
    return (1 + FINALISTS) * steps if 0 < search_steps < steps else 0
