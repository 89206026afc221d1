"""What an output in a loop depends on, as a text: while it is the same, the same noise gives the same."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph_utils import is_link
from execution import IsChangedCache

from .loop_body import Flow, Link, upstream


async def graph_key(prompt: DynamicPrompt, prompt_id: str, flow: Flow, link: Link, title: str) -> str | None:
    """Everything but the candidate that this output depends on: the nodes before it, their settings and their files.

    None, with a line in the log, when a node says that it gives something else each time.
    """
    keys = {flow.open_id: "Search Loop Open"}
    value = prompt.get_node(flow.open_id)["inputs"].get("value")
    before_open = upstream(prompt, [value[0]]) if is_link(value) else []
    changes = IsChangedCache(prompt_id, prompt, None)
    for node_id in [*before_open, *upstream(prompt, [link[0]], stop=flow.open_id)]:
        node = prompt.get_node(node_id)
        changed = await changes.get(node_id)
        if _is_never_the_same(changed):
            logging.info(
                "%s: node %s (%s) may give something else each time, so nothing is kept for the next run.",
                *(title, node_id, node["class_type"]),
            )
            return None
        inputs = {name: _input_key(given, keys) for name, given in node["inputs"].items()}
        keys[node_id] = _digest([node["class_type"], changed, inputs])
    given = [_input_key(value, keys), flow.item]
    return _digest([comfyui_version.__version__, keys[link[0]], link[1], given])


def _is_never_the_same(changed: Any) -> bool:
    """Whether a node's fingerprint, one for each list entry it runs for, is or holds a NaN: ComfyUI's sign for that."""
    parts = changed if isinstance(changed, list) else [changed]
    return any(isinstance(part, float) and math.isnan(part) for part in parts)


def _input_key(value: Any, keys: dict[str, str]) -> Any:
    """Of a link, what it comes from; of a text that names a model file, also the file's size and time."""
    if is_link(value):
        return [keys[value[0]], value[1]]
    return [value, _files(value)] if isinstance(value, str) else value


def _files(name: str) -> list[list[int]]:
    paths = (folder_paths.get_full_path(kind, name) for kind in sorted(folder_paths.folder_names_and_paths))
    stats = [Path(path).stat() for path in paths if path is not None]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()
