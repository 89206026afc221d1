"""Where in a prompt a seed was set."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from comfy_execution.graph_utils import is_link

from .graph import held

FROM = ("seed", "noise")  # in the names of inputs that a seed comes through


def seed_input(nodes: Mapping[str, Any], sampler: str, seed: int) -> tuple[str, str] | None:
    """The node and the name of its input where this seed stands, the sampler's own or of what gives it its seed or
    noise; None where it is computed, or comes from a node that says it in no number.

    nodes: of the queued prompt. sampler: may also be Search Loop Close, whose seed is that of its Open.
    """
    waiting, seen = deque([(sampler, False)]), {sampler}
    while waiting:
        at, gives_seed = waiting.popleft()
        inputs = held(nodes.get(at), "inputs")
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            of_seed = any(part in name for part in FROM)
            if type(value) is int and value == seed and (of_seed or gives_seed):
                return at, name
            giver = str(value[0]) if isinstance(value, list) and is_link(value) else at
            if (of_seed or gives_seed or name == "flow") and giver not in seen:
                seen.add(giver)
                waiting.append((giver, of_seed or gives_seed))
    return None
