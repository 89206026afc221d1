"""`check` and `map` of scripts/cluster, where Ray and the pack can be imported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cluster_summary
from cluster_bar import Bar
from cluster_results import Results, read, to_parquet
from cluster_table import BadRow, Refused, Table, workflow
from noise_search.cluster.machines import Comfy, Member, members_alone, members_of
from noise_search.cluster.rows import Found, NobodyLeft, Outcome, Row, Rows, gathered, judged

VERSIONS = ("ComfyUI", "torch", "Noise Search")
NO_RAY = 'This needs Ray. Install it with: {} -m pip install "ray>=2.59"'
NO_ARROW = "--parquet needs pyarrow. Install it with: {} -m pip install pyarrow"


def check(path: Path, comfy: Comfy, address: str | None, count: int) -> int:
    """0 when every worker can run the workflow, and all have the same."""
    nodes = workflow(path)
    found = gathered(started(comfy, address, count), nodes)
    reasons = judged(found)
    print(machines(found, reasons, len({node["class_type"] for node in nodes.values()})))
    able = sum(not why for why in reasons)
    print(f"\n{able} of {len(found)} workers can run {path}.")
    return 0 if able == len(found) else 1


def map_rows(
    path: Path, rows: Path, folder: Path, comfy: Comfy, address: str | None, count: int, parquet: bool, summary: bool
) -> int:
    """0 when every row is done without an error."""
    if parquet and importlib.util.find_spec("pyarrow") is None:
        raise Refused(NO_ARROW.format(sys.executable))
    table = Table(rows, workflow(path))
    results = Results(folder, table)
    try:
        total = len(results.rows)
        again = f" ({results.failed} of them failed before)" if results.failed else ""
        print(f"{total} rows, {results.done} done, {total - results.done} to do{again}.", flush=True)
        failed = run(results, lambda: started(comfy, address, count)) if results.done < total else 0
    finally:
        results.close()
    if parquet:
        print(to_parquet(folder))
    if summary:
        summarize(folder, total)
    print(f"The results are in {folder}." + (f" {failed} rows failed: see `error` in rows.csv." if failed else ""))
    return 1 if failed else 0


def started(comfy: Comfy, address: str | None, count: int) -> list[Member]:
    """The workers. Raises Refused when there can be none."""
    if importlib.util.find_spec("ray") is None:
        raise Refused(NO_RAY.format(sys.executable))
    try:
        members = members_alone(comfy, count) if address is None else members_of(address, comfy, count)
    except (ValueError, ConnectionError, RuntimeError) as error:  # such as another version of Ray or Python there
        raise Refused(f"Ray did not start: {error}") from None
    if not members:
        raise Refused(
            "The Ray cluster has no GPU, and none of its machines offers --resources '{\"noise_search\": 1}'."
        )
    print(f"Starting ComfyUI on {len(members)} worker{'s' * (len(members) > 1)} ...", flush=True)
    return members


def run(results: Results, start: Any) -> int:
    """Run what is not done. Returns how many rows have failed."""
    found = gathered(start(), results.table.nodes)
    reasons = judged(found)
    for one, why in zip(found, reasons):
        if why:
            print(f"{one.member.name} takes no part: {'; '.join(why)}", flush=True)
    able = [one for one, why in zip(found, reasons) if not why]
    if not able:
        raise Refused("No worker can run this workflow.")
    changed = results.note_versions({name: able[0].told[name] for name in VERSIONS})
    if changed:
        print(f"Earlier rows were made with something else: {changed}.", flush=True)
    names = {one.member.name: f"{one.member.name} ({one.told['where']})" for one in able}
    return write(results, [one.member for one in able], names)


def write(results: Results, members: Sequence[Member], names: Mapping[str, str]) -> int:
    bar = Bar(len(results.rows), results.done)
    pending = Pending(results)
    rows = Rows(members, pending, bar.say)
    try:
        for outcome in rows:
            pending.written(outcome, names.get(outcome.worker, outcome.worker))
            bar.add(bool(outcome.error))
    except NobodyLeft as error:
        bar.end()
        raise Refused(f"{error} {bar.done} of {bar.total} rows are done; the same command goes on from here.") from None
    except BaseException:  # Ctrl+C among them
        rows.close()
        bar.end()
        print(f"Stopped. {results.done} of {bar.total} rows are done; the same command goes on from here.", flush=True)
        raise
    bar.end()
    return bar.failed


class Pending:
    """Rows that are not done, as they are asked for. It holds the cells of those that were handed out."""

    def __init__(self, results: Results):
        self.results = results
        self.out: dict[int, list[str]] = {}

    def __iter__(self) -> Iterator[Row]:
        table = self.results.table
        for number, cells in enumerate(table, start=1):
            if number > len(self.results.rows) or self.results.is_done[number - 1]:
                continue
            self.out[number] = cells
            try:
                yield Row(number, table.prompt(cells))
            except BadRow as error:
                yield Row(number, {}, str(error))

    def written(self, outcome: Outcome, worker: str) -> None:
        self.results.write(outcome.number, self.out.pop(outcome.number), outcome.told, worker, outcome.error)


def summarize(folder: Path, total: int) -> None:
    found, failed = cluster_summary.summed(read(folder / "rows.csv"))
    told = cluster_summary.text(found, failed, total)
    print(f"\n{told}\n")
    for file in cluster_summary.write(found, told, folder):
        print(file)


def machines(found: Sequence[Found], reasons: Sequence[Sequence[str]], kinds: int) -> str:
    """A line a worker. kinds: of nodes that the workflow has."""
    rows = [("worker", "machine", *VERSIONS, "nodes", "files", "")]
    for one, why in zip(found, reasons):
        told = one.told
        has = (f"{len(told['nodes'])}/{kinds}", _files(told["files"])) if told else ("", "")
        versions = [told.get(name, "") for name in VERSIONS]
        rows.append((one.member.name, told.get("where", ""), *versions, *has, "; ".join(why) or "ready"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    named = sorted({f"{name} ({size:,} bytes)" for one in found for name, size in one.told.get("files", {}).items()})
    return "\n".join([*lines, *(["", "Files:", *(f"  {name}" for name in named)] if named else [])])


def _files(files: Mapping[str, int]) -> str:
    return f"{len(files)}, {sum(files.values()) / 1e9:.2f} GB"
