"""Writes prompts in ComfyUI's API format."""

from __future__ import annotations

from typing import Any, NamedTuple

Link = list  # [node id, output index], as the API format has it


class Node(NamedTuple):
    id: str

    def out(self, index: int = 0) -> Link:
        return [self.id, index]


class Graph:
    """graph = Graph(); model = graph.node("LoadShapesModel"); graph.node("KSampler", model=model.out(0), ...)."""

    def __init__(self) -> None:
        self.prompt: dict[str, dict[str, Any]] = {}

    def node(self, class_type: str, **inputs: Any) -> Node:
        """Add a node. A link is `other.out(index)`; the first output may be passed as the node itself."""
        node = Node(str(len(self.prompt) + 1))
        wired = {name: value.out(0) if isinstance(value, Node) else value for name, value in inputs.items()}
        self.prompt[node.id] = {"class_type": class_type, "inputs": wired, "_meta": {"title": class_type}}
        return node
