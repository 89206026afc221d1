"""Workflows that were saved with earlier versions of the pack keep their wires and their settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comfy_client import Client
from comfy_server import Server
from frontend import Frontend
from layout import ROOT
from saved_graph import NOTES, widget_values

SAVED = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests/fixtures/saved").glob("*.json"))}
FEW = """() => {
    for (const node of app.rootGraph.nodes) {
        const candidates = node.widgets?.find(widget => widget.name === "candidates");
        if (candidates) candidates.value = 2;
    }
}"""


@pytest.fixture(scope="module")
def definitions(server: Server) -> dict[str, Any]:
    return Client(server.url).object_info()


def wires(workflow: dict[str, Any]) -> dict[tuple[str, str], list[Any]]:
    """What goes into an input, by node and name: a node's output, as a prompt has it."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    return {
        (str(target), nodes[target]["inputs"][slot]["name"]): [str(source), output]
        for _, source, output, target, slot, _ in workflow["links"]
    }


def settings(workflow: dict[str, Any], definitions: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The values of a workflow's widgets by node and name, where no wire goes in."""
    wired = wires(workflow)
    return {
        (str(node["id"]), name): value
        for node in workflow["nodes"]
        if node["type"] not in NOTES
        for name, value in widget_values(node, definitions[node["type"]])[0].items()
        if (str(node["id"]), name) not in wired
    }


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_workflow_has_its_wires_and_settings(page: Frontend, definitions: dict[str, Any], name: str) -> None:
    saved = SAVED[name]
    page.load(saved, name)
    assert page.missing_nodes() == []
    prompt = page.prompt()
    expected = wires(saved) | settings(saved, definitions)
    assert {place: prompt[place[0]]["inputs"].get(place[1]) for place in expected} == expected


def test_it_runs_with_defaults_for_what_came_later(page: Frontend) -> None:
    page.load(SAVED["search"], "search")
    page.page.evaluate(FEW)
    run = page.run()
    assert run.status == "success", run.message
