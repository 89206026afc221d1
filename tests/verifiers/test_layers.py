"""What verifiers may import: neither nodes nor search, nothing that reaches the network, no library at the start."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from layout import ROOT

FILES = sorted((ROOT / "verifiers").glob("*.py"))
AT_THE_START = {"__future__", "collections", "comfy", "contextlib", "dataclasses", "folder_paths", "json", "logging"}
AT_THE_START |= {
    "PIL",
    "functools",
    "hashlib",
    "itertools",
    "math",
    "numpy",
    "pathlib",
    "re",
    "string",
    "torch",
    "typing",
    "zipfile",
}
WHEN_NEEDED = AT_THE_START | {"transformers"}


def imported(nodes: list[ast.stmt]) -> Iterator[str]:
    """First names of absolute imports; relative ones as they are written."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "") if node.level else node.module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    anywhere = set(imported(list(ast.walk(tree))))
    assert not {name for name in anywhere if name.startswith("..")}, "nodes and search are above the verifiers"
    assert {name for name in anywhere if not name.startswith(".")} <= WHEN_NEEDED
    assert {name for name in imported(tree.body) if not name.startswith(".")} <= AT_THE_START


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "nodes").glob("*.py"))], ids=lambda path: path.name)
def test_nothing_that_a_registry_refuses(path: Path) -> None:
    words = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert not words & {"eval", "exec", "urllib", "requests", "socket", "subprocess", "os"}
