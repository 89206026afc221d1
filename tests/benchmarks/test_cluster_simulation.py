"""The simulation of clusters: what can be worked out by hand, and nothing is dropped."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FREE = {"way": 0.0, "piece": 0.0, "candidate": 0.0}


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("cluster_simulation")


@pytest.mark.parametrize(
    ("gpus", "candidates", "share"), [(8, 64, 1.0), (8, 9, 9 / 16), (8, 4, 1 / 2), (64, 64, 1.0), (1, 5, 1.0)]
)
def test_equal_gpus_are_as_busy_as_their_number_goes_into_that_of_the_candidates(
    simulation: Any, gpus: int, candidates: int, share: float
) -> None:
    setting = simulation.Setting("free", **FREE)
    assert simulation.utilisation(gpus, candidates, setting, 1) == pytest.approx(share)


def test_a_slow_gpu_takes_less(simulation: Any) -> None:
    setting = simulation.Setting("slow", slow=0.5, **FREE)
    assert simulation.utilisation(2, 12, setting, 1) == pytest.approx(1.0)


def test_a_race_stays_on_one_gpu(simulation: Any) -> None:
    setting = simulation.Setting("races", is_raced=True, **FREE)
    assert simulation.utilisation(8, 64, setting, 1) == pytest.approx(1.0)
    assert simulation.utilisation(8, 32, setting, 1) == pytest.approx(0.5)


def test_who_hands_out_does_one_thing_after_the_other(simulation: Any) -> None:
    setting = simulation.Setting("slow hand", piece=1.0, candidate=0.0, way=0.0)
    assert simulation.simulated(2, 2, setting, 0).seconds == pytest.approx(2 + simulation.SECONDS + 1)


def test_gpus_that_die_cost_time_and_no_candidate(simulation: Any) -> None:
    plain, deadly = simulation.Setting("plain", 1.0), simulation.Setting("deadly", 1.0, dies_every=60.0)
    runs = [[simulation.simulated(8, 256, setting, seed) for seed in range(5)] for setting in (plain, deadly)]
    assert sum(run.losses for run in runs[0]) == 0
    assert sum(run.losses for run in runs[1]) > 3
    assert sum(run.seconds for run in runs[1]) > sum(run.seconds for run in runs[0])


def test_tables_and_plot(simulation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "BUDGETS", (8, 64))
    simulation.main(["--quick", "--results", str(tmp_path)])
    text = (tmp_path / "cluster_simulation.md").read_text()
    assert [text.count(f"| {budget} | ") for budget in (8, 64)] == [len(simulation.GPUS)] * 2
    assert (tmp_path / "cluster_simulation.png").stat().st_size > 10_000
