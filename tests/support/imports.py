"""What the modules of the repository import, read from their text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from layout import ROOT


def modules(*folders: str) -> list[Path]:
    """The Python files in these folders of the repository and below them."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def dotted(path: Path) -> str:
    """search/driver.py -> search.driver; search/methods/__init__.py -> search.methods"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def foreign(path: Path, at_the_start: bool = False) -> Iterator[str]:
    """First names of absolute imports; at_the_start: only of those outside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_the_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def own(path: Path) -> Iterator[str]:
    """Modules of the repository that a module imports by a relative import, as dotted names."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        parts = package.split(".") if package else []
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}" if base else alias.name
            yield inner if _is_module(inner) else base


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()
