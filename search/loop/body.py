"""What lies between a Search Loop Open and its Close, read from the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph_utils import is_link

from ..host.graph import Link, class_of, links, upstream

SEED, INDEX, NOISE, POSITIVE = 1, 2, 3, 5  # the outputs of Search Loop Open that differ from candidate to candidate


@dataclass(frozen=True)
class Flow:
    """What a flow wire carries: the Search Loop Open it comes from, and what that was given.

    item: where lists come into Open, which entry of them this is. positives: CONDITIONING by wording, the user's own
    under "" first; empty where none is connected.
    """

    open_id: str
    seed: int
    value: Any
    item: int
    run_outputs: bool
    positives: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wordings(self) -> tuple[str, ...]:
        return tuple(self.positives) or ("",)


@dataclass(frozen=True)
class Body:
    """The nodes that run once per candidate.

    nodes: ids, each after those it depends on. judged: those that the score needs; the others run for the winner only.
    reads: the slots of Open that the score depends on. picture: where the image comes from that the score looks at.
    result: None where only scores are wanted. comes_along: whether it is there as soon as the score is. outside: links
    from nodes that the loop does not change, which all candidates use.
    """

    nodes: tuple[str, ...]
    judged: frozenset[str]
    reads: frozenset[int]
    score: Link
    result: Any
    picture: Link | None
    comes_along: bool
    outside: tuple[Link, ...]


def read_body(prompt: DynamicPrompt, flow: Flow, close_id: str, score: Link, result: Any) -> Body:
    """Read the loop that ends in the Close with these inputs, as links. result: None where only scores are wanted."""
    ends = [link[0] for link in (score, result) if is_link(link)]
    nodes = _behind(prompt, flow.open_id, upstream(prompt, ends))
    if flow.run_outputs:
        for output in outputs(prompt, prompt.all_node_ids()):
            more = _behind(prompt, flow.open_id, upstream(prompt, [output], stop=close_id))
            nodes += [node for node in more if node not in nodes]
    judged = frozenset(upstream(prompt, [score[0]])) & frozenset(nodes)
    at_once = {flow.open_id, *upstream(prompt, [score[0]], lazy=False)}
    entering = [link for node in nodes for link in links(prompt, node, lazy=False)]
    return Body(
        nodes=tuple(nodes),
        judged=judged,
        reads=_reads(prompt, flow.open_id, judged),
        score=score,
        result=result,
        picture=_picture(prompt, score, judged),
        comes_along=result is not None and (not is_link(result) or result[0] in at_once),
        outside=tuple(link for link in entering if link[0] not in {flow.open_id, *nodes}),
    )


def _behind(prompt: DynamicPrompt, open_id: str, order: list[str]) -> list[str]:
    """Those of `order`, which has every node after what it depends on, that depend on Open."""
    reached = {open_id}
    for node in order:
        if any(link[0] in reached for link in links(prompt, node)):
            reached.add(node)
    return [node for node in order if node in reached and node != open_id]


def outputs(prompt: DynamicPrompt, nodes: Iterable[str]) -> list[str]:
    """Those of the nodes that run for their own sake: previews, saves."""
    return [node for node in sorted(nodes) if getattr(class_of(prompt, node), "OUTPUT_NODE", False)]


def _reads(prompt: DynamicPrompt, open_id: str, nodes: frozenset[str]) -> frozenset[int]:
    return frozenset(link[1] for node in nodes for link in links(prompt, node) if link[0] == open_id)


def _picture(prompt: DynamicPrompt, score: Link, judged: frozenset[str]) -> Link | None:
    """The nearest image of the candidate on the way to its score."""
    seen: set[str] = set()
    near = [score[0]]
    while near:
        seen.update(near)
        found = [link for node in near for link in links(prompt, node, lazy=False) if link[0] in judged]
        for link in found:
            if class_of(prompt, link[0]).RETURN_TYPES[link[1]] == "IMAGE":
                return link
        near = [link[0] for link in found if link[0] not in seen]
    return None
