"""The evaluation's statistics and its table."""

import numpy as np
import pytest

from noise_search.demo.benchmark import benchmark_captions
from noise_search.demo.evaluate import as_markdown, oracle_accuracy, success_rates, verifier_quality
from noise_search.demo.metrics import area_under_curve, mean_with_interval


@pytest.mark.parametrize(
    ("scores", "holds", "area"),
    [([1, 2, 3, 4], [0, 0, 1, 1], 1.0), ([4, 3, 2, 1], [0, 0, 1, 1], 0.0), ([1, 1, 1, 1], [0, 1, 0, 1], 0.5)],
)
def test_area_under_curve(scores: list[int], holds: list[int], area: float) -> None:
    assert area_under_curve(np.array(scores), np.array(holds, dtype=bool)) == area


def test_area_needs_both_kinds() -> None:
    assert np.isnan(area_under_curve(np.arange(3), np.ones(3, dtype=bool)))


def test_interval_holds_the_mean() -> None:
    measured = mean_with_interval(np.random.default_rng(0).random(200))
    assert measured["low"] < measured["mean"] < measured["high"]
    assert measured["high"] - measured["low"] < 0.15


def test_a_verifier_that_agrees_reaches_every_success() -> None:
    holds = np.array([[True, False, False], [False, False, False], [True, True, True]])
    quality = verifier_quality(holds.astype(float), holds)
    assert quality["auc_pooled"] == 1.0
    assert quality["captions_with_both"] == 1
    assert quality["best_of_seeds"]["mean"] == pytest.approx(2 / 3)


def test_table_has_every_number() -> None:
    captions = benchmark_captions(4)
    holds = np.array([[True, False]] * 4)
    results = {
        "settings": {"captions": 4, "seeds_per_caption": 2, "steps": 20, "sampler": "euler", "cfg": 3.0},
        "oracle": oracle_accuracy(2),
        "model": success_rates(holds, captions),
        "verifier": verifier_quality(holds.astype(float), holds),
    }
    table = as_markdown(results)
    assert "| single sample satisfies its caption | 0.500" in table
    assert "| best of 2 by the verifier | 1.000" in table
