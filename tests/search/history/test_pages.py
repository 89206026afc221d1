"""Pages on disk: those of another format are left alone."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe

pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = importlib.import_module("noise_search.search.history.pages")
    monkeypatch.setattr(module.folder_paths, "get_system_user_directory", lambda name: str(tmp_path / name))
    return module


def test_scores_of_another_format_are_not_read(pages: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Candidate({"a": 1.0}, Recipe(5), 4, b"")
    pages.page("a key").add(seen)
    assert pages.page("a key").find(Recipe(5)) is not None
    monkeypatch.setattr(pages, "FORMAT", pages.FORMAT + 1)
    assert pages.page("a key").find(Recipe(5)) is None


def test_the_first_format_had_no_number(pages: Any) -> None:
    pages.ledger().page("a key").add(Candidate({"a": 1.0}, Recipe(5), 4, b""))
    assert pages.page("a key").find(Recipe(5)) is None
