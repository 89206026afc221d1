"""The benchmark of several GPUs: its GPU waits, and what it says follows from what was noted."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("cluster")


@pytest.fixture
def waiting(comfy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The node's module; what it has noted is in a folder `notes`."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("WAITING_GPU_NOTES", str(tmp_path / "notes"))
    return importlib.import_module("waiting_gpu")


def test_a_prediction_takes_its_time_for_every_row_and_all_of_it_is_comfyuis(waiting: Any, tmp_path: Path) -> None:
    strangers = importlib.import_module("noise_search.search.host.strangers")
    model, hooks = waiting.model(0.02)
    try:
        assert list(strangers._in_network(model)) == [], "candidates share a call without a proof"
        started = time.monotonic()
        told = {"timesteps": torch.zeros(4), "context": torch.zeros(4, 3, waiting.CONTEXT)}
        model.model.diffusion_model(torch.randn(4, waiting.CHANNELS, 8, 8), **told)
        assert time.monotonic() - started >= 4 * 0.02
    finally:
        for hook in hooks:
            hook.remove()
    noted = (tmp_path / "notes" / str(os.getpid())).read_text().splitlines()
    assert [json.loads(line)[0] for line in noted] == ["step begins", "step ends"]


def test_each_latent_has_a_picture_of_its_own(waiting: Any) -> None:
    one, other = waiting.Photograph().decode(torch.randn(2, waiting.CHANNELS, 8, 8))
    assert one.shape == (waiting.SIDE, waiting.SIDE, 3)
    assert not torch.equal(one, other)
    scores = waiting.Brightness().score(torch.stack([one, other]), [])
    assert scores[0] != scores[1]


def test_hand_outs_and_pauses_are_those_between_pieces(benchmark: Any) -> None:
    piece = [("step begins", 1.0), ("step ends", 2.0), ("step begins", 2.25), ("step ends", 3.0), ("piece ends", 3.5)]
    again = [(what, when + 4) for what, when in piece]
    assert benchmark.handouts([("piece begins", 0.5), *piece, ("piece begins", 4.0), *again]) == ([0.5], [2.0])
    assert benchmark.handouts([("piece begins", 0.5), *piece]) == ([], [])


def test_the_table_says_how_much_of_linear_it_is(benchmark: Any) -> None:
    notes = {1: [("piece ends", 0.0), ("piece begins", 0.010), ("piece ends", 1.0), ("piece begins", 1.010)]}
    notes[1] = [("step ends", -0.5), *notes[1], ("step begins", 1.5)]
    searches = [benchmark.Search(64, 0, 30.0, {}), benchmark.Search(64, 2, 12.5, notes)]
    text = benchmark.table(searches, benchmark.Answers(3000.0, 0.001, 4.0), (1.0, 2.0))
    assert "| 64 | 2 + 1 | 2.40 | 0.800 | 0.800 |" in text
    assert "| 2 + 1 | 10.0 ms | 10.0 ms | 2000.0 ms | 2000.0 ms |" in text
    assert "3,000 bytes" in text
