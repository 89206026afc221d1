"""What a template is made of: nodes in columns from left to right, and the links between them."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

NOTE_WIDTH = 340
LINE, LETTER, WIDE, EDGES = 16, 5.6, 10.0, 40  # of a note drawn by Vue: height of a line, widths of letters, edges
BELOW = {"### ": 50, "## ": 21}  # a heading's larger letters and the space around it
BETWEEN = 8  # other lines
BOARD = 400  # room below a search node: its board appears there when it runs


WRAPPED = re.compile(r"(?<=\S)\n(?=\S)(?!- |\d+\. |#)")


class Model(NamedTuple):
    """A file that a template needs: as the loader's widget names it, its address, and the folder below models.

    beside: links to what has to lie in the same folder.
    """

    name: str
    url: str
    directory: str
    beside: str = ""


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

    note: Markdown, with names of facts in braces; the lines of a paragraph are joined. zh: the same in Chinese.
    """

    def __init__(self, name: str, note: str, zh: str = "", **facts: Any) -> None:
        filled = {key: str(fact).strip() for key, fact in facts.items()}
        filled |= {key: f"\n{filled[key]}\n" for key in ("run", "run_zh") if key in filled}
        self.name = name
        self.note, self.zh = (flowed(text.format(**filled).strip()) for text in (note, zh))
        self.columns: list[Column] = []

    @property
    def runs(self) -> bool:
        """Whether the demo model is all it needs."""
        return "demo" in self.name

    @property
    def is_listed(self) -> bool:
        """Whether ComfyUI offers it; the documentation has the others."""
        return not self.name.startswith("demo_")

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
        """All of it as plain data, with the note as node 1, and below it the one in Chinese as the last."""
        notes = [Node(1, "MarkdownNote", "Read me", {"text": self._note()}, {}, height(self._note()), 0, ())]
        if self.zh:
            notes.append(
                Node(len(self.nodes) + 2, "MarkdownNote", "说明", {"text": self.zh}, {}, height(self.zh), 0, ())
            )
        columns = [Column(NOTE_WIDTH, notes), *self.columns]
        return {"columns": [asdict(column) for column in columns]}

    def _note(self) -> str:
        """The text, and the files that have to be there."""
        if not self.models:
            return self.note
        lines = [_file(model) for model in self.models]
        return "\n".join([self.note, "", "### Files", "", *lines])


def flowed(text: str) -> str:
    """Each paragraph and each entry of a list in one line."""
    return WRAPPED.sub(" ", text)


def height(text: str) -> int:
    """Of a note in which the text has as much place as it needs."""
    shown = (re.sub(r"\]\([^)]*\)", "]", line) for line in text.split("\n") if line)
    return EDGES + sum(LINE * _lines(line) + _space(line) for line in shown)


def _lines(text: str) -> int:
    width = sum(LETTER if ord(letter) < 0x2E80 else WIDE for letter in text)
    return math.ceil(width / (NOTE_WIDTH - 40))


def _space(line: str) -> int:
    return next((space for mark, space in BELOW.items() if line.startswith(mark)), BETWEEN)


def _file(model: Model) -> str:
    folder = Path("models", model.directory, model.name).parent.as_posix()
    also = f", and {model.beside} beside it" if model.beside else ""
    return f"- [{Path(model.name).name}]({model.url}) in {folder}{also}"
