"""A workflow and a table: each row of the table sets inputs of the workflow."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Nodes = Mapping[str, Any]  # a prompt in API format
EXPORT = "In ComfyUI, open it and choose Workflow -> Export (API)."
LARGEST_CELL = 2**30
TRUE, FALSE = {"true", "yes", "1"}, {"false", "no", "0"}

csv.field_size_limit(LARGEST_CELL)


class Refused(ValueError):
    """The command can't do what was asked; the message says why, and what to do."""


class BadRow(ValueError):
    """A row that has no prompt; the message says why."""


class Target(NamedTuple):
    """The input that a column sets. value: what the workflow has there."""

    column: str
    node: str
    input: str
    value: Any


def workflow(path: Path) -> dict[str, Any]:
    """Raises Refused for a file that is no workflow in API format."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path} can not be read: {error.strerror}.") from None
    except ValueError as error:
        raise Refused(f"{path} is not JSON ({error}). {EXPORT}") from None
    if isinstance(told, dict) and isinstance(told.get("nodes"), list):
        raise Refused(f"{path} is a workflow as ComfyUI saves it, and the API format is needed. {EXPORT}")
    if not isinstance(told, dict) or not told or not all(map(_is_node, told.values())):
        raise Refused(f"{path} is no workflow in API format. {EXPORT}")
    return told


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and "class_type" in value and isinstance(value.get("inputs"), dict)


class Table:
    """Read row by row, so it may be very long. path: CSV, or TSV by its name; UTF-8.

    A column `NODE.input` sets an input, NODE being the id or the title of a node; a column without a dot is a note,
    which goes into the results as it is. Raises Refused for a column that does neither.
    """

    def __init__(self, path: Path, nodes: Nodes):
        self.path = path
        self.nodes = nodes
        self.header = next(self._lines(), [])
        twice = sorted({column for column in self.header if self.header.count(column) > 1})
        if twice:
            raise Refused(f"{path} has two columns {twice[0]!r}.")
        self.targets = [target(column, nodes) for column in self.header if "." in column]
        if not self.targets:
            told = ", ".join(self.header) or "nothing"
            raise Refused(f"No column of {path} sets an input: there is {told}, and NODE.input is needed, as 6.text.")

    def __iter__(self) -> Iterator[list[str]]:
        """The cells of each row; of a row that has fewer or more than the header, what is there."""
        lines = self._lines()
        next(lines)
        yield from lines

    def prompt(self, cells: Sequence[str]) -> dict[str, Any]:
        """The workflow with what a row sets. Raises BadRow when it can not be set."""
        if len(cells) != len(self.header):
            raise BadRow(f"the row has {len(cells)} cells, and the table {len(self.header)} columns.")
        row = dict(zip(self.header, cells, strict=True))
        made = dict(self.nodes)
        for column, node, name, value in self.targets:
            inputs = {**made[node]["inputs"], name: _like(value, row[column], column)}
            made[node] = {**made[node], "inputs": inputs}
        return made

    def _lines(self) -> Iterator[list[str]]:
        kind = "excel-tab" if self.path.suffix == ".tsv" else "excel"
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield from (cells for cells in csv.reader(file, kind) if cells)
        except (OSError, UnicodeError, csv.Error) as error:
            raise Refused(f"{self.path} can not be read: {error}. It has to be CSV, in UTF-8.") from None


def target(column: str, nodes: Nodes) -> Target:
    """Titles and names of inputs may have dots themselves. Raises Refused when there is no such input, or two."""
    parts = column.split(".")
    splits = [(".".join(parts[:at]), ".".join(parts[at:])) for at in range(1, len(parts))]
    named = [(node, name) for said, name in splits for node in _called(said, nodes)]
    found = [(node, name) for node, name in named if name in nodes[node]["inputs"]]
    if len(found) > 1:
        ids = ", ".join(node for node, _ in found)
        raise Refused(f"The column {column!r} may be of the nodes {ids}: write the id in place of the title.")
    if not found and named:
        inputs = ", ".join(nodes[named[0][0]]["inputs"]) or "none"
        raise Refused(f"The column {column!r}: node {named[0][0]} has no such input. Its inputs are: {inputs}.")
    if not found:
        titles = ", ".join(f"{node} ({_title(one)})" for node, one in nodes.items())
        raise Refused(
            f"The column {column!r}: there is no such node. There are: {titles}. A note has no dot in its name."
        )
    (node, name), value = found[0], nodes[found[0][0]]["inputs"][found[0][1]]
    if isinstance(value, list):
        raise Refused(f"The column {column!r}: this input is wired to node {value[0]}. Set an input of that node.")
    return Target(column, node, name, value)


def _called(said: str, nodes: Nodes) -> list[str]:
    """The node of that id, else those of that title."""
    return [said] if said in nodes else [node for node, one in nodes.items() if _title(one) == said]


def _title(node: Nodes) -> str:
    return node.get("_meta", {}).get("title") or node["class_type"]


def _like(value: Any, text: str, column: str) -> Any:
    """A cell as a value of the kind that the workflow has there. A whole number may become another one: JSON does not
    tell 8 from 8.0. Raises BadRow when it can not be read."""
    try:
        if isinstance(value, bool):
            return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}[text.strip().lower()]
        if isinstance(value, (int, float)):
            return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
        return text if isinstance(value, str) else json.loads(text)
    except (KeyError, ValueError):
        kind = "yes or no" if isinstance(value, bool) else "a number" if isinstance(value, (int, float)) else "JSON"
        raise BadRow(f"{column} is {text!r}, and {kind} is needed.") from None


def digest(cells: Sequence[str]) -> int:
    """Of what a row says: 1 to 2^64 - 1."""
    told = hashlib.blake2b(json.dumps(list(cells)).encode(), digest_size=8).digest()
    return int.from_bytes(told, "big") or 1
