"""The harness itself, on stock nodes."""

from __future__ import annotations

import pytest

from comfy_graph import Graph
from frontend import Frontend

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])


def picture() -> Graph:
    graph = Graph()
    image = graph.node("EmptyImage", width=64, height=64, batch_size=1, color=255)
    graph.node("PreviewImage", images=image)
    return graph


@BOTH
def test_the_run_button_runs_the_workflow(page: Frontend):
    page.load_prompt(picture().prompt, "picture")
    run = page.run()
    assert run.status == "success", run.message
    assert [done["node"] for done in run.executed] == ["2"]


def test_a_workflow_loads_as_it_was_saved(page: Frontend):
    page.load_prompt(picture().prompt, "picture")
    saved = page.workflow()
    page.load(saved, "again")
    assert page.prompt()["1"]["inputs"] == picture().prompt["1"]["inputs"]


def test_a_failing_run_tells_why(page: Frontend):
    graph = picture()
    graph.node("MaskPreview", mask=graph.node("ImageToMask", image=["1", 0], channel="alpha"))
    page.load_prompt(graph.prompt, "failing")
    run = page.run()
    assert run.status == "error"
    assert "ImageToMask" in run.message


def test_missing_nodes_are_named(page: Frontend):
    page.load_prompt(picture().prompt, "picture")
    saved = page.workflow()
    saved["nodes"][0]["type"] = "NoSuchNode"
    page.load(saved, "missing")
    assert page.missing_nodes() == ["NoSuchNode"]
