"""The prompts that were queued: whose they are, and the recipes that their pictures carry.

ComfyUI's image nodes write a prompt's metadata (`extra_pnginfo`) into the files they save. The winners of its searches
are put there when they are found; and when the prompt is queued, if they are known from an earlier prompt in which
everything up to the sampler was the same: then ComfyUI has the sampler's result in its cache, and nothing will search.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, NamedTuple

from comfy_execution.graph import DynamicPrompt
from comfy_execution.utils import get_executing_context

from .converted import replaced
from .graph import expanders, held, is_candidate, running, signature
from .seeds import seed_input

KEY = "noise_search"
NOTICE = "noise_search.notice"  # the events that web/notices.js and web/judged_by.js show
JUDGED_BY = "noise_search.judged_by"
PROMPTS_KEPT = 32  # beside those still in the queue: a prompt comes here a moment before it is queued
WINNERS_KEPT = 256  # samplers whose winners are remembered
Winners = list[dict[str, Any]]  # plain JSON values, one per image


class Place(NamedTuple):
    """Where a search runs. queued: the node of the queued prompt: the sampler, or what has expanded into one. node: the
    sampler. item: its place in the list that ComfyUI runs it for."""

    queued: str
    node: str
    item: int


@dataclass
class Prompt:
    """A queued prompt. workflow: the id of the front end's workflow it was made from, None when a program made it.

    nodes: in API format, by id. metadata: its extra_pnginfo, None when it was queued without. found: the winners. ran:
    those of them that were found in this prompt; a node that samples several times, such as tiles, has the winners of
    all its searches. settings: of the pack, in the browser that queued it.
    """

    id: str
    nodes: Mapping[str, Any]
    metadata: dict[str, Any] | None
    found: dict[Place, Winners] = field(default_factory=dict)
    ran: set[Place] = field(default_factory=set)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def workflow(self) -> str | None:
        return (self._workflow() or {}).get("id")

    @property
    def boards(self) -> set[str]:
        """The ids of the boards on which its winners were found, in this prompt or before."""
        return {winner["board"] for found in self.found.values() for winner in found}

    def of(self, queued: str) -> dict[Place, Winners]:
        """The winners of a node of the queued prompt."""
        return {place: winners for place, winners in self.found.items() if place.queued == queued}

    def outdate(self, place: Place) -> None:
        """Drop what was known of a sampler before this prompt. Where that sampler was not known, its node may have
        expanded into others of the same with other ids: then all that was known of the node goes."""
        known = self.of(place.queued).keys() - self.ran
        for old in {place} if place in known else known:
            del self.found[old]
        self.publish()

    def publish(self) -> None:
        """Put all winners into the metadata, and into the workflow there, where the front end finds them again."""
        winners = [winner for found in self.found.values() for winner in found]
        workflow = self._workflow()
        extra = None if workflow is None else workflow.setdefault("extra", {})
        for place in (self.metadata, extra):
            if isinstance(place, dict):
                place.pop(KEY, None)
                place.update({KEY: winners} if winners else {})

    def _workflow(self) -> dict[str, Any] | None:
        found = (self.metadata or {}).get("workflow")
        return found if isinstance(found, dict) else None


class Prompts:
    """Those in ComfyUI's queue. server: its PromptServer; None where ComfyUI runs without one."""

    def __init__(self) -> None:
        self.server: Any = None
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._winners: OrderedDict[tuple[str, str], dict[Place, Winners]] = OrderedDict()
        self._lock = threading.Lock()

    def on_prompt(self, body: Any) -> Any:
        """What ComfyUI calls with the body of each request that queues a prompt, before anything has checked it."""
        nodes, prompt_id = held(body, "prompt"), held(body, "prompt_id")
        if not isinstance(nodes, dict) or not isinstance(prompt_id, (str, NoneType)):
            return body
        body["prompt_id"] = prompt_id or str(uuid.uuid4())
        metadata, settings = (held(held(body, "extra_data"), name) for name in ("extra_pnginfo", KEY))
        prompt = Prompt(body["prompt_id"], nodes, metadata if isinstance(metadata, dict) else None)
        prompt.settings = settings if isinstance(settings, dict) else {}
        with self._lock:
            self._prompts[prompt.id] = prompt
            self._forget()
            known = dict.fromkeys(node for node, _ in self._winners if node in nodes)
            after = replaced(nodes, self.server) if known else nodes
            for node in known:
                prompt.found |= self._winners.get((node, signature(after, node)), {})
            prompt.publish()
        return body

    def begin(self) -> Prompt | None:
        """The prompt that is running in this thread; None for one that came by another way than the server.

        What was known of the node that is executing does not hold any more: it searches again.
        """
        prompt, executing = self.executing()
        place = prompt and _place(_graph(prompt), executing)
        if prompt is not None and place is not None and place not in prompt.ran:
            with self._lock:
                prompt.outdate(place)
        return prompt

    def seed_at(self, seed: int) -> tuple[str, tuple[str, str] | None]:
        """The node of the queued prompt that is executing now, empty where there is none; and the node and its input
        where this seed of it was set, if anywhere."""
        prompt, executing = self.executing()
        place = prompt and _place(_graph(prompt), executing)
        return (place.queued, seed_input(prompt.nodes, place.queued, seed)) if prompt and place else ("", None)

    def get(self, prompt_id: str | None) -> Prompt | None:
        """One of the latest."""
        return None if prompt_id is None else self._prompts.get(prompt_id)

    def choose(self, prompt: Prompt, sampler: str, winner: Mapping[str, Any]) -> None:
        """Note that the sampler of a prompt that has just been queued makes this winner again."""
        with self._lock:
            prompt.found[Place(sampler, sampler, 0)] = [{"sampler": sampler, **winner}]
            prompt.publish()
            self._remember(sampler, prompt, replaced(prompt.nodes, self.server))

    def record(self, winners: Sequence[Mapping[str, Any]], where: tuple[str, int] | None = None) -> None:
        """Note the winners of the search that has run in the node which is executing now, one per image.

        where: the id of another node that it has run for, and its place in the list which that node runs for.
        """
        prompt, executing = self.executing()
        place = prompt and _place(_graph(prompt), where or executing)
        if prompt is None or place is None:
            return
        nodes = _graph(prompt).get_original_prompt()
        with self._lock:
            earlier = prompt.found[place] if place in prompt.ran else []
            prompt.found[place] = [*earlier, *({"sampler": place.queued, **winner} for winner in winners)]
            prompt.ran.add(place)
            prompt.publish()
            self._remember(place.queued, prompt, nodes)

    def mark(self, board: str, image: int, person: Mapping[str, Any]) -> None:
        """What a person thinks of the candidates of a search, for pictures of it that are saved from now on."""
        with self._lock:
            for found in self._winners.values():
                for winner in (winner for winners in found.values() for winner in winners):
                    if (winner.get("board"), winner.get("image")) == (board, image):
                        winner.pop("person", None)
                        winner.update({"person": person} if person else {})

    def _remember(self, queued: str, prompt: Prompt, nodes: Mapping[str, Any]) -> None:
        """For later prompts in which the node and all before it are the same. nodes: the prompt's, converted."""
        key = (queued, signature(nodes, queued))
        self._winners[key] = prompt.of(queued)
        self._winners.move_to_end(key)
        while len(self._winners) > WINNERS_KEPT:
            self._winners.popitem(last=False)

    def show(self, text: str, node: str) -> None:
        """Show a text on the node, in the browser that has queued the prompt; nowhere when none has."""
        if self.server is not None and self.server.client_id is not None:
            self.server.send_progress_text(text, node, self.server.client_id)

    def warn(self, text: str) -> None:
        """Into the log, and as a notice into the browser that has queued the prompt."""
        logging.warning(text)
        self._send(NOTICE, {"text": text})

    def tell_judged_by(self, text: str, node: str) -> None:
        """The text that a search node with an empty prompt is judged by, to the browser that has queued the prompt."""
        self._send(JUDGED_BY, {"text": text, "node": node})

    def _send(self, event: str, data: dict[str, str]) -> None:
        if self.server is not None and self.server.client_id is not None:
            self.server.send_sync(event, data, self.server.client_id)

    def of_workflow(self, workflow: str) -> list[Prompt]:
        """Those of the front end's workflow that have run or are running, the newest last."""
        _, waiting = self._queue()
        with self._lock:
            return [
                prompt for prompt in self._prompts.values() if prompt.workflow == workflow and prompt.id not in waiting
            ]

    def is_running(self, prompt_id: str) -> bool:
        return prompt_id in self._queue()[0]

    def executing(self) -> tuple[Prompt | None, tuple[str, int]]:
        """The prompt, and the node of it that is executing with its place in the list it runs for."""
        context = get_executing_context()
        if context is None:
            return None, ("", 0)
        return self._prompts.get(context.prompt_id), (context.node_id, context.list_index or 0)

    def _queue(self) -> tuple[set[str], set[str]]:
        """The ids of the prompts that are running and of those that wait."""
        running, waiting = self.server.prompt_queue.get_current_queue_volatile()
        return {item[1] for item in running}, {item[1] for item in waiting}

    def _forget(self) -> None:
        needed = set.union(*self._queue(), list(self._prompts)[-PROMPTS_KEPT:])
        for prompt_id in [known for known in self._prompts if known not in needed]:
            del self._prompts[prompt_id]


def _graph(prompt: Prompt) -> DynamicPrompt:
    return running(prompt.id) or DynamicPrompt(prompt.nodes)


def _place(graph: DynamicPrompt, where: tuple[str, int]) -> Place | None:
    """where: an id, and a place in a list. None for a loop's candidate, whose result may never be used."""
    node, item = where
    if not graph.has_node(node) or is_candidate(graph, node):
        return None
    return Place([node, *expanders(graph, node)][-1], node, item)


PROMPTS = Prompts()
