"""The workflows that ComfyUI lists under the pack's name, held against the host's own node definitions."""

from __future__ import annotations

import copy
import importlib
import io
import json
import re
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from comfy_client import Client
from layout import PACK_NAME, ROOT
from saved_graph import NOTES, declared, problems, widget_values
from templates.files import ARCHIVED

LISTED = sorted((ROOT / "workflows").glob("*.json"))
MORE = sorted((ROOT / "workflows" / "more").glob("*.json"))
WORKFLOWS = [*LISTED, *MORE]
WIDEST, TALLEST = 2200, 1300  # readable at first sight
OLD = {"demo_search": "better_image_demo", "sdxl_steps": "steps_where_needed_sdxl", "demo_budget": "more/demo_budget"}
TEMPLATES = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
MODEL_FILE = re.compile(r"\.(safetensors|sft|ckpt|pth|pt|bin)$")
DOWNLOADED = re.compile(r"https://huggingface\.co/[^/]+/[^/]+/resolve/main/.+\.(safetensors|sft|ckpt|pth|pt)")
LARGEST = 40_000  # bytes of a thumbnail
TITLE = 30  # height of the bar above a node's place
TALLER = {PACK_NAME: 60, "comfy-core": 35}  # of a node drawn by Vue, with the mark of a missing file
OF_EVERY_INSTALL = {"example.png"}  # a picture in ComfyUI's input folder


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def real_nodes(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in workflow["nodes"] if node["type"] not in NOTES]


