"""Results are taken up again: each row is there once, whatever the command was doing when it was killed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cluster_results import Results, read, to_parquet
from cluster_table import Refused, Table

NODES: dict[str, Any] = {"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}
ROWS = 6
SPARE = len(b'"\r\n')  # that a line can do without


def report(seed: int = 1, **more: Any) -> dict[str, Any]:
    candidates = [
        {"score": score, "nfe": 20, "stopped_at_step": stopped}
        for score, stopped in [(0.5, None), (None, 3), (2.0, None)]
    ]
    best = {"index": 2, "score": 2.0, "recipe": {"seed": seed, "moves": []}}
    nfe = {"search": 60, "total": 60}
    told = {"node": "8", "prompt": "a cat", "seed": seed, "best": best, "baseline": {"score": 0.5}, "nfe": nfe}
    return {**told, "candidates": candidates, **more}


def told(*reports: dict[str, Any]) -> dict[str, Any]:
    files = [("9", ".png", b"one"), ("7:2", ".png", b"two"), ("9", ".webp", b"three")]
    return {"reports": list(reports), "files": files, "seconds": 1.23456}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    path = tmp_path / "table.csv"
    path.write_text("3.seed,kind\n" + "".join(f'{seed},"a {seed}\nb"\n' for seed in range(ROWS)))
    return Table(path, NODES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def opened(folder: Path, table: Table) -> Results:
    return Results(folder, table)


def lines(folder: Path) -> list[dict[str, str]]:
    return list(read(folder / "rows.csv"))


def test_a_row_has_what_the_search_found_and_its_images(folder: Path, table: Table) -> None:
    results = opened(folder, table)
    results.write(2, list(table)[1], told(report(5)), "worker 1")
    (line,) = lines(folder)
    assert (line["row"], line["3.seed"], line["kind"]) == ("2", "1", "a 1\nb")
    assert (line["prompt"], line["seed"], line["score"], line["without_search"]) == ("a cat", "5", "2.0", "0.5")
    assert json.loads(line["recipe"]) == {"seed": 5, "moves": []}
    assert json.loads(line["scores"]) == [0.5, None, 2.0]
    assert json.loads(line["stopped_at"]) == [None, 3, None]
    assert (line["nfes"], line["nfe"], line["seconds"], line["worker"]) == ("[20, 20, 20]", "60", "1.235", "worker 1")
    images = json.loads(line["images"])
    assert images == ["images/000002_7-2_0.png", "images/000002_9_0.png", "images/000002_9_1.webp"]
    assert [(folder / image).read_bytes() for image in images] == [b"two", b"one", b"three"]
    assert results.done == 1


def test_several_images_are_several_lines_of_one_row(folder: Path, table: Table) -> None:
    results = opened(folder, table)
    results.write(1, next(iter(table)), told(report(5), report(6)), "")
    assert [(line["row"], line["part"], line["parts"], line["seed"]) for line in lines(folder)] == [
        ("1", "0", "2", "5"),
        ("1", "1", "2", "6"),
    ]
    results.close()
    assert opened(folder, table).done == 1


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 40, 200])
def test_a_row_that_was_cut_off_and_one_that_failed_run_again(folder: Path, table: Table, cut: int) -> None:
    rows, results = list(table), opened(folder, table)
    results.write(3, rows[2], told(report()), "")
    results.write(1, rows[0], {}, "", 'it has failed, "so"\nit is')
    results.write(2, rows[1], told(report(), report(2)), "")
    results.close()
    whole = results.path.read_bytes()
    results.path.write_bytes(whole[:-cut])
    again = opened(folder, table)
    assert again.failed == 1
    is_whole = cut <= SPARE
    assert list(again.is_done) == [0, is_whole, 1, 0, 0, 0]
    again.write(1, rows[0], told(report()), "")
    again.close()
    assert sorted({line["row"] for line in lines(folder)}) == (["1", "2", "3"] if is_whole else ["1", "3"])
    assert len(lines(folder)) == (4 if is_whole else 2)
    assert [line["error"] for line in lines(folder) if line["error"]] == []


def test_a_killed_command_at_any_byte_loses_no_whole_row(folder: Path, table: Table) -> None:
    rows, results, ends = list(table), opened(folder, table), []
    for number in range(1, ROWS + 1):
        results.write(number, rows[number - 1], told(report(number)), "")
        ends.append(results.path.stat().st_size)
    results.close()
    whole = results.path.read_bytes()
    for length in range(len(whole)):
        results.path.write_bytes(whole[:length])
        if length == 0 or whole[:length].count(b"\r\n") == 0:  # the header is written whole, see _take_up
            continue
        again = opened(folder, table)
        again.close()
        assert again.done == sum(end - SPARE <= length for end in ends), length


def test_rows_may_be_added_and_not_be_changed(folder: Path, table: Table) -> None:
    results = opened(folder, table)
    results.write(2, list(table)[1], told(report()), "")
    results.close()
    text = table.path.read_text()
    table.path.write_text(text + "9,new\n")
    again = opened(folder, table)
    assert (len(again.rows), again.done) == (ROWS + 1, 1)
    again.close()
    table.path.write_text(text.replace("1,", "8,"))
    before = results.path.read_bytes()
    with pytest.raises(Refused, match=r"Row 2 of .* is not what was run as row 2"):
        opened(folder, table)
    assert results.path.read_bytes() == before


def test_another_workflow_columns_or_command_are_refused(folder: Path, table: Table, tmp_path: Path) -> None:
    results = opened(folder, table)
    with pytest.raises(Refused, match="Another command"):
        opened(folder, table)
    results.close()
    other = Table(table.path, {"3": {"class_type": "KSampler", "inputs": {"seed": 2}}})
    with pytest.raises(Refused, match="another workflow"):
        opened(folder, other)
    (tmp_path / "other.csv").write_text("3.seed,sort\n1,a\n")
    with pytest.raises(Refused, match="other columns"):
        opened(folder, Table(tmp_path / "other.csv", NODES))
    (tmp_path / "clash.csv").write_text("3.seed,prompt\n1,a\n")
    with pytest.raises(Refused, match="'prompt' has a name of the results"):
        opened(tmp_path / "clash", Table(tmp_path / "clash.csv", NODES))


def test_other_versions_are_told(folder: Path, table: Table) -> None:
    results = opened(folder, table)
    assert results.note_versions({"torch": "2.9", "ComfyUI": "0.30.0"}) == ""
    assert results.note_versions({"torch": "2.9", "ComfyUI": "0.30.0"}) == ""
    assert results.note_versions({"torch": "2.10", "ComfyUI": "0.30.0"}) == "torch was 2.9 and is 2.10"


def test_parquet_holds_numbers_and_lists(folder: Path, table: Table) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows, results = list(table), opened(folder, table)
    results.write(1, rows[0], told(report(2**64 - 1)), "worker 1")
    results.write(2, rows[1], {}, "", "failed")
    results.close()
    first, second = parquet.read_table(to_parquet(folder)).to_pylist()
    assert (first["row"], first["seed"], first["score"], first["nfe"]) == (1, 2**64 - 1, 2.0, 60)
    assert (first["scores"], first["stopped_at"]) == ([0.5, None, 2.0], [None, 3, None])
    assert (second["error"], second["score"], second["scores"], second["images"]) == ("failed", None, None, [])


def test_what_is_written_is_csv_that_others_read(folder: Path, table: Table) -> None:
    results = opened(folder, table)
    results.write(1, next(iter(table)), told(report()), "")
    with results.path.open(newline="") as file:
        header, line = csv.reader(file)
    assert len(header) == len(line)
