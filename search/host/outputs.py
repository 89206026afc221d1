"""What the nodes of the running prompt have given, from ComfyUI's default cache.

One that was chosen with --cache-classic, --cache-lru or --cache-none is nowhere to be found.
"""

from __future__ import annotations

from typing import Any

import comfy.memory_management
from comfy_execution.caching import BasicCache


def cache() -> BasicCache | None:
    """Of the prompt that is running."""
    release = getattr(comfy.memory_management, "extra_ram_release_callback", None)
    found = getattr(release, "__self__", None)  # it is a method of the cache
    return found if isinstance(found, BasicCache) else None


def made(node: str, slot: int) -> Any:
    """What a node has given at an output; None where that is not there any more, or is a list that others run over."""
    held = cache()
    entry = None if held is None else held.get_local(node)
    outputs = getattr(entry, "outputs", None) or []
    values = outputs[slot] if slot < len(outputs) else []
    return values[0] if len(values) == 1 else None