@pytest.fixture(scope="module")
def definitions(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of a server that has what every install has."""
    found = Client(request.getfixturevalue("server").url).object_info()
    found["LoadImage"]["input"]["required"]["image"] = ["COMBO", {"options": sorted(OF_EVERY_INSTALL)}]
    return found


@TEMPLATES
def test_every_input_is_what_the_host_takes(path: Path, definitions: dict[str, Any]) -> None:
    assert problems(read(path), definitions) == []


@TEMPLATES
def test_every_node_says_which_pack_in_which_version_it_comes_from(path: Path, definitions: dict[str, Any]) -> None:
    packs = {f"custom_nodes.{PACK_NAME}": PACK_NAME}
    for node in real_nodes(read(path)):
        origin = packs.get(definitions[node["type"]]["python_module"], "comfy-core")
        assert node["properties"]["cnr_id"] == origin
        assert re.fullmatch(r"\d+\.\d+\.\d+", node["properties"]["ver"])


@TEMPLATES
def test_every_file_it_loads_is_declared_with_address_and_folder(path: Path, client: Client) -> None:
    folders = set(client.get("/models"))
    workflow = read(path)
    definitions = client.object_info()
    for node in real_nodes(workflow):
        values, _ = widget_values(node, definitions[node["type"]])
        loaded = {value for value in values.values() if isinstance(value, str) and MODEL_FILE.search(value)}
        assert {file["name"] for file in declared(node)} == loaded - set(ARCHIVED)
        for file in declared(node):
            assert file["directory"] in folders
            assert DOWNLOADED.fullmatch(file["url"]), "the front end downloads from nowhere else"
            assert Path(file["url"]).name == Path(file["name"]).name


def test_files_of_verifiers_are_the_known_ones(pack: ModuleType) -> None:
    modules = ("clip_score", "hps", "image_reward", "pickscore")
    known = [model for name in modules for model in importlib.import_module(f"noise_search.verifiers.{name}").KNOWN]
    known.append(importlib.import_module("noise_search.verifiers.reference").DINO)
    addresses = {model.file: model.address for model in known}
    files = [file for path in WORKFLOWS for node in read(path)["nodes"] for file in declared(node)]
    verifiers = [file for file in files if file["directory"] == "verifiers"]
    assert {file["name"] for file in verifiers} >= {"ImageReward/ImageReward.pt", "dinov2-base/model.safetensors"}
    for file in verifiers:
        assert file["url"].startswith(f"{addresses[file['name']]}/resolve/main/")


@TEMPLATES
def test_a_note_explains_what_it_costs(path: Path) -> None:
    notes = [node["widgets_values"][0] for node in read(path)["nodes"] if node["type"] == "MarkdownNote"]
    assert any(re.search(r"\bcosts?\b.*\d", note, re.IGNORECASE | re.DOTALL) for note in notes)


@pytest.mark.parametrize("path", LISTED, ids=[path.stem for path in LISTED])
def test_it_is_readable_at_first_sight(path: Path) -> None:
    nodes = read(path)["nodes"]
    assert max(node["pos"][0] + node["size"][0] for node in nodes) <= WIDEST
    assert max(node["pos"][1] + node["size"][1] for node in nodes) <= TALLEST


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_gives_the_template_that_it_is_now(old: str, client: Client) -> None:
    assert client.get(f"/api/workflow_templates/{PACK_NAME}/{old}.json") == read(ROOT / f"workflows/{OLD[old]}.json")
    assert old not in client.get("/workflow_templates")[PACK_NAME]


def test_every_template_has_a_note_in_chinese() -> None:
    for path in LISTED:
        notes = [node["widgets_values"][0] for node in read(path)["nodes"] if node["type"] == "MarkdownNote"]
        assert any("成本" in note for note in notes), path.stem


@pytest.mark.parametrize("path", LISTED, ids=[path.stem for path in LISTED])
def test_the_host_lists_it_with_a_small_thumbnail(path: Path, client: Client) -> None:
    assert path.stem in client.get("/workflow_templates")[PACK_NAME]
    with urllib.request.urlopen(f"{client.url}/api/workflow_templates/{PACK_NAME}/{path.stem}.jpg") as reply:
        data = reply.read()
    assert len(data) < LARGEST
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        assert picture.width <= 720


@TEMPLATES
def test_nodes_do_not_lie_on_each_other(path: Path) -> None:
    boxes = [box(node) for node in read(path)["nodes"]]
    for at, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, tall in boxes[:at]:
            assert x >= left + wide or left >= x + width or y >= top + tall or top >= y + height


def box(node: dict[str, Any]) -> tuple[int, int, int, int]:
    """Left, top, width and height, in the taller of both renderings."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, width, height + TITLE + TALLER.get(node["properties"].get("cnr_id"), 0)


def broken(change: Any) -> dict[str, Any]:
    """A template of which one thing was changed."""
    workflow = copy.deepcopy(read(ROOT / "workflows" / "better_image_sd15.json"))
    change({node["type"]: node for node in workflow["nodes"]}, workflow["links"])
    return workflow


def set_value(kind: str, at: int, value: Any) -> Any:
    return lambda nodes, links: nodes[kind]["widgets_values"].__setitem__(at, value)


BREAKS = {
    "KSampler.*sampler_name is 'eular': no choice": set_value("KSampler", 4, "eular"),
    "KSampler.*steps is 0, but it is INT from 1": set_value("KSampler", 2, 0),
    "KSampler.*steps is '20', but it is INT": set_value("KSampler", 2, "20"),
    "ImageRewardVerifier.*model is 'other.pt': no choice, and no file": set_value("ImageRewardVerifier", 0, "other.pt"),
    "KSampler.*values that belong to no input": lambda nodes, links: nodes["KSampler"]["widgets_values"].append(1),
    "VAEDecode.*samples is missing": lambda nodes, links: links.__delitem__(
        next(at for at, link in enumerate(links) if link[3] == nodes["VAEDecode"]["id"] and link[4] == 0)
    ),
    "KSampler.*positive is CONDITIONING, but IMAGE comes in": lambda nodes, links: links.append(
        [99, nodes["VAEDecode"]["id"], 0, nodes["KSampler"]["id"], 1, "IMAGE"]
    ),
    r"NoSampler \d+: there is no such node": lambda nodes, links: nodes["KSampler"].update(type="NoSampler"),
}


@pytest.mark.parametrize("told", BREAKS)
def test_what_is_wrong_is_seen(told: str, definitions: dict[str, Any]) -> None:
    found = problems(broken(BREAKS[told]), definitions)
    assert any(re.search(told, problem) for problem in found), found
