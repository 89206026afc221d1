"""What every test may use: the alias `noise_search`, ComfyUI in this process, the loaded pack, a server."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

import pack_alias
from comfy_client import Client
from comfy_server import Server, serve, threads
from layout import ROOT, comfyui_path, has_comfyui

COMFYUI = comfyui_path()
StartServer = Callable[..., Server]

# The root has a package `nodes`, ComfyUI a module of that name: the root must not be on the path, whoever put it there.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
pack_alias.register()
os.environ.update(threads() | os.environ)  # before anything imports torch
settings.register_profile("without a clock", deadline=None)  # a busy machine is no failure
settings.load_profile("without a clock")


class RootIsADirectory:
    """The root's __init__ can be imported by ComfyUI only; pytest would take the root for a package and import it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RootIsADirectory())
    if has_comfyui(COMFYUI):
        make_comfyui_importable()


def make_comfyui_importable() -> None:
    """ComfyUI reads its command line when it is first imported: give it one that says CPU."""
    sys.path.insert(0, str(COMFYUI))
    arguments, sys.argv = sys.argv, ["pytest", "--cpu", "--disable-api-nodes"]
    try:
        importlib.import_module("comfy.options").enable_args_parsing()
        importlib.import_module("comfy.cli_args")
    finally:
        sys.argv = arguments


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The folder of ComfyUI's source."""
    if not has_comfyui(COMFYUI):
        pytest.fail(f"no ComfyUI in {COMFYUI}: run scripts/test once, or set COMFYUI_PATH")
    return COMFYUI


@pytest.fixture(scope="session")
def comfy(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """ComfyUI in this process, on the CPU, with folders of its own. `import nodes` is ComfyUI's module."""
    folder_paths = importlib.import_module("folder_paths")
    base = tmp_path_factory.mktemp("comfy_in_process")
    folder_paths.set_output_directory(str(base / "output"))
    folder_paths.set_temp_directory(str(base / "temp"))
    folder_paths.set_input_directory(str(base / "input"))
    nodes = importlib.import_module("nodes")
    assert Path(nodes.__file__).resolve() == comfyui / "nodes.py"
    gc.collect()
    gc.freeze()  # the host collects garbage for each model that is gone: not all of torch every time
    return importlib.import_module("comfy")


@pytest.fixture(scope="session")
def pack(comfy: ModuleType) -> ModuleType:
    """The pack's entry point, run from its file as ComfyUI does; the same modules as `noise_search.*`."""
    module = sys.modules[pack_alias.PACK]
    spec = importlib.util.spec_from_file_location(
        pack_alias.PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module.__spec__, module.__file__, module.__package__ = spec, spec.origin, pack_alias.PACK
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def start_server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """start_server("--cache-none") -> a server; the same arguments give the same server for the whole session."""
    running: dict[tuple[str, ...], Server] = {}
    with ExitStack() as stack:

        def start(*arguments: str) -> Server:
            if arguments not in running:
                base = tmp_path_factory.mktemp("comfy_server")
                running[arguments] = stack.enter_context(serve(comfyui, base, *arguments))
            return running[arguments]

        yield start


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Server:
    """A real ComfyUI server with the pack and the demo model installed, one for the session."""
    return start_server()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url)
