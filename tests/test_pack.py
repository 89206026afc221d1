"""What a user gets by installing the pack: a fast start, and nodes that explain themselves."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comfy_client import Client
from layout import PACK_NAME, ROOT, pack_version

LOAD = """
import asyncio, importlib.util, json, sys, time
comfyui, root = sys.argv[1:]
sys.path.insert(0, comfyui)
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import utils.extra_config, execution, server, nodes, comfy_api.latest, comfy_extras.nodes_custom_sampler
import comfy_extras.nodes_align_your_steps, comfy_extras.nodes_gits
server.PromptServer(asyncio.new_event_loop())
there = set(sys.modules)
calls = []
watched = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.system"}
sys.addaudithook(lambda event, details: calls.append(event) if event in watched else None)
started = time.process_time()  # of the processor: other tests run beside this one
spec = importlib.util.spec_from_file_location("pack_folder", root + "/__init__.py", submodule_search_locations=[root])
pack = sys.modules["pack_folder"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
async def load():
    extension = await pack.comfy_entrypoint()
    await extension.on_load()
    return await extension.get_node_list()
count = len(asyncio.run(load()))
seconds = time.process_time() - started
fresh = set(sys.modules) - there
added = sorted({name.partition(".")[0] for name in fresh} - {"pack_folder"} - sys.stdlib_module_names)
demo = sorted(name for name in fresh if ".demo." in name)
print(json.dumps({"seconds": seconds, "added": added, "nodes": count, "calls": calls, "demo": demo}))
"""


@pytest.fixture(scope="module")
def loads(comfyui: Path) -> list[dict[str, Any]]:
    """Three times: the pack loaded on top of ComfyUI in a fresh process."""
    return [load_once(comfyui) for _ in range(3)]


def load_once(comfyui: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", LOAD, str(comfyui), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=comfyui)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def our_nodes(server) -> dict[str, dict[str, Any]]:
    every = Client(server.url).object_info()
    return {name: info for name, info in every.items() if info["python_module"].startswith(f"custom_nodes.{PACK_NAME}")}


def inputs(node: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, type and options of everything a user can connect or set."""
    for group in ("required", "optional"):
        for name, (kind, *options) in node["input"].get(group, {}).items():
            yield name, kind, options[0] if options else {}


def test_loading_takes_less_than_a_second(loads: list[dict[str, Any]]):
    assert statistics.median(load["seconds"] for load in loads) < 1


def test_loading_imports_nothing_that_comfyui_had_not(loads: list[dict[str, Any]]):
    assert loads[0]["added"] == []


def test_loading_leaves_the_demo_alone_until_it_is_used(loads: list[dict[str, Any]]):
    assert loads[0]["demo"] == ["pack_folder.demo.loaders"]


def test_loading_asks_no_network_and_runs_no_program(loads: list[dict[str, Any]]):
    assert [load["calls"] for load in loads] == [[], [], []]


def test_the_server_has_every_node_of_the_pack(loads: list[dict[str, Any]], our_nodes: dict[str, Any]):
    of_the_pack = [info for info in our_nodes.values() if info["python_module"] == f"custom_nodes.{PACK_NAME}"]
    assert len(of_the_pack) == loads[0]["nodes"] > 0


def test_every_node_has_a_description(our_nodes: dict[str, Any]):
    assert [name for name, info in our_nodes.items() if not info["description"]] == []


def test_every_node_is_in_the_pack_s_category(our_nodes: dict[str, Any]):
    assert {info["category"].partition("/")[0] for info in our_nodes.values()} == {"noise search"}


def test_every_input_has_a_tooltip(our_nodes: dict[str, Any]):
    for node, info in our_nodes.items():
        assert [name for name, _, options in inputs(info) if not options.get("tooltip")] == [], node


def test_every_output_has_a_tooltip(our_nodes: dict[str, Any]):
    for node, info in our_nodes.items():
        assert all(info["output_tooltips"]) and len(info["output_tooltips"]) == len(info["output"]), node


def test_every_number_has_bounds_and_a_default(our_nodes: dict[str, Any]):
    for node, info in our_nodes.items():
        for name, kind, options in inputs(info):
            if kind in ("INT", "FLOAT") and not options.get("forceInput"):
                assert {"min", "max", "default"} <= options.keys(), f"{node}.{name}"


def test_the_citation_and_every_template_have_the_version_of_the_pack():
    """A new version: in CITATION.cff, and in workflows/ by scripts/make_templates.py."""
    assert f"\nversion: {pack_version()}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    templates = {
        path.name: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "workflows").glob("*.json")
    }
    origins = [(name, node["properties"]) for name, template in templates.items() for node in template["nodes"]]
    ours = [(name, origin["ver"]) for name, origin in origins if origin.get("cnr_id") == PACK_NAME]
    assert len({name for name, _ in ours}) == len(templates) > 0
    assert [(name, version) for name, version in ours if version != pack_version()] == []
