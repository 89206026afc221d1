"""A pilot trajectory, which measures where on the way from noise to image a step makes the largest error.

In levels t (flow time, see levels.py) a latent scaled to y = t n + (1 - t) x0 follows dy/dt = v(y, t) = n - x0, for
every model type, and a solver's first-order step is Euler's on it. Over a step h Euler is wrong by h^2 |y''| / 2, which
its difference from Heun's step of the same length measures (the embedded pair of orders 1 and 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]  # (y, t) -> dy/dt, one prediction

ACCURACY = 0.015  # largest error of a pilot step, as a share of the latent's size
FIRST_STEP = 0.01
SAFETY, LEAST_GROWTH, MOST_GROWTH = 0.9, 0.25, 3.0
MOST_PREDICTIONS = 60
HURRY = 4  # steps before that


class Stage(NamedTuple):
    """A step of the pilot from level `top` to `bottom`, and |y''| on it: root mean square over the latent's values."""

    top: float
    bottom: float
    bend: float


class Pilot(NamedTuple):
    """What a pilot has measured. nfe: predictions it took, those of `rejected` trial steps among them.

    size: root mean square of the latent it ended at.
    """

    stages: tuple[Stage, ...]
    nfe: int
    rejected: int
    size: float


def fly(velocity: Velocity, y: Tensor, top: float, bottom: float) -> Pilot:
    """Heun's method from y at level `top` down to `bottom`, in steps chosen by their error.

    A step whose error is more than ACCURACY is tried again shorter. Towards MOST_PREDICTIONS steps are taken as long as
    the rest of the way needs, whatever their error.
    """
    stages: list[Stage] = []
    t, step, rejected = top, FIRST_STEP * (top - bottom), 0
    here, nfe = velocity(y, t), 1
    while t > bottom:
        left = (MOST_PREDICTIONS - nfe) // 2
        least = (t - bottom) / max(left, 1) if left <= HURRY else 0.0
        step = min(max(step, least), t - bottom)
        below = t - step if t - step > bottom * (1 + 1e-6) else bottom
        ahead = velocity(y - step * here, below)
        nfe += 1
        error = _rms(step / 2 * (here - ahead))
        allowed = ACCURACY * _rms(y)
        if error > allowed and step > least:
            rejected += 1
        else:
            y = y - step / 2 * (here + ahead)
            stages.append(Stage(t, below, 2 * error / step**2))
            t = below
            if t > bottom:
                here = velocity(y, t)
                nfe += 1
        step *= min(max(SAFETY * (allowed / max(error, 1e-12)) ** 0.5, LEAST_GROWTH), MOST_GROWTH)
    return Pilot(tuple(stages), nfe, rejected, _rms(y))


def _rms(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())
