"""The benchmark of signs: what the best of n seeds has, told exactly; rows and table hold what was measured."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Any:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    yield importlib.import_module("words")
    for added in set(sys.modules) - before:
        if (BENCHMARKS / f"{added}.py").exists():
            del sys.modules[added]


def test_best_of_n_is_the_mean_over_all_subsets(words: Any) -> None:
    scores, right = (-1.0, -0.5, -3.0, -0.1, -2.0), (True, False, False, True, True)
    rows = [
        words.Row("OPEN", at, score, hit, hit, "") for at, (score, hit) in enumerate(zip(scores, right, strict=True))
    ]
    for size in range(1, 6):
        subsets = list(itertools.combinations(rows, size))
        best = [max(subset, key=lambda row: row.score) for subset in subsets]
        assert words.best_of(rows, size, "score") == pytest.approx(np.mean([row.score for row in best]))
        assert words.best_of(rows, size, "right") == pytest.approx(np.mean([row.right for row in best]))
        assert words.any_of(rows, size) == pytest.approx(np.mean([any(row.right for row in s) for s in subsets]))


def test_the_signs_are_ones_that_the_model_can_draw(words: Any) -> None:
    lettering = importlib.import_module("noise_search.demo.lettering")
    assert len(set(words.SIGNS)) == len(words.SIGNS) == 24
    for sign in words.SIGNS:
        assert " ".join(lettering.read_sign(words.quoted(sign))) == sign


def test_it_measures_and_goes_on_where_it_was(words: Any, tmp_path: Path) -> None:
    command = ["--quick", "--workers", "0", "--results", str(tmp_path)]
    words.main(command)
    log = tmp_path / "words.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["sign"], row["seed"]) for row in rows] == list(itertools.product(("OPEN", "OPEN LATE"), range(4)))
    assert all(-8 <= row["score"] <= 0 for row in rows)
    assert len({row["score"] for row in rows}) > 4
    assert all(row["right"] == (sorted(row["read"].upper().split()) == sorted(row["sign"].split())) for row in rows)
    table = (tmp_path / "words.md").read_text()
    assert "\n| 4 | " in table and "\n| 16 | " not in table
    log.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    words.main(command)
    assert [json.loads(line) for line in log.read_text().splitlines()][:-1] == rows[:-1]
