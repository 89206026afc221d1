"""A disk that fills up while scores are written to it: the search goes on and says so."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from faults import run, searching
from noise_search.search.history.ledger import Ledger
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe
from small_models import best_report

pytestmark = pytest.mark.usefixtures("comfy")


class HalfALine:
    """A file on a disk that has room for half of what is written."""

    def __init__(self, file: Any):
        self.file = file

    def __enter__(self) -> HalfALine:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_in_the_middle_of_a_score_loses_that_score_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = [Candidate({"clip": float(seed)}, Recipe(seed), 20, b"", None) for seed in range(4)]
    page = Ledger(tmp_path).page("a graph")
    page.add(seen[0])
    opened = Path.open
    with monkeypatch.context() as patching:
        patching.setattr(Path, "open", lambda path, *mode: HalfALine(opened(path, *mode)))
        page.add(seen[1])
        page.add(seen[2])
    (said,) = [record.getMessage() for record in caplog.records]
    assert "can not be kept on disk" in said and "No space left on device" in said and "The search goes on" in said
    assert [page.find(one.recipe).scores for one in seen[:3]] == [one.scores for one in seen[:3]]
    later = Ledger(tmp_path).page("a graph")
    assert [later.find(one.recipe) is not None for one in seen] == [True, False, False, False]
    later.add(seen[3])
    assert [Ledger(tmp_path).page("a graph").find(one.recipe) is not None for one in seen] == [True, False, False, True]


def test_a_search_on_a_full_disk_goes_on_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = searching()
    expected = run(plain.model)
    page = Ledger(tmp_path).page("a graph")
    monkeypatch.setattr("noise_search.search.patch.page_of", lambda *_: page)
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: HalfALine(opened(path, *mode)))
    found = searching()
    assert torch.equal(run(found.model), expected)
    assert best_report(found).candidates == best_report(plain).candidates
    assert caplog.text.count("scores can not be kept on disk") == 1
