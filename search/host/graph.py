"""Reading a prompt: what its nodes are connected to, and whether it is the same as another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from comfy_execution.graph import DynamicPrompt, get_input_info
from comfy_execution.graph_utils import is_link
from comfy_execution.progress import get_progress_state
from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]  ComfyUI's module, not the pack's

from .converted import converted

Link = list[Any]  # [node id, output slot]
LOOP = "SearchLoopClose"  # whose copies of nodes are candidates


def running(prompt_id: str) -> DynamicPrompt | None:
    """The graph of this prompt, with what its nodes have expanded into; None when another one is running."""
    state = get_progress_state()
    return state.dynprompt if state.prompt_id == prompt_id else None


def expanders(prompt: DynamicPrompt, node_id: str) -> list[str]:
    """The node that has put this one into the prompt while it runs, the one that has put that there, and so on; none
    for a node that was queued."""
    found: list[str] = []
    parent = prompt.get_parent_node_id(node_id)
    while parent is not None:
        found.append(parent)
        parent = prompt.get_parent_node_id(parent)
    return found


def is_candidate(prompt: DynamicPrompt, node_id: str) -> bool:
    """Whether a Search Loop has made this node, as a copy for one of its candidates."""
    return any(prompt.get_node(node)["class_type"] == LOOP for node in expanders(prompt, node_id))


def upstream(
    prompt: DynamicPrompt, ends: Iterable[str], stop: str | None = None, lazy: bool = True, made: bool = False
) -> list[str]:
    """The nodes that `ends` depend on and they themselves, each after those it depends on.

    stop: a node not to go beyond, which is left out. lazy: whether to follow inputs that may not be evaluated. made:
    whether a node that was given objects depends on the one that has expanded into it.
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
            waiting += [(giver, False) for giver in givers(prompt, node, prompt.get_node(node)["inputs"]) if made]
    return order


def upstream_of(nodes: Mapping[str, Any], end: str) -> list[str]:
    """The node and all it depends on, of a prompt as it was queued, that nothing has checked."""
    found: list[str] = []
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.append(node)
        inputs = held(nodes.get(node), "inputs")
        if isinstance(inputs, dict):
            waiting += [str(value[0]) for value in inputs.values() if is_link(value)]
    return found


def links(prompt: DynamicPrompt, node_id: str, lazy: bool = True) -> Iterator[Link]:
    """What the node's inputs are connected to."""
    node = prompt.get_node(node_id)
    for name, value in node["inputs"].items():
        if is_link(value) and (lazy or not _is_lazy(node["class_type"], name)):
            yield value


def is_plain(value: Any) -> bool:
    """Whether a value is what it looks like in JSON, and no object such as a model or an image."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(item) for name, item in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def givers(prompt: DynamicPrompt, node_id: str, inputs: Mapping[str, Any]) -> list[str]:
    """The node that has given objects to these inputs of a node; none where all are links and plain values."""
    parent = prompt.get_parent_node_id(node_id)
    return [] if parent is None or all(map(is_plain, inputs.values())) else [parent]


def class_of(prompt: DynamicPrompt, node_id: str) -> Any:
    return NODE_CLASS_MAPPINGS[prompt.get_node(node_id)["class_type"]]


def _is_lazy(class_type: str, name: str) -> bool:
    _, _, options = get_input_info(NODE_CLASS_MAPPINGS[class_type], name)
    return bool(options and options.get("lazy"))


def signature(nodes: Mapping[str, Any], node: str) -> str:
    """The same for two prompts if this node and everything before it are the same, by id, class and inputs.

    nodes: of a prompt that was queued, before or after ComfyUI has converted their inputs.
    """
    before: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if at in before or at not in nodes:
            continue
        class_type, inputs = held(nodes[at], "class_type"), held(nodes[at], "inputs")
        inputs = converted(class_type, inputs) if isinstance(inputs, dict) else {}
        before[at] = [class_type, _plain(inputs)]
        waiting += [value[0] for value in inputs.values() if is_link(value)]
    text = json.dumps(before, sort_keys=True, default=repr)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def held(value: Any, name: str) -> Any:
    """What a JSON object holds under this name; None when it holds nothing there, or is no object."""
    return value.get(name) if isinstance(value, dict) else None


def _plain(value: Any) -> Any:
    """7.0 and True as 7 and 1, which are the same to ComfyUI's cache, where a node takes values of any type."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    is_whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole else value
