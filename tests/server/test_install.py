"""The published archive in a fresh ComfyUI with ComfyUI-Manager, installed as Manager installs it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

import archive
from comfy_client import Client
from comfy_server import Server, serve
from layout import PACK_NAME, ROOT
from saved_graph import NOTES
from shapes_graph import ShapesGraph, reports

OFFLINE = "[default]\nnetwork_mode = offline\n"


@pytest.fixture(scope="module")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The pack from its archive; Manager does not ask the registry."""
    base = tmp_path_factory.mktemp("managed_server")
    install(archive.pack(base / "node.zip"), base / "custom_nodes" / PACK_NAME)
    settings = base / "user" / "__manager" / "config.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text(OFFLINE, encoding="utf-8")
    with serve(comfyui, base, "--enable-manager", packs={}) as running:
        yield running


def install(file: Path, folder: Path) -> None:
    """Unpacked into a folder with the pack's name in the registry, and the list of its files beside them."""
    with zipfile.ZipFile(file) as packed:
        packed.extractall(folder)
        (folder / ".tracking").write_text("\n".join(packed.namelist()), encoding="utf-8")


def test_manager_knows_it_by_its_name_and_version(server: Server, client: Client) -> None:
    assert "[ComfyUI-Manager] network_mode: offline" in server.log_text()
    known = client.get("/v2/customnode/installed")[PACK_NAME]
    assert (known["cnr_id"], known["enabled"]) == (PACK_NAME, True)
    assert f'\nversion = "{known["ver"]}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_it_searches(server: Server, client: Client) -> None:
    graph = ShapesGraph(steps=2)
    search = graph.search(candidates=2)
    shown = graph.report(graph.ksampler(search), search)
    report = reports(client.run(graph).check(), shown)[0]
    assert len(report["candidates"]) == 2
    assert "IMPORT FAILED" not in server.log_text()


def test_every_template_it_lists_opens_without_a_missing_node(client: Client) -> None:
    listed = client.get("/workflow_templates")[PACK_NAME]
    packed = [PurePosixPath(name) for name in archive.files() if name.startswith("workflows/")]
    assert sorted(listed) == sorted(path.stem for path in packed if path.match("workflows/*.json"))
    listed += [path.stem for path in packed if path.match("workflows/more/*.json")]
    known = {*client.object_info(), *NOTES}
    for name in listed:
        workflow = client.get(f"/api/workflow_templates/{PACK_NAME}/{name}.json")
        assert {node["type"] for node in workflow["nodes"]} <= known, name


def test_its_scripts_and_translations_are_served(client: Client) -> None:
    assert f"/extensions/{PACK_NAME}/extension.js" in client.get("/extensions")
    assert client.get("/i18n")["zh"]["nodeDefs"]["RandomSearch"]["display_name"] == "随机搜索"
