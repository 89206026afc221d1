"""What would be published: everything that the pack needs, nothing else, and nothing that the registry holds back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

import archive
import registry_rules
from layout import PACK_NAME, ROOT

PACKED = archive.files()
PYTHON = [file for file in PACKED if file.endswith(".py")]
SCRIPTS = [file for file in PACKED if file.endswith((".js", ".mjs", ".css"))]
NEEDED = {"__init__.py", "cluster", "nodes", "search", "verifiers", "web", "locales", "workflows"}
NEEDED |= {"LICENSE", "README.md", "pyproject.toml", "requirements.txt"}
DEMO = {"demo"}  # of which only what its nodes need
LARGEST = 15_000_000  # bytes
MANIFEST = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def top(file: str) -> str:
    return PurePosixPath(file).parts[0]


def setting(name: str) -> str:
    """A text in pyproject.toml."""
    return re.search(rf'^{name} = "(.*)"$', MANIFEST, re.MULTILINE)[1]


def imported_files(file: str) -> Iterator[str]:
    """The files of the repository that a file imports, as `name` for name.py and name/__init__.py."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PurePosixPath(file).parents[node.level - 1]
            module = folder.joinpath(*(node.module or "").split("."))
            is_package = (ROOT / module / "__init__.py").is_file()
            yield from (str(module / alias.name) for alias in node.names) if is_package else [str(module)]


def test_it_holds_what_the_pack_needs_and_nothing_else():
    tops = {top(file) for file in PACKED}
    assert tops == NEEDED | DEMO
    assert [file for file in archive.tracked() if top(file) in NEEDED and file not in PACKED] == []


def test_of_the_demo_it_holds_what_its_nodes_need():
    packed = {file for file in PACKED if top(file) == "demo"}
    assert {"demo/weights/shapes.safetensors", "demo/weights/shapes_verifier.safetensors"} <= packed
    modules = {file for file in packed if file.endswith(".py")}
    imported, found = set(), {"demo/__init__.py", "demo/loaders.py"}
    while found != imported:
        imported = found
        found = imported | {f"{name}.py" for file in imported for name in imported_files(file)} & modules
    assert modules == imported


def test_what_its_code_imports_is_in_it():
    assert {"nodes/types.py", "verifiers/base.py"} <= set(PYTHON)
    for file in PYTHON:
        for module in imported_files(file):
            there = {f"{module}.py", f"{module}/__init__.py", f"{PurePosixPath(module).parent}/__init__.py"}
            assert there & set(PACKED), f"{file} imports {module}"


def test_it_is_smaller_than_15_mb(tmp_path: Path):
    assert archive.pack(tmp_path / "node.zip").stat().st_size < LARGEST


@pytest.mark.parametrize("file", PYTHON)
def test_a_module_runs_no_program_reads_no_environment_and_calls_no_server(file: str):
    assert registry_rules.in_python((ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", SCRIPTS)
def test_a_script_is_readable_and_talks_to_its_own_server_only(file: str):
    assert registry_rules.in_script((ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "import urllib.request",
        "from requests import get",
        "from aiohttp import ClientSession",
        "import aiohttp",
        "def late():\n    import pip",
        "import os\nos.environ['HOME']",
        "from os import getenv",
        "import os\nos.system('ls')",
        "eval('1')",
        "exec('pass')",
        "import torch\ntorch.hub.load('a', 'b')",
    ],
)
def test_the_rules_find_it_in_python(source: str):
    assert registry_rules.in_python(source)


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "const run = new Function('return 1')",
        "fetch('/x')",
        "load('https://example.com/x.js')",
        "await import('./x.js')",
        "var a=1;" * 40,
    ],
)
def test_the_rules_find_it_in_a_script(source: str):
    assert registry_rules.in_script(source)


def test_the_rules_let_a_server_s_route_pass():
    assert registry_rules.in_python("from aiohttp import web\nimport re\nre.compile('x')") == []
    assert registry_rules.in_script("const reply = await api.fetchApi('/boards');") == []


def test_the_host_reads_who_publishes_it_and_what_it_needs(comfyui: Path):
    from comfy_config.config_parser import extract_node_configuration

    read = extract_node_configuration(str(ROOT))
    assert read.project.name == PACK_NAME
    assert re.fullmatch(r"\d+\.\d+\.\d+", read.project.version)
    assert (ROOT / read.project.license.file).is_file()
    assert read.project.urls.repository.startswith("https://github.com/")
    assert read.project.supported_os == ["OS Independent"]
    assert re.fullmatch(r">=\d+\.\d+\.\d+", read.project.supported_comfyui_version)
    assert read.tool_comfy.publisher_id
    assert read.tool_comfy.display_name
    assert read.tool_comfy.includes == [], "what git ignores is not published"
    assert read.tool_comfy.web is None, "WEB_DIRECTORY says it; both would load every script twice"


@pytest.mark.parametrize(("name", "shape"), [("Icon", (1, 1)), ("Banner", (21, 9))])
def test_a_picture_for_the_registry_is_in_the_repository_and_has_its_shape(name: str, shape: tuple[int, int]):
    raw = setting("Repository").replace("github.com", "raw.githubusercontent.com") + "/main/"
    address = setting(name)
    assert address.startswith(raw)
    file = address.removeprefix(raw)
    assert file in archive.tracked()
    width, height = Image.open(ROOT / file).size
    assert width * shape[1] == height * shape[0]
    assert name == "Banner" or width <= 400
