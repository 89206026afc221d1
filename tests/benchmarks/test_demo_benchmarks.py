"""The benchmarks on the demo model run, and their tables hold what was measured."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the quick form of a benchmark; its rows, and the folder with its tables."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    modules = set(sys.modules)

    def run(name: str, log: str) -> list[dict[str, Any]]:
        importlib.import_module(name).main(["--quick", "--workers", "0", "--results", str(tmp_path)])
        return [json.loads(line) for line in (tmp_path / log).read_text().splitlines()]

    yield run
    for added in set(sys.modules) - modules:
        if (BENCHMARKS / f"{added}.py").exists():
            del sys.modules[added]


def test_equal_nfe_compares_every_method_at_equal_cost_and_goes_on_where_it_was(quick: Any, tmp_path: Path) -> None:
    rows = quick("equal_nfe", "equal_nfe.jsonl")
    assert {row["task"] for row in rows} == {"text", "class"}
    on_paths = [row for row in rows if row["method"].startswith("paths")]  # whose widths fit 20 steps, not 6
    assert all(row["nfe"] <= 6 * row["budget"] for row in rows if row not in on_paths) and on_paths
    at_one = [row["score"] for row in rows if (row["budget"], row["task"]) == (1, "text")]
    assert at_one == pytest.approx([at_one[0]] * len(at_one), abs=1e-3)
    best, other = (
        [row["score"] for row in rows if (row["method"], row["budget"]) == (method, 4)]
        for method in ("random", "random, by colorfulness")
    )
    assert all(mine >= theirs for mine, theirs in zip(best, other, strict=True))
    table = (tmp_path / "equal_nfe.md").read_text()
    assert all(f"\n| {row['method']} |" in table for row in rows)
    assert (tmp_path / "equal_nfe.png").stat().st_size > 10_000

    log = tmp_path / "equal_nfe.jsonl"
    kept = [row for row in rows if (row["task"], row["method"]) != ("text", "zero-order")]
    log.write_text("".join(json.dumps(row) + "\n" for row in kept))
    again = quick("equal_nfe", "equal_nfe.jsonl")
    assert again[: len(kept)] == kept
    assert sorted(map(json.dumps, again)) == sorted(map(json.dumps, rows))


def test_methods_at_equal_cost_and_the_image_without_search(quick: Any, tmp_path: Path) -> None:
    rows = quick("methods", "methods.jsonl")
    assert {(row["method"], row["budget"]) for row in rows if row["method"] == "random"} == {
        ("random", 1),
        ("random", 8),
    }
    assert len({row["method"] for row in rows}) == 5
    assert all(100 < row["nfe"] <= 160 for row in rows if row["budget"] == 8)
    score = {(row["method"], row["budget"]): row["score"] for row in rows}
    assert score["random", 8] >= score["random", 1]
    table = (tmp_path / "methods.md").read_text()
    assert all(f"| {row['method']} | {row['budget']} | {row['nfe']} | {row['score']:.2f} [" in table for row in rows)


def test_steps_against_the_exact_solution(quick: Any, tmp_path: Path) -> None:
    rows = quick("denoising_steps", "steps_quality.jsonl")
    distance = {(row["sampler"], row["scheduler"], row["steps"]): row["distance"] for row in rows}
    assert distance["euler", "simple", 2] > distance["euler", "simple", 6] > distance["heun", "simple", 6] > 0
    assert all(row["pilot"] > 0 for row in rows if row["scheduler"] == "adaptive")
    table = (tmp_path / "steps.md").read_text()
    assert "| euler, 6 (6) |" in table and "| 24 |" in table
