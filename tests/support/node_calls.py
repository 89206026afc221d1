"""Calls the pack's nodes in this process as ComfyUI's executor does."""

from __future__ import annotations

import importlib
from typing import Any

NODE_ID = "12"


def node_class(name: str) -> Any:
    nodes = importlib.import_module("noise_search.nodes").NODES
    return next(node for node in nodes if node.define_schema().node_id == name)


def call(name: str, **inputs: Any) -> tuple[Any, ...]:
    """The node's outputs; its id is NODE_ID."""
    clone = node_class(name).PREPARE_CLASS_CLONE({"hidden_inputs": {"UNIQUE_ID": NODE_ID}})
    return clone.execute(**inputs).args
