"""The command as people type it: what it refuses before it starts anything, and how little it holds in memory."""

from __future__ import annotations

import json
import sys
import tracemalloc
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cluster_run
from cluster_results import Results
from cluster_table import Refused, Table
from layout import ROOT
from noise_search.cluster.machines import Member
from noise_search.cluster.rows import Found, Outcome

NODES: dict[str, Any] = {"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    loader = SourceFileLoader("cluster_command", str(ROOT / "scripts" / "cluster"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "enter_environment", lambda: None)
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    monkeypatch.setattr(module, "HOST", tmp_path / "host")
    monkeypatch.chdir(tmp_path)
    Path("workflow.json").write_text(json.dumps(NODES))
    Path("table.csv").write_text("3.seed,kind\n1,a\n2,b\n")
    return module


def typed(command: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cluster", *words])
    return command.main()


def test_what_is_wrong_is_said_before_anything_starts(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_run, "started", lambda *_: pytest.fail("nothing was to be started"))
    Path("saved.json").write_text(json.dumps({"nodes": [], "links": []}))
    Path("wrong.csv").write_text("3.sead\n1\n")
    for words, told in [
        (("map", "saved.json", "table.csv", "--out", "run"), "Export (API)"),
        (("check", "saved.json"), "Export (API)"),
        (("map", "workflow.json", "wrong.csv", "--out", "run"), "no such input"),
        (("map", "workflow.json", "nowhere.csv", "--out", "run"), "can not be read"),
    ]:
        assert typed(command, monkeypatch, *words) == 1
        assert told in capsys.readouterr().err
    assert not Path("run").exists()


def test_what_follows_two_dashes_goes_to_comfyui(command: ModuleType) -> None:
    chosen = command.arguments(["check", "a.json", "--workers", "2", "--", "--cpu", "--base-directory", "/x"])
    assert (chosen.workers, chosen.ray, chosen.comfyui) == (2, None, ["--cpu", "--base-directory", "/x"])
    assert command.arguments(["check", "a.json"]).comfyui == []


def test_when_no_worker_can_the_command_says_why_and_ends(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_run, "started", lambda *_: [])
    monkeypatch.setattr(cluster_run, "gathered", lambda *_: [Found(Member(None, "worker 1"), {}, "it is gone.")])
    assert typed(command, monkeypatch, "map", "workflow.json", "table.csv", "--out", "run") == 1
    told = capsys.readouterr()
    assert "worker 1 takes no part: it is gone." in told.out
    assert "No worker can run this workflow" in told.err


def test_when_all_rows_are_done_nothing_is_started(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(Path("table.csv"), NODES)
    results = Results(Path("run"), table)
    for number, cells in enumerate(table, start=1):
        results.write(number, cells, {"seconds": 1.0}, "worker 1")
    results.close()
    monkeypatch.setattr(cluster_run, "started", lambda *_: pytest.fail("nothing was to be started"))
    assert typed(command, monkeypatch, "map", "workflow.json", "table.csv", "--out", "run", "--summary") == 0
    assert "2 rows, 2 done, 0 to do" in capsys.readouterr().out


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r'-m pip install "ray'):
        cluster_run.started(None, None, 0)


def peak(rows: int, folder: Path) -> int:
    """Bytes that a table of so many rows takes at most."""
    folder.mkdir()
    with (folder / "table.csv").open("w") as file:
        file.write("3.seed,kind\n")
        file.writelines(f"{row},some words\n" for row in range(rows))
    results = Results(folder / "run", Table(folder / "table.csv", NODES))
    pending = cluster_run.Pending(results)
    tracemalloc.start()
    for row in pending:
        pending.written(Outcome(row.number, "worker 1", {"seconds": 1.0}), "worker 1")
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results.close()
    return found


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = peak(200, tmp_path / "few"), peak(4000, tmp_path / "many")
    assert many < few + 20_000
