"""Reading a prompt: what its nodes are connected to, and whether it is the same as another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from comfy_execution.graph import DynamicPrompt, get_input_info
from comfy_execution.graph_utils import is_link
from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]  ComfyUI's module, not the pack's

Link = list[Any]  # [node id, output slot]


def upstream(prompt: DynamicPrompt, ends: Iterable[str], stop: str | None = None, lazy: bool = True) -> list[str]:
    """The nodes that `ends` depend on and they themselves, each after those it depends on.

    stop: a node not to go beyond, which is left out. lazy: whether to follow inputs that may not be evaluated.
    """
    order: list[str] = []
    seen = {stop}
    waiting = [(end, False) for end in ends]
    while waiting:
        node, is_next = waiting.pop()
        if is_next:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            waiting += [(link[0], False) for link in links(prompt, node, lazy)]
    return order


def links(prompt: DynamicPrompt, node_id: str, lazy: bool = True) -> Iterator[Link]:
    """What the node's inputs are connected to."""
    node = prompt.get_node(node_id)
    for name, value in node["inputs"].items():
        if is_link(value) and (lazy or not _is_lazy(node["class_type"], name)):
            yield value


def class_of(prompt: DynamicPrompt, node_id: str) -> Any:
    return NODE_CLASS_MAPPINGS[prompt.get_node(node_id)["class_type"]]


def _is_lazy(class_type: str, name: str) -> bool:
    _, _, options = get_input_info(NODE_CLASS_MAPPINGS[class_type], name)
    return bool(options and options.get("lazy"))


def signature(nodes: Mapping[str, Any], node: str) -> str:
    """The same for two prompts if this node and everything before it are the same, by id, class and inputs."""
    before: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if at in before or at not in nodes:
            continue
        inputs = held(nodes[at], "inputs")
        before[at] = [held(nodes[at], "class_type"), _plain(inputs)]
        waiting += [value[0] for value in inputs.values() if is_link(value)] if isinstance(inputs, dict) else []
    return hashlib.sha1(json.dumps(before, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def held(value: Any, name: str) -> Any:
    """What a JSON object holds under this name; None when it holds nothing there, or is no object."""
    return value.get(name) if isinstance(value, dict) else None


def _plain(value: Any) -> Any:
    """7.0 as 7: the front end sends one, and ComfyUI's validation puts the other in its place."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
