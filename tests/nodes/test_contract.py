"""Workflows that people have saved keep working: ids, inputs and outputs of every node against a recorded copy.

Something new may come at the end of a node's inputs, outputs or choices. It has to be recorded as well:

    RECORD_CONTRACT=1 scripts/test tests/nodes/test_contract.py

It records nothing when a line would be taken out of the file or moved in it: that is a workflow that breaks.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saved_graph import CHOICE, Input, inputs

FOUND = re.compile(
    r"(model|head|clip|detector|reader|folder|statistics|scheduler|sampler_name)$"
)  # choices: files, what the host has
FILE = Path(__file__).parent.parent / "fixtures" / "node_contract.json"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", CHOICE}
INPUTS = ("inputs with a widget", "sockets")
Contract = dict[str, dict[str, list[str]]]


def contract() -> Contract:
    """Of every node, as the front end has it: inputs and outputs in order, by node id.

    A node with a choice that decides which inputs there are has an entry per choice: "StepScheduler, mode budget".
    """
    importlib.import_module("noise_search.verifiers.files").register()
    infos = (node.GET_NODE_INFO_V1() for node in importlib.import_module("noise_search.nodes").NODES)
    return {name: entry for info in infos for name, entry in entries(info)}


def entries(info: dict[str, Any]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    outputs = [output(*of) for of in zip(info["output_name"], info["output"], info["output_is_list"])]
    plain = inputs(info, {})
    ways = [(name, option["key"]) for name, given in plain.items() if given.type == CHOICE for option in options(given)]
    if not ways:
        yield info["name"], described(plain) | {"outputs": outputs}
    for name, key in ways:
        yield f"{info['name']}, {name} {key}", described(inputs(info, {name: key})) | {"outputs": outputs}


def options(given: Input) -> list[dict[str, Any]]:
    return given.options["options"]


def described(given: dict[str, Input]) -> dict[str, list[str]]:
    lines = [f"{name}: {each.type}{'' if each.required else ', optional'}" for name, each in given.items()]
    own = {name: each.choices for name, each in given.items() if each.choices and not FOUND.search(name)}
    return {"inputs": lines} | {f"choices of {name}": choices for name, choices in own.items()}


def output(name: str, kind: str, is_list: bool) -> str:
    return f"{name}: {kind}{', list' if is_list else ''}"


def broken(recorded: Contract, now: Contract) -> list[str]:
    """What was recorded and is no longer there, or elsewhere; new inputs that a saved workflow would have to have."""
    found = []
    for name, entry in by_kind(recorded).items():
        there_now = by_kind(now).get(name, {})
        for side, lines in entry.items():
            there = there_now.get(side, [])
            kept = [line in (given, given.removesuffix(", optional")) for line, given in zip(lines, there)]
            kept += [False] * (len(lines) - len(kept))
            found += [f"{name}, {side} {at}: {line}" for at, line in enumerate(lines) if not kept[at]]
        more = [line for side in INPUTS for line in there_now.get(side, [])[len(entry[side]) :]]
        found += [f"{name}, inputs: {line}" for line in more if not line.endswith(", optional")]
    return found


def by_kind(given: Contract) -> Contract:
    """With the inputs that have a widget apart from those that are sockets only: the values of widgets are saved by
    their order, links by the name of their input, and the host puts what is optional behind what is not."""
    return {name: _by_kind(entry) for name, entry in given.items()}


def _by_kind(entry: dict[str, list[str]]) -> dict[str, list[str]]:
    typed = {line: line.split(": ")[1].removesuffix(", optional") in WIDGETS for line in entry.get("inputs", [])}
    widgets, sockets = ([line for line, has in typed.items() if has is wanted] for wanted in (True, False))
    return {side: lines for side, lines in entry.items() if side != "inputs"} | dict(zip(INPUTS, (widgets, sockets)))


def record(now: Contract, file: Path = FILE) -> None:
    """Write down what is there now, unless that breaks a workflow."""
    gone = broken(json.loads(file.read_text(encoding="utf-8")), now)
    assert not gone, f"Nothing is recorded, because saved workflows would break: {gone}"
    file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def now(comfy: ModuleType) -> Contract:
    return contract()


@pytest.fixture(scope="module")
def recorded(now: Contract) -> Contract:
    if os.environ.get("RECORD_CONTRACT"):
        record(now)
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_nothing_is_removed_renamed_retyped_or_moved(recorded: Contract, now: Contract) -> None:
    assert broken(recorded, now) == []


def test_what_is_new_is_recorded(recorded: Contract, now: Contract) -> None:
    assert now == recorded


CHANGES: dict[str, Callable[[Contract], object]] = {
    "a node is gone": lambda now: now.pop("ReplayNoise"),
    "an input is gone": lambda now: now["RandomSearch"]["inputs"].pop(),
    "an input has another name": lambda now: now["RandomSearch"]["inputs"].__setitem__(4, "count: INT"),
    "an input is of another type": lambda now: now["RandomSearch"]["inputs"].__setitem__(4, "candidates: FLOAT"),
    "an input has to be there": lambda now: now["RandomSearch"]["inputs"].__setitem__(8, "patience: INT"),
    "an input came between": lambda now: now["RandomSearch"]["inputs"].insert(4, "size: INT"),
    "a new input has to be there": lambda now: now["RandomSearch"]["inputs"].append("more: INT"),
    "outputs are the other way round": lambda now: now["RandomSearch"]["outputs"].reverse(),
    "an output is no list": lambda now: now["SearchReport"]["outputs"].__setitem__(3, "scores: FLOAT"),
    "a choice has another name": lambda now: now["RandomSearch"]["choices of pruning"].__setitem__(1, "pruned"),
    "a setting of a choice came between": lambda now: now["SearchLoopClose, method random"]["inputs"].insert(
        5, "a: INT"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_breaks_a_workflow_is_seen(recorded: Contract, change: str) -> None:
    changed = copy.deepcopy(recorded)
    CHANGES[change](changed)
    assert broken(recorded, changed)


def test_what_need_not_be_there_any_more_breaks_nothing(recorded: Contract) -> None:
    changed = copy.deepcopy(recorded)
    changed["RandomSearch"]["inputs"][4] += ", optional"
    assert broken(recorded, changed) == []


def test_what_comes_at_the_end_breaks_nothing(recorded: Contract) -> None:
    changed = copy.deepcopy(recorded) | {"NewNode": {"inputs": [], "outputs": []}}
    changed["RandomSearch"]["inputs"].append("more: INT, optional")
    changed["RandomSearch"]["outputs"].append("more: INT")
    changed["RandomSearch"]["choices of pruning"].append("more")
    assert broken(recorded, changed) == []


def test_what_breaks_a_workflow_is_not_recorded(recorded: Contract, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    file.write_text(before := json.dumps(recorded), encoding="utf-8")
    changed = copy.deepcopy(recorded)
    changed["RandomSearch"]["inputs"].insert(4, "size: INT")
    with pytest.raises(
        AssertionError, match=r"Nothing is recorded.*RandomSearch, inputs with a widget 2: pruning: COMBO"
    ):
        record(changed, file)
    assert file.read_text(encoding="utf-8") == before
    record(recorded | {"NewNode": {"inputs": [], "outputs": []}}, file)
    assert "NewNode" in json.loads(file.read_text(encoding="utf-8"))


def test_every_search_node_has_a_place_of_its_own(comfy: ModuleType) -> None:
    """Of two with one place, the order in Search Loop Close would go by their titles: a new name would move choices."""
    nodes = importlib.import_module("noise_search.nodes.searches").registered()
    places = [node.PLACE for node in nodes]
    assert len(places) > 2 and sorted(set(places)) == places
