"""Searches by every method on the demo model, and what the pictures of their winners carry."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from comfy_client import Client, Result
from comfy_graph import Node
from shapes_graph import ShapesGraph

METHODS = {
    "RandomSearch": {"candidates": 4, "pruning": "none"},
    "Pruned": {"candidates": 4, "pruning": "progressive"},
    "LookAhead": {"candidates": 4, "pruning": "look ahead"},
    "AutoSearch": {"budget": 8},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 2, "cosine": 0.9},
    "PathSearch": {"paths": 2, "branches": 2, "start": 0.7, "forward": 0.1, "backward": 0.4},
}


def search(graph: ShapesGraph, method: str) -> Node:
    kind = "RandomSearch" if method in ("Pruned", "LookAhead") else method
    return graph.node(
        kind,
        model=graph.loader,
        vae=graph.loader.out(2),
        verifier=graph.verifier,
        prompt=graph.caption,
        max_seconds=0.0,
        batch_size=0,
        **METHODS[method],
    )


def carried(client: Client, result: Result, saved: Node) -> list[dict[str, Any]]:
    """The winners in the last saved picture, which has them twice."""
    text = Image.open(io.BytesIO(client.images(result, saved)[-1])).text
    winners = json.loads(text["noise_search"])
    assert json.loads(text["workflow"])["extra"]["noise_search"] == winners
    return winners


def run(client: Client, graph: ShapesGraph, **workflow: Any) -> Result:
    """As the front end queues it, with the workflow."""
    return client.run(graph, extra_data={"extra_pnginfo": {"workflow": workflow}}).check()
