"""Imports go downwards only: nodes -> search, verifiers, demo, and within search from room to room."""

from __future__ import annotations

from pathlib import Path

import pytest

import imports

ABOVE = {
    "verifiers": {"search", "nodes", "demo"},
    "search": {"nodes", "demo"},
    "demo": {"search", "nodes", "verifiers"},
}
FLOORS = (  # of search, the lowest first; a room imports those on lower floors and its own
    {"records", "host", "methods.checks", "methods.noise", "methods.pruning"},
    {"methods", "pictures"},
    {"plan"},
    {"stopping", "keeping"},
    {"course"},
    {"sampling", "judging", "board"},
    {"history", "steps"},
    {"remaking", "crew"},
    {"evaluate"},
    {"finals", "crew.spread"},
    {"driver"},
    {"crew.errands"},
    {"results", "replay"},
    {"patch", "loop"},
)
PURE = ("search/methods", "search/records", "search/pictures")
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "folder_paths", "nodes", "server", "execution"}
HOST |= {"comfyui_version", "aiohttp"}


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


def floor(name: str) -> int:
    """Of a module of search, by its own name or its room's."""
    inside = name.removeprefix("search.")
    named = [number for number, rooms in enumerate(FLOORS) if inside in rooms]
    by_room = [number for number, rooms in enumerate(FLOORS) if inside.partition(".")[0] in rooms]
    return (named or by_room)[0]


def rising() -> list[tuple[str, str]]:
    """Imports within search that go up, or from one room to another on the same floor."""
    arrows = [(imports.dotted(path), name) for path in imports.modules("search") for name in imports.own(path)]
    rooms = [(one, other) for one, other in arrows if other.startswith("search.") and one != "search"]
    return [(one, other) for one, other in rooms if room(one) != room(other) and floor(one) <= floor(other)]


def room(name: str) -> str:
    return name.removeprefix("search.").partition(".")[0]


@pytest.mark.parametrize("folder", ABOVE)
def test_nothing_imports_upwards(folder: str) -> None:
    assert above(folder) == []


def test_rooms_import_what_is_below_them() -> None:
    assert rising() == []


def test_every_room_has_its_floor() -> None:
    names = [imports.dotted(path) for path in imports.modules("search")]
    assert [floor(name) for name in names if name != "search"]


@pytest.mark.parametrize("folder", PURE)
def test_what_is_pure_imports_nothing_of_comfyui(folder: str) -> None:
    found = [(path.name, name) for path in imports.modules(folder) for name in imports.foreign(path) if name in HOST]
    assert found == []


def test_an_upward_import_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    for name in ("nodes/searches/base.py", "search/methods/wrong.py", "search/methods/right.py", "search/plan.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "search/methods/wrong.py").write_text("def late():\n    from ...nodes.searches import base\n")
    (tmp_path / "search/methods/right.py").write_text("from ..plan import Plan\nfrom nodes import NODE_CLASS_MAPPINGS")
    assert above("search") == [("search.methods.wrong", "nodes.searches.base")]
    assert rising() == [("search.methods.right", "search.plan")]
