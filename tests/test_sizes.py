"""Nothing grows until nobody finds their way in it: functions, classes and the spine of a search stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import imports
from layout import ROOT

MOST_LINES = 35  # of a function in search and verifiers
MOST_ATTRIBUTES = 15  # that a class in search sets in itself
MOST_LINES_OF_DRIVER = 220


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in imports.modules(*folders):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def long_functions(tree: ast.Module) -> list[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES]


def attributes(class_: ast.ClassDef) -> set[str]:
    """Those that its methods set on `self`."""
    return {
        node.attr
        for node in ast.walk(class_)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def test_functions_are_short() -> None:
    found = [
        (imports.dotted(path), name) for path, tree in trees("search", "verifiers") for name in long_functions(tree)
    ]
    assert found == []


def test_classes_hold_little() -> None:
    classes = [
        (imports.dotted(path), node.name, len(attributes(node)))
        for path, tree in trees("search")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    assert [found for found in classes if found[2] > MOST_ATTRIBUTES] == []


def test_the_driver_is_short() -> None:
    assert len((ROOT / "search" / "driver.py").read_text(encoding="utf-8").splitlines()) < MOST_LINES_OF_DRIVER


def test_what_is_too_large_is_seen() -> None:
    lines = "\n".join(f"        self.a{number} = {number}" for number in range(MOST_LINES))
    tree = ast.parse(f"class Large:\n    def method(self):\n{lines}\n")
    assert long_functions(tree) == ["method"]
    assert len(attributes(tree.body[0])) == MOST_LINES
