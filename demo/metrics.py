"""The few statistics of the evaluation."""

import numpy as np
from scipy.stats import rankdata

BOOTSTRAP_DRAWS = 10_000
INTERVAL = (2.5, 97.5)
"""Percentiles of a 95 % interval."""


def area_under_curve(scores: np.ndarray, holds: np.ndarray) -> float:
    """Chance that a picture that holds scores above one that does not (ties count half); NaN without both kinds."""
    right, wrong = int(holds.sum()), int((~holds).sum())
    if not right or not wrong:
        return float("nan")
    return float((rankdata(scores)[holds].sum() - right * (right + 1) / 2) / (right * wrong))


def mean_with_interval(values: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Mean of `values` [captions] with its 95 % bootstrap interval over captions."""
    draws = np.random.default_rng(seed).integers(len(values), size=(BOOTSTRAP_DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), INTERVAL)
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}
