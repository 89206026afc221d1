"""ComfyUI shows people the class of an error: those of the pack come without the path of its modules."""

from __future__ import annotations

import ast

import imports


def test_no_error_of_the_pack_has_a_path_in_front() -> None:
    found = {}
    for path in imports.modules("search", "nodes", "verifiers"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Error") for base in node.bases):
                set_in = [ast.unparse(line) for line in node.body if isinstance(line, ast.Assign)]
                found[node.name] = "__module__ = 'builtins'" in set_in
    assert len(found) >= 8
    assert [name for name, is_bare in found.items() if not is_bare] == []
