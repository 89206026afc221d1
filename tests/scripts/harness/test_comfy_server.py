"""Starting and ending a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfy_client import Client
from comfy_server import Server, ServerError, link_packs, serve


def test_the_pack_is_installed(server: Server, client: Client):
    installed = {path.name for path in (server.base / "custom_nodes").iterdir()}
    assert installed == {"noise-search"}
    failed = [line for line in server.log_text().splitlines() if "IMPORT FAILED" in line and "noise-search" in line]
    assert failed == []


def test_a_server_that_can_not_start_shows_its_log(comfyui: Path, tmp_path: Path):
    with pytest.raises(ServerError, match="unrecognized arguments: --no-such-option"):
        with serve(comfyui, tmp_path, "--no-such-option"):
            pass


def test_links_are_brought_up_to_date(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    link_packs(tmp_path / "nodes", {"a": first})
    link_packs(tmp_path / "nodes", {"b": second})
    assert {path.name: path.resolve() for path in (tmp_path / "nodes").iterdir()} == {"b": second}
