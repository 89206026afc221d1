"""What a template is made of: nodes in columns from left to right, and the links between them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

NOTE_WIDTH, NOTE_HEIGHT = 400, 700
BOARD = 400  # room below a search node: its board appears there when it runs


WRAPPED = re.compile(r"(?<=\S)\n(?=\S)(?!- |\d+\. |#)")


class Model(NamedTuple):
    """A file that a template needs: as the loader's widget names it, its address, and the folder below models."""

    name: str
    url: str
    directory: str


class Out(NamedTuple):
    """An output of a node, by name."""

    node: int
    output: str


@dataclass(frozen=True)
class Node:
    """settings: values of widgets. links: what goes into inputs. tall: height, 0 is the least. room: free below it."""

    id: int
    type: str
    title: str
    settings: dict[str, Any]
    links: dict[str, Out]
    tall: int
    room: int
    models: tuple[Model, ...]

    def __getitem__(self, output: str) -> Out:
        return Out(self.id, output)


@dataclass
class Column:
    width: int
    nodes: list[Node] = field(default_factory=list)


class Template:
    """t = Template("demo", "What it shows."); t.column(300); t.node("KSampler", "Title", model=loader["MODEL"]).

    note: Markdown, with names of facts in braces; the lines of a paragraph are joined.
    """

    def __init__(self, name: str, note: str, **facts: Any) -> None:
        self.name = name
        self.note = flowed(note.format(**{name: str(fact).strip() for name, fact in facts.items()}).strip())
        self.columns: list[Column] = []

    @property
    def runs(self) -> bool:
        """Whether the demo model is all it needs."""
        return self.name.startswith("demo")

    @property
    def nodes(self) -> list[Node]:
        return [node for column in self.columns for node in column.nodes]

    @property
    def models(self) -> list[Model]:
        return list(dict.fromkeys(model for node in self.nodes for model in node.models))

    def column(self, width: int) -> None:
        """Begin a column; the nodes that follow are placed in it from top to bottom."""
        self.columns.append(Column(width))

    def node(
        self,
        kind: str,
        title: str = "",
        /,
        tall: int = 0,
        room: int = 0,
        models: tuple[Model, ...] = (),
        **inputs: Any,
    ) -> Node:
        """Add a node; an input is a link when it is an Out, else the value of its widget."""
        links = {name: value for name, value in inputs.items() if isinstance(value, Out)}
        settings = {name: value for name, value in inputs.items() if name not in links}
        node = Node(len(self.nodes) + 2, kind, title, settings, links, tall, room, models)
        self.columns[-1].nodes.append(node)
        return node

    def spec(self) -> dict[str, Any]:
        """All of it as plain data, with the note as node 1."""
        note = Node(1, "MarkdownNote", "Read me", {"text": self._note()}, {}, NOTE_HEIGHT, 0, ())
        columns = [Column(NOTE_WIDTH, [note]), *self.columns]
        return {"columns": [asdict(column) for column in columns]}

    def _note(self) -> str:
        """The text, and the files that have to be there."""
        if not self.models:
            return self.note
        lines = [f"- [{model.name}]({model.url}) in models/{model.directory}" for model in self.models]
        told = "ComfyUI lists those that are missing when it opens this workflow, with their addresses."
        return "\n".join([self.note, "", "### Files", "", *lines, "", told])


def flowed(text: str) -> str:
    """Each paragraph and each entry of a list in one line."""
    return WRAPPED.sub(" ", text)
