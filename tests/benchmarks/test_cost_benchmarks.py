"""The benchmarks of overhead and memory run, and their tables are consistent."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.usefixtures("comfy")
Rows = list[list[str]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Rows]]:
    """Runs the quick form of a benchmark in this process; the cells of its tables."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    prompts = importlib.import_module("noise_search.search.host.prompts").PROMPTS
    monkeypatch.setattr(prompts, "server", prompts.server)
    modules = set(sys.modules)

    def run(name: str) -> Rows:
        with ThreadPoolExecutor(1) as thread:  # where no event loop runs
            command = ["--quick", "--workers", "0", "--results", str(tmp_path)]
            thread.submit(importlib.import_module(name).main, command).result()
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        lines = (tmp_path / f"{name}.md").read_text().splitlines()
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]

    yield run
    for added in set(sys.modules) - modules:
        if (BENCHMARKS / f"{added}.py").exists():
            del sys.modules[added]


def number(cell: str) -> float:
    return float(cell.split()[0])


def test_overhead_compares_a_search_with_plain_runs(quick: Callable[[str], Rows]) -> None:
    rows = [row for row in quick("overhead") if row[0].startswith(("demo", "small"))]
    times, shares = rows[:6], rows[6:]
    assert [row[:2] for row in times] == [row[:2] for row in shares]
    for _, way, nfe, plain, search, ratio, *_ in times:
        paid, spent = map(int, nfe.split(","))
        assert spent == paid if "pruned" not in way else spent <= paid
        assert number(ratio) == pytest.approx(number(search) / number(plain), rel=0.1)
    for row in shares:
        assert sum(map(number, row[2:6])) == pytest.approx(100, abs=0.1)


def test_memory_is_measured_against_candidates_batch_verifier_and_loops(quick: Callable[[str], Rows]) -> None:
    rows = quick("memory")
    measured = [row for row in rows if row[1].isdigit()]
    assert len(measured) == 3 + 2 + 4 + 2 + 6
    assert all(int(peak) >= int(loaded) > 100 for _, loaded, peak, _ in measured)
    caches = {row[0].partition("cache: ")[2] for row in measured if "64x64" in row[0]}
    assert caches == {"default", "--cache-classic", "--cache-none"}
