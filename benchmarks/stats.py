"""Bootstrap intervals of the benchmarks, by scipy: 90 %, percentiles; the same data and seed give the same numbers.

It imports neither torch nor ComfyUI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 2000
LEVEL = 0.9
AT_A_TIME = 2**24  # numbers that are drawn together, so that memory stays flat


class Interval(NamedTuple):
    """A number, and between what it lies when what was measured is drawn again."""

    value: float
    low: float
    high: float


def resampled(
    statistic: Callable[[np.ndarray], Any], count: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The interval of a statistic of `count` things that were drawn, such as captions or prompts.

    statistic: given numbers of things [..., count] -> [...]. Numbers and not values, so that whatever belongs to one
    thing stays together: what two methods made of it, or a whole curve.
    """
    things = np.arange(count)
    value = float(statistic(things))
    if count == 1:
        return Interval(value, value, value)
    found = bootstrap(
        (things,), lambda numbers, axis: statistic(numbers), vectorized=True, method="percentile",
        n_resamples=resamples, confidence_level=LEVEL, rng=np.random.default_rng(seed),
        batch=max(1, AT_A_TIME // count),
    ).confidence_interval  # fmt: skip
    return Interval(value, float(found.low), float(found.high))


def mean(values: Sequence[float], seed: int = 0) -> Interval:
    of_each = np.asarray(values, float)
    return resampled(lambda numbers: of_each[numbers].mean(-1), len(of_each), seed=seed)


def interval(rows: Sequence[Any], value: Callable[[Any], float]) -> Interval:
    """Mean over captions. Several rows of a caption count together as one: they are not independent."""
    by_caption: dict[int, list[float]] = {}
    for row in rows:
        by_caption.setdefault(row.caption, []).append(value(row))
    return mean([float(np.mean(values)) for values in by_caption.values()])


def shown(values: Interval, digits: int) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in values)
    return f"{value} [{low}, {high}]"
