"""Imports go downwards only: nodes -> search, verifiers."""

from __future__ import annotations

from pathlib import Path

import pytest

import imports

ABOVE = {"verifiers": {"search", "nodes", "demo"}, "search": {"nodes", "demo"}, "nodes": {"demo"}}


def above(folder: str) -> list[tuple[str, str]]:
    """Imports that go up from a folder: (module, what it imports)."""
    paths = imports.modules(folder)
    assert paths, folder
    return [
        (imports.dotted(path), name)
        for path in paths
        for name in imports.own(path)
        if name.partition(".")[0] in ABOVE[folder]
    ]


@pytest.mark.parametrize("folder", ABOVE)
def test_nothing_imports_upwards(folder: str) -> None:
    assert above(folder) == []


def test_an_upward_import_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    for name in ("nodes/searches/base.py", "search/methods/wrong.py", "search/methods/right.py", "search/plan.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "search/methods/wrong.py").write_text("def late():\n    from ...nodes.searches import base\n")
    (tmp_path / "search/methods/right.py").write_text("from ..plan import Plan\nfrom nodes import NODE_CLASS_MAPPINGS")
    assert above("search") == [("search.methods.wrong", "nodes.searches.base")]
