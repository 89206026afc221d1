"""A table sets inputs of a workflow: what a column means, what a row may say, what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster_table import BadRow, Refused, Table, digest, target, workflow

NODES: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "cfg": 8, "model": ["4", 0]}, "_meta": {"title": "Draw"}},
    "4": {"class_type": "Loader", "inputs": {"name": "a.safetensors", "fast": False}, "_meta": {"title": "v1.5 model"}},
    "5": {"class_type": "Text", "inputs": {"text": ""}, "_meta": {"title": "Words"}},
    "6": {"class_type": "Text", "inputs": {"text": "", "sizes.0": 4}, "_meta": {"title": "Words"}},
    "7:2": {"class_type": "Save", "inputs": {}},
}


def made(folder: Path, text: str, name: str = "table.csv") -> Table:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Table(path, NODES)


@pytest.mark.parametrize(
    ("column", "node", "name"),
    [
        ("3.seed", "3", "seed"),
        ("Draw.seed", "3", "seed"),
        ("KSampler.seed", "3", "seed"),
        ("v1.5 model.name", "4", "name"),
        ("Words.sizes.0", "6", "sizes.0"),
        ("5.text", "5", "text"),
    ],
)
def test_a_column_names_a_node_and_its_input(column: str, node: str, name: str) -> None:
    nodes = {**NODES, "3": {**NODES["3"], "_meta": {"title": "KSampler" if column.startswith("K") else "Draw"}}}
    assert target(column, nodes)[1:3] == (node, name)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("Drew.seed", "no such node. There are: 3 (Draw), 4 (v1.5 model)"),
        ("3.sead", "node 3 has no such input. Its inputs are: seed, cfg, model"),
        ("Words.text", "may be of the nodes 5, 6: write the id"),
        ("3.model", "wired to node 4"),
    ],
)
def test_a_column_that_sets_nothing_is_refused(tmp_path: Path, column: str, told: str) -> None:
    with pytest.raises(Refused) as refused:
        made(tmp_path, f"3.seed,{column}\n1,2\n")
    assert told in str(refused.value)
    assert column in str(refused.value)


def test_columns_without_a_dot_are_notes_and_a_table_of_notes_is_refused(tmp_path: Path) -> None:
    table = made(tmp_path, "kind,3.seed\nred,7\n")
    assert table.header == ["kind", "3.seed"]
    assert [one.column for one in table.targets] == ["3.seed"]
    with pytest.raises(Refused, match="sets an input"):
        made(tmp_path, "prompt\na cat\n")
    with pytest.raises(Refused, match=r"two columns '3\.seed'"):
        made(tmp_path, "3.seed,3.seed\n1,2\n")


def test_a_row_sets_values_of_the_kind_that_is_there_and_changes_nothing_else(tmp_path: Path) -> None:
    before = json.dumps(NODES)
    text = '3.seed,3.cfg,4.fast,5.text,6.sizes.0\n18446744073709551615,7.5,yes,"a cat,\n""red""",-3\n'
    table = made(tmp_path, "\ufeff" + text)
    prompt = table.prompt(next(iter(table)))
    assert prompt["3"]["inputs"] == {"seed": 2**64 - 1, "cfg": 7.5, "model": ["4", 0]}
    assert prompt["4"]["inputs"]["fast"] is True
    assert prompt["5"]["inputs"]["text"] == 'a cat,\n"red"'
    assert prompt["6"]["inputs"] == {"text": "", "sizes.0": -3}
    assert json.dumps(NODES) == before


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("one,yes,", "3.seed is 'one', and a number is needed"),
        (",yes,", "3.seed is '', and a number is needed"),
        ("1,maybe,", "4.fast is 'maybe', and yes or no is needed"),
        ("1,yes", "the row has 2 cells, and the table 3 columns"),
        ("1,yes,a,b", "the row has 4 cells"),
    ],
)
def test_a_row_that_can_not_be_set_says_why(tmp_path: Path, row: str, told: str) -> None:
    table = made(tmp_path, f"3.seed,4.fast,5.text\n{row}\n1,no,\n")
    bad, good = table
    with pytest.raises(BadRow) as error:
        table.prompt(bad)
    assert told in str(error.value)
    assert table.prompt(good)["5"]["inputs"]["text"] == ""


def test_tabs_by_the_name_and_no_other_encoding(tmp_path: Path) -> None:
    assert next(iter(made(tmp_path, "3.seed\tkind\n1\tred, blue\n", "table.tsv"))) == ["1", "red, blue"]
    (tmp_path / "latin.csv").write_bytes("3.seed,kind\n1,rouge\xe9\n".encode("latin-1"))
    with pytest.raises(Refused, match="UTF-8"):
        list(Table(tmp_path / "latin.csv", NODES))
    with pytest.raises(Refused, match="can not be read"):
        Table(tmp_path / "nowhere.csv", NODES)


def test_rows_that_say_something_else_have_another_digest() -> None:
    rows = [["a", "b"], ["a,b"], ["ab", ""], ["", "ab"], []]
    assert len({digest(row) for row in rows}) == len(rows)
    assert all(0 < digest(row) < 2**64 for row in rows)


def test_a_workflow_has_to_be_in_api_format_and_is_told_how_to_get_there(tmp_path: Path) -> None:
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(NODES))
    assert workflow(path) == NODES
    for text in ('{"nodes": [{"id": 1}], "links": []}', "[]", "{}", '{"1": {"inputs": {}}}', "no json"):
        path.write_text(text)
        with pytest.raises(Refused, match=r"Workflow -> Export \(API\)"):
            workflow(path)
    with pytest.raises(Refused, match="can not be read"):
        workflow(tmp_path / "nowhere.json")
