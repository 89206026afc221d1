"""What the pack reaches for in ComfyUI, read from its text: modules, and the names used of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import imports

HOST = (
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "comfyui_version",
    "execution",
    "folder_paths",
    "nodes",
)
HOST += ("server",)


def uses(*folders: str) -> Iterator[tuple[str, str]]:
    """(what, by which module): what is a dotted name such as comfy.samplers.KSAMPLER."""
    for path in imports.modules(*folders):
        for name in _of(path):
            yield name, imports.dotted(path)


def _of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and _is_host(node.module or ""):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in (alias for alias in node.names if _is_host(alias.name)):
                found.add(alias.name)
                aliases[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
    for node in ast.walk(tree):
        name = _chain(node)
        if name is not None and name.partition(".")[0] in aliases:
            head, _, rest = name.partition(".")
            found.add(f"{aliases[head]}.{rest}")
    return found


def _is_host(module: str) -> bool:
    return module.partition(".")[0] in HOST


def _chain(node: ast.AST) -> str | None:
    """a.b.c of an attribute; None where it does not begin with a name."""
    if not isinstance(node, ast.Attribute):
        return None
    if isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    inner = _chain(node.value)
    return inner and f"{inner}.{node.attr}"
