"""What verifiers may import: nothing that reaches the network, no library at the start."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import imports

FILES = imports.modules("verifiers")
AT_THE_START = {
    "__future__",
    "collections",
    "comfy",
    "contextlib",
    "copy",
    "dataclasses",
    "folder_paths",
    "json",
    "logging",
}
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
WHEN_NEEDED = AT_THE_START | {"scipy", "transformers"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports(path: Path) -> None:
    assert set(imports.foreign(path)) <= WHEN_NEEDED
    assert set(imports.foreign(path, at_the_start=True)) <= AT_THE_START


@pytest.mark.parametrize("path", [*FILES, *imports.modules("nodes")], ids=lambda path: path.name)
def test_nothing_that_a_registry_refuses(path: Path) -> None:
    words = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert not words & {"eval", "exec", "urllib", "requests", "socket", "subprocess", "os"}
