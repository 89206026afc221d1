"""What came of the rows of a table, in a folder: `rows.csv`, `images/`, and `run.json` with what they were made by.

A row is written when it has come. What is there without an error is not run again.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from cluster_table import Refused, Table, digest

BEFORE = ("row",)
AFTER = (
    *("error", "part", "parts", "node", "prompt", "seed", "recipe", "score", "without_search", "scores", "nfes"),
    *("stopped_at", "nfe", "seconds", "worker", "images"),
)
NUMBERS = ("row", "part", "parts", "seed", "nfe")
REALS = ("score", "without_search", "seconds")
LISTS = ("scores", "nfes", "stopped_at", "images")
BATCH = 4096  # rows that become Parquet together


class Results:
    """Of a table in a folder. Only one process at a time has a folder.

    Raises Refused for a folder that another process has, or that holds results of another workflow or other rows.
    """

    def __init__(self, folder: Path, table: Table):
        self.folder = folder
        self.table = table
        (folder / "images").mkdir(parents=True, exist_ok=True)
        clash = sorted(set(table.header) & {*BEFORE, *AFTER})
        if clash:
            raise Refused(
                f"The column {clash[0]!r} has a name of the results. Rename it to NODE.{clash[0]} if it sets an input, "
                "else to something else."
            )
        self.columns = [*BEFORE, *table.header, *AFTER]
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"Another command is writing into {folder}.") from None
        self._check_workflow()
        self.rows = array("Q", map(digest, table))  # 8 bytes a row is all that is kept of it
        self.is_done = bytearray(len(self.rows))
        self.failed = self._take_up()
        self._file = self.path.open("a", encoding="utf-8", newline="")

    @property
    def path(self) -> Path:
        return self.folder / "rows.csv"

    @property
    def done(self) -> int:
        return sum(self.is_done)

    def write(self, number: int, cells: Sequence[str], told: Mapping[str, Any], worker: str, error: str = "") -> None:
        """A row, once its images are there. told: as a worker returns it; without reports there was no search."""
        images = self._write_images(number, told.get("files", []))
        told_by = told.get("reports") or [{}]
        notes = dict(zip(self.table.header, cells))
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns)
        for part, report in enumerate(told_by):
            place = {"row": number, "error": error, "part": part, "parts": len(told_by), "worker": worker}
            seconds = {"seconds": round(told["seconds"], 3)} if "seconds" in told else {}
            writer.writerow({**notes, **place, **searched(report), **seconds, "images": json.dumps(images)})
        self._file.write(text.getvalue())
        self._file.flush()
        self.is_done[number - 1] = not error

    def close(self) -> None:
        self._file.close()
        self._lock.close()

    def note_versions(self, versions: Mapping[str, str]) -> str:
        """With what the rows are made. Returns what differs from what earlier ones were made with, in words."""
        told = self._read_run()
        before = told.get("versions")
        if before is None:
            self._write_run({**told, "versions": dict(versions)})
            return ""
        changed = [name for name, one in versions.items() if before.get(name) != one]
        return ", ".join(f"{name} was {before.get(name)} and is {versions[name]}" for name in changed)

    def _check_workflow(self) -> None:
        told = self._read_run()
        if not told:
            self._write_run({"workflow": self.table.nodes})
        elif told["workflow"] != self.table.nodes:
            raise Refused(f"{self.folder} holds results of another workflow. Choose another folder for this one.")

    def _read_run(self) -> dict[str, Any]:
        path = self.folder / "run.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _write_run(self, told: Mapping[str, Any]) -> None:
        part = self.folder / "run.json.part"
        part.write_text(json.dumps(told), encoding="utf-8")
        os.replace(part, self.folder / "run.json")

    def _take_up(self) -> int:
        """Keep of earlier results what is whole and has no error. Returns how many rows had one."""
        failed, part = 0, self.folder / "rows.csv.part"
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for number, lines in groupby(read(self.path, self.columns), lambda line: int(line["row"])):
                found = list(lines)
                if len(found) != int(found[0]["parts"]):
                    continue
                self._check_row(number, [found[0][column] for column in self.table.header])
                if found[0]["error"]:
                    failed += 1
                elif not self.is_done[number - 1]:
                    writer.writerows(found)
                    self.is_done[number - 1] = True
        os.replace(part, self.path)
        return failed

    def _check_row(self, number: int, cells: Sequence[str]) -> None:
        if number > len(self.rows) or self.rows[number - 1] != digest(cells):
            raise Refused(
                f"Row {number} of {self.table.path} is not what was run as row {number} in {self.folder}. New rows go "
                "to the end of the table; for one that was changed otherwise choose another folder."
            )

    def _write_images(self, number: int, files: Sequence[tuple[str, str, bytes]]) -> list[str]:
        names: list[str] = []
        for node, of_node in groupby(sorted(files, key=lambda file: file[0]), lambda file: file[0]):
            for at, (_, suffix, data) in enumerate(of_node):
                names.append(f"images/{number:06d}_{node.replace(':', '-')}_{at}{suffix}")
                (self.folder / names[-1]).write_bytes(data)
        return names


def searched(report: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that a report fills."""
    if not report:
        return {}
    candidates = report["candidates"]
    return {
        "node": report["node"],
        "prompt": report["prompt"],
        "seed": report["seed"],
        "recipe": json.dumps(report["best"]["recipe"]),
        "score": report["best"]["score"],
        "without_search": report["baseline"]["score"],
        "scores": json.dumps([one["score"] for one in candidates]),
        "nfes": json.dumps([one["nfe"] for one in candidates]),
        "stopped_at": json.dumps([one["stopped_at_step"] for one in candidates]),
        "nfe": report["nfe"]["total"],
    }


def read(path: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """The lines of a file of results that are whole; none when it is not there. columns: those that it has to have.

    A line that was cut off has too few cells, or none of its own number.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if columns and header and header != list(columns):
            raise Refused(f"{path} holds results of a table with other columns. Choose another folder.")
        for cells in reader:
            if len(cells) == len(header) and cells[-1].startswith("[") and cells[-1].endswith("]"):
                yield dict(zip(header, cells))


def to_parquet(folder: Path) -> Path:
    """The same as `rows.parquet`, with numbers and lists in place of their texts. Needs pyarrow."""
    import pyarrow
    from pyarrow import parquet

    source, target = folder / "rows.csv", folder / "rows.parquet"
    with source.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    schema = pyarrow.schema([(column, _arrow_type(pyarrow, column)) for column in columns])
    with parquet.ParquetWriter(target, schema) as writer:
        for batch in _batches(read(source)):
            rows = [{column: _arrow_value(column, line[column]) for column in columns} for line in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return target


def _batches(lines: Iterator[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    for _, batch in groupby(enumerate(lines), lambda pair: pair[0] // BATCH):
        yield [line for _, line in batch]


def _arrow_type(pyarrow: Any, column: str) -> Any:
    if column in LISTS:
        kinds = {"scores": pyarrow.float64(), "images": pyarrow.string()}
        return pyarrow.list_(kinds.get(column, pyarrow.int64()))
    kinds = {**dict.fromkeys(NUMBERS, pyarrow.int64()), **dict.fromkeys(REALS, pyarrow.float64())}
    if column == "seed":  # up to 2^64
        return pyarrow.uint64()
    return kinds.get(column, pyarrow.string())


def _arrow_value(column: str, text: str) -> Any:
    if column in LISTS:
        return json.loads(text) if text else None
    if column in NUMBERS or column in REALS:
        return None if text == "" else int(text) if column in NUMBERS else float(text)
    return text
