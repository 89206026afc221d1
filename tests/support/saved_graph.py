"""A workflow as the front end saves it, held against a server's node definitions (/object_info), input by input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from templates.files import ARCHIVED

ANY = "*"
MATCH, AUTOGROW, CHOICE = "COMFY_MATCHTYPE_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3"
NOTES = {"MarkdownNote", "Note"}
UPLOAD = "IMAGEUPLOAD"  # a button that the front end adds, and saves as an input
NUMBERS = {"INT": int, "FLOAT": (int, float)}
PLAIN = {"STRING": str, "BOOLEAN": bool}
Definition = Mapping[str, Any]


class Input(NamedTuple):
    """What a definition says of an input."""

    type: str
    options: Mapping[str, Any]
    required: bool

    @property
    def choices(self) -> list[Any] | None:
        """Of a combo; None of anything else."""
        if self.type == CHOICE:
            return [option["key"] for option in self.options["options"]]
        return self.options["options"] if self.type == "COMBO" else None


def problems(workflow: Mapping[str, Any], definitions: Mapping[str, Definition]) -> list[str]:
    """What a server with these definitions would not take, or take otherwise than the workflow means it."""
    return [
        f"{node['type']} {node['id']}: {problem}"
        for node in workflow["nodes"]
        if node["type"] not in NOTES
        for problem in _of_node(node, workflow, definitions)
    ]


def _of_node(
    node: Mapping[str, Any], workflow: Mapping[str, Any], definitions: Mapping[str, Definition]
) -> Iterator[str]:
    if node["type"] not in definitions:
        yield "there is no such node"
        return
    given, left_over = widget_values(node, definitions[node["type"]])
    known = inputs(definitions[node["type"]], given)
    wires = {link[4]: link for link in workflow["links"] if link[3] == node["id"]}
    linked = {node["inputs"][slot]["name"] for slot in wires}
    yield from (f"{name} is missing" for name in known if known[name].required and name not in linked | set(given))
    yield from (f"there is no input {name}" for name in linked | set(given) if name not in known)
    yield from (f"values that belong to no input: {left_over}" for _ in left_over[:1])
    for name in given.keys() & known.keys() - linked:
        yield from _of_value(name, given[name], known[name], declared(node))
    for slot, (_, source, output, *_) in wires.items():
        name = node["inputs"][slot]["name"]
        yield from _of_link(name, known.get(name), output_type(workflow, definitions, source, output))


def _of_value(name: str, value: Any, wanted: Input, files: list[Mapping[str, str]]) -> Iterator[str]:
    if wanted.choices is not None:
        if value not in wanted.choices and value not in [*(file["name"] for file in files), *ARCHIVED]:
            yield f"{name} is {value!r}: no choice, and no file that it declares"
    elif wanted.type in NUMBERS:
        least, most = wanted.options.get("min", value), wanted.options.get("max", value)
        if isinstance(value, bool) or not isinstance(value, NUMBERS[wanted.type]) or not least <= value <= most:
            yield f"{name} is {value!r}, but it is {wanted.type} from {least} to {most}"
    elif not isinstance(value, PLAIN[wanted.type]):
        yield f"{name} is {value!r}, but it is {wanted.type}"


def _of_link(name: str, wanted: Input | None, comes: str) -> Iterator[str]:
    if wanted is not None and not {ANY, MATCH} & {wanted.type, comes} and comes not in wanted.type.split(","):
        yield f"{name} is {wanted.type}, but {comes} comes in"


def output_type(workflow: Mapping[str, Any], definitions: Mapping[str, Definition], node_id: int, output: int) -> str:
    """What an output gives; one that gives what its node got, what that was."""
    node = next(node for node in workflow["nodes"] if node["id"] == node_id)
    definition = definitions.get(node["type"])
    if definition is None:
        return ANY
    if definition["output"][output] != MATCH:
        return definition["output"][output]
    template = definition["output_matchtypes"][output]
    known = inputs(definition, {})
    for _, source, slot, target, into, _ in workflow["links"]:
        entry = known.get(node["inputs"][into]["name"]) if target == node_id else None
        if entry is not None and entry.type == MATCH and entry.options["template"]["template_id"] == template:
            return output_type(workflow, definitions, source, slot)
    return ANY


def inputs(definition: Definition, given: Mapping[str, Any]) -> dict[str, Input]:
    """Of a node, by the names that the front end uses; what is given decides which ones a dynamic combo has."""
    return dict(_inputs(definition["input"], given, ""))


def _inputs(spec: Mapping[str, Any], given: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Input]]:
    for kind in ("required", "optional"):
        for name, (type_, *rest) in spec.get(kind, {}).items():
            options = rest[0] if rest else {}
            full = prefix + name
            if isinstance(type_, list):  # the older way to write a combo
                type_, options = "COMBO", options | {"options": type_}
            if type_ == AUTOGROW:
                yield from _grown(full, options["template"])
                continue
            yield full, Input(type_, options, kind == "required")
            if type_ == CHOICE and full in given:
                chosen = next((option for option in options["options"] if option["key"] == given[full]), {"inputs": {}})
                yield from _inputs(chosen["inputs"], given, f"{full}.")


def _grown(name: str, template: Mapping[str, Any]) -> Iterator[tuple[str, Input]]:
    names = template.get("names") or [f"{template['prefix']}{at}" for at in range(template["max"])]
    ((type_, options),) = template["input"]["required"].values()
    for at, entry in enumerate(names):
        yield f"{name}.{entry}", Input(type_, options, at < template["min"])


def widget_values(node: Mapping[str, Any], definition: Definition) -> tuple[dict[str, Any], list[Any]]:
    """The values that a node saves, by input, and those that belong to none.

    They are saved as a list in the order of the widgets. A seed is followed by what happens to it after a run.
    """
    left = list(node.get("widgets_values") or [])
    values: dict[str, Any] = {}
    for entry in node["inputs"]:
        if "widget" not in entry:
            continue
        name, value = entry["name"], left.pop(0)
        if entry["type"] == UPLOAD:
            continue
        values[name] = value
        known = inputs(definition, values).get(name)
        if known is not None and known.options.get("control_after_generate"):
            left.pop(0)
    return values, left


def declared(node: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The files that a node names, with address and folder, for the front end to offer."""
    return node["properties"].get("models", [])
