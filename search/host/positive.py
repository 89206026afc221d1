"""The texts on the positive side of a sampler, read from the prompt: up the links that guide it, to text encoders."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from comfy_execution.graph import DynamicPrompt, get_input_info
from comfy_execution.graph_utils import is_link
from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue]  ComfyUI's module, not the pack's

from .graph import Link

POSITIVE, NEGATIVE = "positive", "negative"
SIDES = {
    NEGATIVE: re.compile(r"negative|uncond|(?:^|_)neg(?:$|_)|-$"),
    POSITIVE: re.compile(r"positive|(?:^|_)pos(?:$|_)|\+$"),
}
ZEROED = "ConditioningZeroOut"  # what comes out of it is the same for every text
TEXT_MODULES = ("comfy_extras.nodes_primitive", "comfy_extras.nodes_string")  # ComfyUI's nodes that only handle values
GUIDES_NOTHING = frozenset(
    "MODEL CLIP VAE LATENT IMAGE MASK INT FLOAT BOOLEAN STRING COMBO CONTROL_NET STYLE_MODEL CLIP_VISION "
    "CLIP_VISION_OUTPUT GLIGEN NOISE SAMPLER SIGMAS AUDIO VIDEO UPSCALE_MODEL HOOKS VERIFIER SEARCH".split()
)


class Positive(NamedTuple):
    """What guides a sampler. texts: those that are not blank, as they are written, and the node that each is in.
    unread: nodes whose text, or conditioning, the prompt does not tell."""

    texts: dict[str, str]
    unread: list[str]


def read_positive(prompt: DynamicPrompt, sampler: str) -> Positive:
    """Of a sampler node; of the node that has put it into the prompt, when that has given it conditioning made."""
    reading = _Reading(prompt)
    start: str | None = sampler
    while start is not None and not reading.goes_on(start):
        start = prompt.get_parent_node_id(start)
    reading.follow(start or sampler)
    return Positive(reading.texts, reading.unread)


class _Reading:
    """Goes up from a sampler along what guides it."""

    def __init__(self, prompt: DynamicPrompt):
        self.prompt = prompt
        self.texts: dict[str, str] = {}
        self.unread: list[str] = []
        self._seen: set[tuple[str, str, str]] = set()

    def goes_on(self, node: str) -> bool:
        """Whether there is anything to read at this node or before it."""
        return bool(self._fields(node, POSITIVE) or self._guides(node, "", POSITIVE))

    def follow(self, node: str, output: str = "", side: str = POSITIVE) -> None:
        """Read a node, and those before it. output: its output that guides the sampler. side: the one that is wanted,
        where the output does not say."""
        side = _side(output) or side
        if (node, output, side) in self._seen or self._class_type(node) == ZEROED:
            return
        self._seen.add((node, output, side))
        fields, guides = self._fields(node, side), self._guides(node, output, side)
        for value in fields:
            text = self._value(value)
            if isinstance(text, str) and text.strip():
                self.texts.setdefault(text, self._name(node))
        for link in guides:
            self.follow(link[0], self._output_name(link), side)
        if not fields and not guides:
            self._miss(node)

    def _fields(self, node: str, side: str) -> list[Any]:
        """What is written in the node's fields for prompts, or linked to them."""
        found = []
        for name, value in self._inputs(node).items():
            kind, options = self._declared(node, name)
            is_prompt = options.get("multiline") or re.search("(?:^|_)(?:text|prompt)", name.lower())
            if kind == "STRING" and is_prompt and _side(name) in (None, side):
                found.append(value)
        return found

    def _guides(self, node: str, output: str, side: str) -> list[Link]:
        """The inputs on this side that bring conditioning; where there is none, those that may bring it among others,
        such as guiders and pipes."""
        linked = {name: value for name, value in self._inputs(node).items() if is_link(value)}
        kinds = {name: self._kind(link) for name, link in linked.items()}
        may = [name for name in linked if kinds[name] not in GUIDES_NOTHING and _side(name) in (None, side)]
        own = [name for name in (output, side) if name in may][:1]
        return [linked[name] for name in own or [name for name in may if kinds[name] == "CONDITIONING"] or may]

    def _value(self, value: Any) -> Any:
        """What an input holds; at the end of a link, where only nodes of ComfyUI that handle values lead to it, and
        nodes that pass on what they are given. None, noted as not read, for what is made while the prompt runs."""
        if not is_link(value):
            return value
        node, given = value[0], self._inputs(value[0])
        if len(given) == 1 and self._declared(node, name := next(iter(given)))[0] == "*" and is_link(given[name]):
            return self._value(given[name])
        class_ = NODE_CLASS_MAPPINGS.get(self._class_type(node))
        if getattr(class_, "RELATIVE_PYTHON_MODULE", None) not in TEXT_MODULES or any("." in name for name in given):
            return self._miss(node)
        read = {name: self._value(each) for name, each in given.items()}
        return None if None in read.values() else class_.execute(**read).args[value[1]]

    def _miss(self, node: str) -> None:
        if self._name(node) not in self.unread:
            self.unread.append(self._name(node))

    def _kind(self, link: Link) -> str:
        """The type of an output; any where it is not known."""
        kinds = getattr(NODE_CLASS_MAPPINGS.get(self._class_type(link[0])), "RETURN_TYPES", ())
        return str(kinds[link[1]]) if link[1] < len(kinds) else "*"

    def _output_name(self, link: Link) -> str:
        names = getattr(NODE_CLASS_MAPPINGS.get(self._class_type(link[0])), "RETURN_NAMES", None) or ()
        return str(names[link[1]]).lower() if link[1] < len(names) else ""

    def _declared(self, node: str, name: str) -> tuple[str, dict[str, Any]]:
        """The type of an input, and its options."""
        class_ = NODE_CLASS_MAPPINGS.get(self._class_type(node))
        kind, _, options = (None, None, None) if class_ is None else get_input_info(class_, name)
        return str(kind), dict(options or {})

    def _class_type(self, node: str) -> str:
        return self.prompt.get_node(node)["class_type"]

    def _inputs(self, node: str) -> dict[str, Any]:
        return self.prompt.get_node(node)["inputs"]

    def _name(self, node: str) -> str:
        return f"node {self.prompt.get_display_node_id(node)} ({self._class_type(node)})"


def _side(name: str) -> str | None:
    """The side that a name tells of."""
    return next((side for side, words in SIDES.items() if words.search(name.lower())), None)
