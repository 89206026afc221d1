"""What the pack needs of ComfyUI is there: an update that takes something away is told by name, and by who uses it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

import pytest

import host_uses
import imports

USED = sorted(set(host_uses.uses("search", "nodes", "verifiers")))


@functools.cache
def value(name: str) -> Any:
    """Of a dotted name. Raises AttributeError or ModuleNotFoundError for the first part that is not there."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return importlib.import_module(name)
    above = value(parent)
    if not hasattr(above, last) and hasattr(above, "__path__"):
        importlib.import_module(name)
    return getattr(above, last)


@pytest.mark.usefixtures("pack")
def test_all_that_is_used_of_comfyui_is_there() -> None:
    gone = []
    for name, module in USED:
        try:
            value(name)
        except (AttributeError, ModuleNotFoundError):
            gone.append(f"ComfyUI has no {name} any more, which {module} uses.")
    assert not gone, "\n".join(gone)


@pytest.mark.usefixtures("pack")
def test_what_is_not_there_is_seen() -> None:
    with pytest.raises(AttributeError):
        value("comfy.samplers.NoSuchThing")
    with pytest.raises(ModuleNotFoundError):
        value("comfy.no_such_module")


def test_the_room_names_every_part_of_comfyui_that_search_touches() -> None:
    listed = importlib.import_module("noise_search.search.host").__doc__.replace("\n    ", " ")
    modules = {_module(name) for name, _ in host_uses.uses("search")}
    assert sorted(module for module in modules if f"{module}:" not in listed) == []
    rooms = {(_module(name), user.removeprefix("search.").replace(".", "/")) for name, user in host_uses.uses("search")}
    lines = {line.partition(":")[0]: line for line in listed.splitlines() if ": " in line}
    assert sorted((module, user) for module, user in rooms if user not in lines[module]) == []


def _module(name: str) -> str:
    """The longest part of a dotted name that is a module of the host."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            if importlib.util.find_spec(".".join(parts[:count])):
                return ".".join(parts[:count])
        except (ModuleNotFoundError, ValueError):
            continue
    return parts[0]


def test_uses_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "a.py").write_text(
        "import comfy.samplers\nimport comfy.k_diffusion.sampling as k\nfrom nodes import X\nfrom .nodes import Y\n"
        "k.one()\ncomfy.samplers.two.three\n"
    )
    found = {name for name, _ in host_uses.uses("search")}
    assert {"comfy.k_diffusion.sampling.one", "nodes.X", "comfy.samplers.two.three"} <= found
    assert not any("Y" in name for name in found)
