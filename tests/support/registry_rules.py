"""What the Comfy Registry holds a version back for, found in the source of a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

PROCESSES = {"subprocess", "multiprocessing", "pty", "ctypes", "cffi"}
NETWORK = {"socket", "socketserver", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "ftplib", "smtplib"}
NETWORK |= {"websocket", "websockets", "huggingface_hub", "gdown"}
INSTALLERS = {"pip", "ensurepip", "setuptools", "uv"}
OTHER = {"pickle", "marshal", "importlib", "runpy", "code"}
MODULES = PROCESSES | NETWORK | INSTALLERS | OTHER
SERVER_ONLY = {"aiohttp": {"web"}}  # of these modules nothing but that
CALLS = {"eval", "exec", "compile", "__import__"}
OS_READS = {"environ", "environb", "getenv", "putenv", "unsetenv"}
OS_RUNS = ("system", "popen", "exec", "spawn", "fork", "posix_spawn", "startfile", "kill")
FETCHES = {"load_url", "hub", "load_state_dict_from_url", "download_url", "snapshot_download", "hf_hub_download"}
SCRIPT = re.compile(r"\beval\(|new Function|\bimport\(|XMLHttpRequest|WebSocket|sendBeacon|(?<!\.)\bfetch\(|\batob\(")
ADDRESS = re.compile(r"https?://(?!www\.w3\.org/)")  # names of XML's vocabularies are no addresses
LONGEST_LINE = 200
LARGEST_SCRIPT = 50_000


def in_python(source: str) -> list[str]:
    """Of each thing that is not allowed, its line and what it is."""
    return [f"{line}: {what}" for node in ast.walk(ast.parse(source)) for line, what in _found(node)]


def _found(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names if _is_barred(alias.name))
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        yield from ((node.lineno, f"{node.module}.{name}") for name in _barred_names(node))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield node.lineno, node.func.id
    elif isinstance(node, ast.Attribute) and _is_barred_attribute(node):
        yield node.lineno, node.attr


def _is_barred(module: str) -> bool:
    return module.partition(".")[0] in MODULES | SERVER_ONLY.keys()


def _barred_names(node: ast.ImportFrom) -> list[str]:
    names = {alias.name for alias in node.names}
    if node.module == "os":
        return sorted(name for name in names if name in OS_READS or name.startswith(OS_RUNS))
    return sorted(names - SERVER_ONLY.get(node.module, set())) if _is_barred(node.module) else []


def _is_barred_attribute(node: ast.Attribute) -> bool:
    if isinstance(node.value, ast.Name) and node.value.id == "os":
        return node.attr in OS_READS or node.attr.startswith(OS_RUNS)
    return node.attr in FETCHES


def in_script(source: str) -> list[str]:
    """As in_python, for JavaScript and style sheets; minified ones count."""
    found = [f"{match[0]}" for pattern in (SCRIPT, ADDRESS) for match in pattern.finditer(source)]
    found += [f"a line of {len(line)} characters" for line in source.splitlines() if len(line) > LONGEST_LINE]
    return found + ([f"{len(source)} characters"] if len(source) > LARGEST_SCRIPT else [])
