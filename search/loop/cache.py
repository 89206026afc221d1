"""ComfyUI's cache of outputs, which keeps what every candidate of a loop has made until the prompt has ended."""

from __future__ import annotations

from ..host import outputs


def forget(prefix: str) -> None:
    """Drop what the nodes have made whose ids begin like this, but not what a node of the prompt itself makes as well.

    From ComfyUI's default cache, which is there to be small. One that was chosen with --cache-classic or --cache-lru
    keeps what it was chosen to keep.
    """
    cache = outputs.cache()
    if cache is None:
        return
    keys = cache.cache_key_set.keys
    needed = {keys[node] for node in cache.dynprompt.original_prompt}
    for key in [key for node, key in keys.items() if node.startswith(prefix) and key not in needed]:
        cache.cache.pop(key, None)
