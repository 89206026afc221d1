"""Ctrl+B on the pack's nodes, in both renderings: the workflow runs as if they were not there."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from comfy_client import Client
from comfy_graph import Node
from frontend import Frontend
from seen_boards import BOTH
from shapes_graph import ShapesGraph

# ComfyUI hears the key only while the focus is in its canvas.
SELECT = """ids => {
    app.canvas.selectItems(ids.map(id => app.rootGraph.getNodeById(id)));
    app.canvas.canvas.focus();
}"""
ARE_BYPASSED = "([ids, wanted]) => ids.every(id => (app.rootGraph.getNodeById(id).mode === 4) === wanted)"


class Searches(ShapesGraph):
    """A sampler behind a search of each kind, with a chain of verifiers, and one without a search."""

    def __init__(self) -> None:
        super().__init__()
        self.worst = self.node("WorstFrame", verifier=self.verifier)
        self.judges = self.node("EnsembleVerifier", combine="rank mean", **{"verifiers.verifier0": self.worst})
        given = {"model": self.loader, "vae": self.loader.out(2), "verifier": self.judges, "prompt": self.caption}
        self.searches = [
            self.node("RandomSearch", **given, candidates=4),
            self.node("ZeroOrderSearch", **given, iterations=1, neighbors=2, cosine=0.9),
            self.node("PathSearch", **given, paths=2, branches=2, levels="early"),
            self.node("AutoSearch", **given, budget=4),
        ]
        self.samplers = [self.ksampler(search) for search in self.searches]
        self.report = self.node("SearchReport", latent=self.samplers[0], search=self.searches[0].out(1))
        self.shown = [self.saved(latent) for latent in (self.report, *self.samplers[1:])]
        self.plain = self.saved(self.ksampler(self.loader))


def press_ctrl_b(page: Frontend, nodes: list[Node], bypassed: bool = True) -> dict[str, Any]:
    """What the front end would queue then."""
    ids = [node.id for node in nodes]
    page.page.evaluate(SELECT, ids)
    page.page.keyboard.press("Control+b")
    page.page.wait_for_function(ARE_BYPASSED, arg=[ids, bypassed])
    return page.prompt()


def without(page: Frontend, *nodes: Node) -> dict[str, Any]:
    """What the front end would queue with these bypassed; afterwards they are not."""
    prompt = press_ctrl_b(page, list(nodes))
    assert not prompt.keys() & {node.id for node in nodes}
    press_ctrl_b(page, list(nodes), bypassed=False)
    return {name: node["inputs"] for name, node in prompt.items()}


@BOTH
def test_the_workflow_runs_as_if_they_were_not_there(page: Frontend) -> None:
    graph = Searches()
    page.load_prompt(graph.prompt)
    at_first = page.prompt()
    decoded = [graph.prompt[shown.id]["inputs"]["images"][0] for shown in graph.shown]

    for search, sampler in zip(graph.searches, graph.samplers):
        assert without(page, search)[sampler.id]["model"] == [graph.loader.id, 0]
    first, report = graph.searches[0], graph.report
    assert "search" not in without(page, first)[report.id]
    assert without(page, report)[decoded[0]]["samples"] == [graph.samplers[0].id, 0]
    left = without(page, first, report)
    assert left[graph.samplers[0].id]["model"] == [graph.loader.id, 0]
    assert left[decoded[0]]["samples"] == [graph.samplers[0].id, 0]
    assert without(page, graph.worst)[graph.judges.id]["verifiers.verifier0"] == [graph.verifier.id, 0]
    assert without(page, graph.judges)[first.id]["verifier"] == [graph.worst.id, 0]
    judged_by_none = without(page, graph.verifier, graph.worst, graph.judges)
    assert all("verifier" not in judged_by_none[search.id] for search in graph.searches)
    assert page.prompt() == at_first

    press_ctrl_b(page, [*graph.searches[1:], graph.verifier])
    run = page.run()
    assert run.status == "success", run.message
    images = [pixels(page, run.executed, shown) for shown in (*graph.shown, graph.plain)]
    assert all(image == images[-1] for image in images)


def pixels(page: Frontend, executed: list[dict[str, Any]], saved: Node) -> bytes:
    (image,) = next(done["output"]["images"] for done in executed if done["node"] == saved.id)
    return Image.open(io.BytesIO(Client(page.url).image(image))).convert("RGB").tobytes()
