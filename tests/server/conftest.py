"""A server that also has the tests' own custom nodes and model files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import odd_verifiers
import tiny_files
from comfy_client import Client
from comfy_server import Server, serve
from layout import custom_nodes


@pytest.fixture(scope="session")
def odd_server(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With odd verifiers installed, and small random models in its folders."""
    base = tmp_path_factory.mktemp("odd_server")
    tiny_files.write_all(base / "models")
    packs = custom_nodes() | {"odd-verifiers": Path(odd_verifiers.__file__).parent}
    with serve(comfyui, base, packs=packs) as server:
        yield server


@pytest.fixture
def odd_client(odd_server: Server) -> Client:
    return Client(odd_server.url)
