"""The few statistics of the evaluation."""

import numpy as np
from scipy.stats import bootstrap, rankdata

BOOTSTRAP_DRAWS = 10_000
LEVEL = 0.95


def area_under_curve(scores: np.ndarray, holds: np.ndarray) -> float:
    """Chance that a picture that holds scores above one that does not (ties count half); NaN without both kinds."""
    right, wrong = int(holds.sum()), int((~holds).sum())
    if not right or not wrong:
        return float("nan")
    return float((rankdata(scores)[holds].sum() - right * (right + 1) / 2) / (right * wrong))


def mean_with_interval(values: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Mean of `values` [captions] with its 95 % bootstrap interval over captions, by percentiles."""
    mean = float(values.mean())
    if len(values) == 1:
        return {"mean": mean, "low": mean, "high": mean}
    found = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=BOOTSTRAP_DRAWS, confidence_level=LEVEL,
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return {"mean": mean, "low": float(found.low), "high": float(found.high)}
