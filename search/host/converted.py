"""What ComfyUI makes of a queued prompt before it runs it: nodes replaced, inputs converted to their declared types."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from comfy_api.internal import _ComfyNodeInternal
from comfy_api.latest import _io
from comfy_execution.graph import get_input_info
from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]  ComfyUI's module, not the pack's

TYPES = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def replaced(nodes: Mapping[str, Any], server: Any) -> Mapping[str, Any]:
    """With other nodes in place of those that are gone, where a pack has told ComfyUI's server of such. The nodes
    themselves stay as they are."""
    gone = [node for node in nodes.values() if isinstance(node, dict) and _is_gone(node, server)]
    if not gone:
        return nodes
    after = copy.deepcopy(dict(nodes))
    server.node_replace_manager.apply_replacements(after)
    return after


def converted(class_type: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A node's inputs as ComfyUI's validation leaves them; the same when it has been there before.

    What it can not convert stays: ComfyUI refuses that prompt.
    """
    class_ = NODE_CLASS_MAPPINGS.get(class_type) if isinstance(class_type, str) else None
    if class_ is None:
        return dict(inputs)
    is_new, declared = issubclass(class_, _ComfyNodeInternal), class_.INPUT_TYPES()
    if is_new:
        declared = _io.get_finalized_class_inputs(declared, dict(inputs))[0]
    visible: Any = {name: declared.get(name, {}) for name in ("required", "optional")}
    return {name: _as(get_input_info(class_, name, visible)[0], value) for name, value in inputs.items()}


def _as(kind: Any, value: Any) -> Any:
    """kind: the declared type, None for an input that the node does not know."""
    if kind is None or isinstance(value, list):
        return value
    if isinstance(value, dict):
        value = value.get("__value__", value)
    try:
        for name, type_ in TYPES.items():
            if kind == name:
                value = type_(value)
    except (ValueError, TypeError, OverflowError):
        return value
    return value


def _is_gone(node: dict[str, Any], server: Any) -> bool:
    class_type = node.get("class_type")
    is_name = isinstance(class_type, str) and class_type not in NODE_CLASS_MAPPINGS
    manager = getattr(server, "node_replace_manager", None)  # a server may run without
    return is_name and manager is not None and manager.has_replacement(class_type)
