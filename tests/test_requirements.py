"""Installing the pack changes no package that ComfyUI has, and what it imports ComfyUI has already."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import imports
from layout import ROOT

SHIPPED = [ROOT / "__init__.py", *imports.modules("nodes", "search", "verifiers")]
MODULES = {"Pillow": "PIL"}  # packages whose module has another name


def lines(path: Path) -> list[str]:
    """The requirements of a file, without comments."""
    stripped = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line]


def name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def declared() -> list[str]:
    """The dependencies in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"(.*?)"', re.search(r"^dependencies = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)[1])


def imported() -> Iterator[tuple[str, str]]:
    """File and first name of every absolute import in what ships, also of those inside functions."""
    for path in SHIPPED:
        yield from ((path.name, name) for name in imports.foreign(path))


def test_requirements_and_pyproject_say_the_same() -> None:
    assert lines(ROOT / "requirements.txt") == declared()


def test_no_requirement_touches_what_comfyui_requires(comfyui: Path) -> None:
    theirs = {name(line).lower() for line in lines(comfyui / "requirements.txt")}
    assert {"torch", "transformers", "numpy"} <= theirs
    assert [line for line in lines(ROOT / "requirements.txt") if name(line).lower() in theirs] == []


def test_no_requirement_is_pinned() -> None:
    assert [line for line in lines(ROOT / "requirements.txt") if line != name(line)] == []


def test_what_is_imported_comes_with_comfyui(comfyui: Path) -> None:
    packages = {MODULES.get(name(line), name(line)) for line in lines(comfyui / "requirements.txt")}
    own = {path.stem for path in comfyui.iterdir()}
    known = packages | own | sys.stdlib_module_names
    assert [entry for entry in imported() if entry[1] not in known] == []
