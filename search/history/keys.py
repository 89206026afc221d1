"""What a score depends on beside its noise, as a text: while that is the same, the same noise gives the same."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph_utils import is_link
from execution import IsChangedCache

from ..host.graph import Link, givers, is_plain, upstream
from ..plan import which_noises

GIVEN = ("value", "positive", "positives")  # inputs of Search Loop Open that a score may depend on


async def loop_key(
    prompt: DynamicPrompt, prompt_id: str, open_id: str, item: int, link: Link, title: str
) -> str | None:
    """Everything but the candidate that this output in a loop depends on: nodes before it, their settings and files.

    open_id: of Search Loop Open. item: where lists come into it, which entry of them this is.

    None, with a line in the log, when a node says that it gives something else each time.
    """
    given = {name: value for name, value in prompt.get_node(open_id)["inputs"].items() if name in GIVEN}
    keys = _Keys(prompt, prompt_id, title)
    keys.known[open_id] = "Search Loop Open"
    nodes = [*_before(prompt, open_id, given), *upstream(prompt, [link[0]], stop=open_id, made=True)]
    if not await keys.add(nodes):
        return None
    key = [comfyui_version.__version__, keys.known[link[0]], link[1], keys.of_inputs(open_id, given), item]
    return _digest(key)


async def sampler_key(prompt: DynamicPrompt, prompt_id: str, sampler: str, search: str, title: str) -> str | None:
    """The same for a sampler with a search on its MODEL. search: that node's id; its settings count as far as they say
    how candidates are judged.
    """
    inputs, noises = prompt.get_node(search)["inputs"], which_noises()
    judging = {name: value for name, value in inputs.items() if name.split(".")[0] not in noises}
    keys = _Keys(prompt, prompt_id, title)
    if not await keys.add(_before(prompt, search, judging)):
        return None
    keys.known[search] = _digest(keys.of_inputs(search, judging))
    if not await keys.add(upstream(prompt, [sampler], stop=search, made=True)):
        return None
    return _digest([comfyui_version.__version__, keys.known[sampler]])


def _before(prompt: DynamicPrompt, node_id: str, inputs: Mapping[str, Any]) -> list[str]:
    """What these inputs of a node depend on."""
    linked = [value[0] for value in inputs.values() if is_link(value)]
    return upstream(prompt, [*linked, *givers(prompt, node_id, inputs)], made=True)


class _Keys:
    """The keys of nodes, by id; ids are no part of them. known: those that there are."""

    def __init__(self, prompt: DynamicPrompt, prompt_id: str, title: str):
        self.prompt = prompt
        self.title = title
        self.known: dict[str, str] = {}
        self._changes = IsChangedCache(prompt_id, prompt, None)  # pyright: ignore[reportArgumentType]  the host takes None

    async def add(self, nodes: Iterable[str]) -> bool:
        """Of these nodes, each after those it depends on. False, with a line in the log, where one has no key."""
        for node_id in nodes:
            if node_id in self.known:
                continue
            node = self.prompt.get_node(node_id)
            changed = await self._changes.get(node_id)
            has_objects = not all(map(is_plain, node["inputs"].values()))
            if _is_never_the_same(changed) or (has_objects and self.prompt.get_parent_node_id(node_id) is None):
                logging.info(
                    "%s: node %s (%s) may give something else each time, so nothing is kept for the next run.",
                    *(self.title, self.prompt.get_display_node_id(node_id), node["class_type"]),
                )
                return False
            self.known[node_id] = _digest([node["class_type"], changed, self.of_inputs(node_id, node["inputs"])])
        return True

    def of_inputs(self, node_id: str, inputs: Mapping[str, Any]) -> list[Any]:
        """Links as what they come from, values as they are. Objects as the node that has made them: what it has
        expanded into are the same nodes in the same order each time, with the same objects."""
        plain = {name: _input_key(value, self.known) for name, value in inputs.items() if is_plain(value)}
        objects = sorted(inputs.keys() - plain.keys())
        made = [[self.known[giver], self._number(node_id)] for giver in givers(self.prompt, node_id, inputs)]
        return [plain, objects, made]

    def _number(self, node_id: str) -> int:
        """Its place among the nodes that the same one has expanded into."""
        parents = self.prompt.ephemeral_parents
        return [node for node, parent in parents.items() if parent == parents[node_id]].index(node_id)


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
