"""What others are given as it is, in place of the nodes that have made it here: conditioning, latents, images.

So they load no text encoder, and need no file that only those nodes read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import torch
from comfy_execution.graph_utils import is_link
from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]  ComfyUI's module, not the pack's
from torch import Tensor

from .wire import value_to_wire

NODE = "NoiseSearchValue"  # workers have it, see cluster/worker.py; no menu has it
MOST_BYTES = 2**28  # of one value; what is larger is made again by everybody
READERS = {"PROMPT", "DYNPROMPT"}  # hidden inputs of nodes that look at the whole prompt

Made = Callable[[str, int], Any]


def given(nodes: Mapping[str, Any], sampler: str, made: Made) -> dict[str, Any]:
    """The prompt up to the sampler, with plain values in place of nodes. nodes: in API format. made: what a node has
    given at an output; None where nobody knows.

    A value is a node NODE whose inputs are its key, the same for the same value, and the value as wire.py writes it.
    """
    found: dict[str, Any] = {}
    waiting = [sampler]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        if _reads_prompt(nodes[node]["class_type"]):
            return dict(nodes)
        inputs = dict(nodes[node]["inputs"])
        for name, link in inputs.items():
            if not is_link(link):
                continue
            value = made(*link)
            if is_given(value):
                told = value_to_wire(value)
                key = _key(told)
                found[f"value {key}"] = {"class_type": NODE, "inputs": {"key": key, "value": told}}
                inputs[name] = [f"value {key}", 0]
            else:
                waiting.append(link[0])
        found[node] = {**nodes[node], "inputs": inputs}
    return found


def is_given(value: Any) -> bool:
    """Whether a value is all tensors, numbers and texts, no object is in it, and at least one tensor."""
    size = _bytes(value)
    return size is not None and 0 < size <= MOST_BYTES


def _bytes(value: Any) -> int | None:
    """Of all its tensors; None where there is something else in it than what is_given takes."""
    if type(value) is Tensor:
        return value.numel() * value.element_size() if value.layout == torch.strided and not value.is_meta else None
    if type(value) in (list, tuple, dict):
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        sizes = [_bytes(part) for part in parts]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None
    return 0 if value is None or type(value) in (bool, int, float, str) else None


def _reads_prompt(class_type: str) -> bool:
    """Whether a node of this class may look at nodes that it is not connected to."""
    hidden = NODE_CLASS_MAPPINGS[class_type].INPUT_TYPES().get("hidden", {})
    return any((kind[0] if isinstance(kind, (list, tuple)) else kind) in READERS for kind in hidden.values())


def _key(told: Any) -> str:
    digest = hashlib.sha256()
    _feed(digest.update, told)
    return digest.hexdigest()[:24]


def _feed(update: Callable[[Any], None], told: Any) -> None:
    if isinstance(told, list):
        update(b"[")
        for part in told:
            _feed(update, part)
        update(b"]")
    else:
        update(told.data if isinstance(told, numpy.ndarray) else repr(told).encode())
