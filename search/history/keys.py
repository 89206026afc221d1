"""What a score depends on beside its noise, as a text: while that is the same, the same noise gives the same."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph_utils import is_link
from execution import IsChangedCache

from ..host.graph import Link, upstream
from ..plan import which_noises


async def loop_key(
    prompt: DynamicPrompt, prompt_id: str, open_id: str, item: int, link: Link, title: str
) -> str | None:
    """Everything but the candidate that this output in a loop depends on: nodes before it, their settings and files.

    open_id: of Search Loop Open. item: where lists come into it, which entry of them this is.

    None, with a line in the log, when a node says that it gives something else each time.
    """
    value = prompt.get_node(open_id)["inputs"].get("value")
    before_open = upstream(prompt, [value[0]]) if is_link(value) else []
    nodes = [*before_open, *upstream(prompt, [link[0]], stop=open_id)]
    keys = await _keys(prompt, prompt_id, nodes, {open_id: "Search Loop Open"}, title)
    if keys is None:
        return None
    return _digest([comfyui_version.__version__, keys[link[0]], link[1], _input_key(value, keys), item])


async def sampler_key(prompt: DynamicPrompt, prompt_id: str, sampler: str, search: str, title: str) -> str | None:
    """The same for a sampler with a search on its MODEL. search: that node's id; its settings count as far as they say
    how candidates are judged.
    """
    node, noises = prompt.get_node(search), which_noises()
    judging = {name: value for name, value in node["inputs"].items() if name.split(".")[0] not in noises}
    before = upstream(prompt, [value[0] for value in judging.values() if is_link(value)])
    keys = await _keys(prompt, prompt_id, before, {}, title)
    if keys is None:
        return None
    keys[search] = _digest({name: _input_key(value, keys) for name, value in judging.items()})
    rest = [node for node in upstream(prompt, [sampler], stop=search) if node not in keys]
    keys = await _keys(prompt, prompt_id, rest, keys, title)
    return None if keys is None else _digest([comfyui_version.__version__, keys[sampler]])


async def _keys(
    prompt: DynamicPrompt, prompt_id: str, nodes: Iterable[str], known: dict[str, str], title: str
) -> dict[str, str] | None:
    """A key of each node, with those that are known. nodes: each after those it depends on."""
    keys = dict(known)
    changes = IsChangedCache(prompt_id, prompt, None)  # pyright: ignore[reportArgumentType]  the host takes None
    for node_id in nodes:
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
    return keys


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
