"""Where to put a number of steps, and how many it takes, by what a pilot has measured.

Euler steps h_i are wrong by h_i^2 bend / 2 each (pilot.py). For a given number their sum is smallest when all are
equally wrong, that is with steps in proportion to bend^-1/2; then it is J^2 / steps with J the integral of
sqrt(bend / 2).
"""

from __future__ import annotations

import math

import numpy as np

from .pilot import Pilot

POINTS = 4096


def levels(pilot: Pilot, steps: int) -> list[float]:
    """`steps` + 1 levels from the pilot's start to 0, strictly falling, with the same error in every step.

    No level but the last is below the pilot's end, where the model begins to know its image.
    """
    top, bottom = pilot.stages[0].top, pilot.stages[-1].bottom
    spread = _spread(pilot, 0.0, steps)
    if steps > 1 and spread[-2] < bottom:
        spread = [*_spread(pilot, bottom, steps - 1), 0.0]
    return [top, *spread[1:]]


def expected_error(pilot: Pilot, steps: int) -> float:
    """Of that many steps together, as a share of the image's size."""
    return _integral(pilot, 0.0)[1][-1] ** 2 / steps / pilot.size


def steps_for(pilot: Pilot, tolerance: float) -> int:
    """The fewest steps whose expected error is at most the tolerance, a share of the image's size."""
    return max(1, math.ceil(expected_error(pilot, 1) / tolerance - 1e-9))


def _spread(pilot: Pilot, bottom: float, steps: int) -> list[float]:
    points, sums = _integral(pilot, bottom)
    return np.interp(np.linspace(sums[-1], 0.0, steps + 1), sums, points).tolist()


def _integral(pilot: Pilot, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels from `bottom` to the pilot's start, rising, and the integral of sqrt(bend / 2) up to each."""
    middles = [(stage.top + stage.bottom) / 2 for stage in reversed(pilot.stages)]
    bends = [math.log(max(stage.bend, 1e-9)) for stage in reversed(pilot.stages)]
    points = np.linspace(bottom, pilot.stages[0].top, POINTS)
    density = np.sqrt(np.exp(np.interp(points, middles, bends)) / 2)
    sums = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(points))])
    return points, sums
