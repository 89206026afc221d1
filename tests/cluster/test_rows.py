"""Rows of a table on several workers: each is done once, whoever is killed, and a bad one stops nobody."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cluster_run
import stub_worker
from cluster_results import Results, read
from cluster_table import Table
from comfy_server import link_packs
from demo_workflow import build
from layout import ROOT, custom_nodes
from noise_search.cluster import machines, rows
from noise_search.cluster.rows import Found, Outcome, Row, Rows

ray = pytest.importorskip("ray")
PATHS = [str(ROOT / folder) for folder in ("scripts", "scripts/harness", "tests/support")]


def stub(number: int, does: str = "", once: str = "") -> Row:
    return Row(number, {"1": {"class_type": "Stub", "inputs": {"number": number, "does": does, "once": once}}})


def told(**more: Any) -> dict[str, Any]:
    return {**stub_worker.VERSIONS, "nodes": ["A"], "files": {"loras/a": 1}, "problem": "", **more}


def test_those_take_part_that_have_what_most_have() -> None:
    there = [told(torch="1"), told(), told(), told(files={"loras/a": 2}), told(files={}, problem="no a"), {}]
    found = [Found(machines.Member(None, str(at)), one, "" if one else "gone") for at, one in enumerate(there)]
    assert rows.judged(found) == [
        ["torch is 1 there and 2 elsewhere"],
        [],
        [],
        ["loras/a has 2 bytes there and 1 elsewhere"],
        ["loras/a is not there"],
        ["gone"],
    ]
    assert rows.judged([Found(machines.Member(None, "1"), told(problem="no a"))]) == [["no a"]]


@pytest.fixture(scope="module")
def stubs(cluster: str) -> Iterator[list[Any]]:
    members = stub_worker.members(2)
    yield members
    for member in members:
        ray.kill(member.actor)


def are_back(members: list[Any]) -> None:
    """Wait for those that an earlier test has ended."""
    for member in members:
        patience = time.monotonic() + rows.BACK_WITHIN
        while time.monotonic() < patience:
            try:
                ray.get(member.actor.about.remote({}))
                break
            except ray.exceptions.RayError:
                time.sleep(0.1)


def outcomes(members: list[Any], given: list[Row], said: list[str] | None = None) -> dict[int, Outcome]:
    are_back(members)
    found = list(Rows(members, iter(given), (said if said is not None else []).append))
    assert sorted(one.number for one in found) == [row.number for row in given], "each once"
    return {one.number: one for one in found}


def test_a_row_that_fails_and_one_that_has_no_prompt_stop_nobody(stubs: list[Any]) -> None:
    given = [stub(1), stub(2, "fail"), Row(3, {}, "3.seed is empty"), *map(stub, range(4, 9))]
    found = outcomes(stubs, given)
    assert {number: one.error for number, one in found.items() if one.error} == {
        2: "Stub (node 1): it fails",
        3: "3.seed is empty",
    }
    assert found[1].told["files"] == [("1", ".png", b"1")]


def test_a_row_goes_to_another_worker_when_its_own_is_lost(stubs: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    found = outcomes(stubs, [stub(1), stub(2, "end once", str(tmp_path / "once")), stub(3), stub(4)], said)
    assert [one.error for one in found.values()] == [""] * 4
    assert any("was lost; row 2 goes to another" in one for one in said)


def test_a_row_that_ends_two_workers_is_given_up_and_says_so(stubs: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    found = outcomes(stubs, [stub(1, "end", str(tmp_path / "once")), stub(2), stub(3)], said)
    assert "given up: the workers that had it were lost (worker" in found[1].error
    assert [found[number].error for number in (2, 3)] == ["", ""]
    assert len([one for one in said if "row 1 goes" in one]) == rows.LOSSES


def test_rows_are_read_as_they_are_needed(stubs: list[Any]) -> None:
    read_ahead, taken = 0, []

    def endless() -> Iterator[Row]:
        for number in range(1, 10**9):
            taken.append(number)
            yield stub(number)

    are_back(stubs)
    running = Rows(stubs, endless(), print)
    for outcome, _ in zip(running, range(40)):
        read_ahead = max(read_ahead, taken[-1] - outcome.number)
    running.close()
    assert read_ahead <= 2 * len(stubs)


def test_without_workers_it_is_an_error(cluster: str) -> None:
    with pytest.raises(rows.NobodyLeft):
        list(Rows([], [stub(1)], print))


def test_a_killed_command_goes_on_where_it_was(cluster: str, tmp_path: Path) -> None:
    count, free = 40, 25
    does = {number: "wait" if number <= free else "wait until" for number in range(1, count + 1)} | {5: "fail"}
    lines = "".join(f"{number},{what},{tmp_path / 'go'}\n" for number, what in does.items())
    (tmp_path / "table.csv").write_text("1.number,1.does,1.once\n" + lines)
    code = f"import sys; sys.path[:0] = {PATHS}; import stub_worker; stub_worker.command(*sys.argv[1:])"
    command = [sys.executable, "-c", code, cluster, str(tmp_path)]
    out = tmp_path / "run" / "rows.csv"

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(read(out))) < 10:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {line["row"] for line in read(out) if not line["error"]}
    assert 0 < len(before) < count - 1

    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(read(out))) < min(len(before) + 5, free):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert "the same command goes on from here" in process.communicate()[0]

    (tmp_path / "go").touch()
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    found = list(read(out))
    assert sorted(int(line["row"]) for line in found) == list(range(1, count + 1)), "each once"
    assert [line["row"] for line in found if line["error"]] == ["5"]
    for line in found:
        for image in json.loads(line["images"]):
            assert (tmp_path / "run" / image).read_bytes() == line["1.number"].encode()


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What two ComfyUIs have; an image in its input folder the first alone."""
    found = [tmp_path_factory.mktemp(f"comfy_{at}") for at in range(2)]
    for base in found:
        link_packs(base / "custom_nodes", custom_nodes())
        (base / "input").mkdir()
    Image.new("RGB", (8, 8)).save(found[0] / "input" / "picture.png")
    return found


@pytest.fixture(scope="module")
def comfys(cluster: str, comfyui: Path, bases: list[Path]) -> Iterator[list[Any]]:
    """Two workers that are ComfyUIs."""
    arguments = [["--cpu", "--disable-api-nodes", "--base-directory", str(base)] for base in bases]
    comfy = [machines.Comfy(str(comfyui), one) for one in arguments]
    members = [machines._member(one, f"worker {at + 1}", {}, num_cpus=0) for at, one in enumerate(comfy)]
    yield members
    for member in members:
        ray.kill(member.actor)


def workflow() -> dict[str, Any]:
    made = build("a small blue circle above a small orange cross", 3, 0)
    for sampler in (made.plain, made.search, made.baseline, made.winner):
        made.graph.prompt[sampler.id]["_meta"] = {"title": f"the {sampler.id}"}
    for sampler in ("7", "8"):
        made.graph.prompt[sampler]["inputs"]["steps"] = 4
    return made.graph.prompt


def test_check_says_who_lacks_what_by_its_exit_status(
    comfys: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_run, "started", lambda *_: comfys)
    path, nodes = tmp_path / "workflow.json", workflow()
    path.write_text(json.dumps(nodes))
    assert cluster_run.check(path, None, None, 0) == 0
    assert "2 of 2 workers can run" in capsys.readouterr().out
    nodes["90"] = {"class_type": "LoadImage", "inputs": {"image": "picture.png"}}
    nodes["91"] = {"class_type": "PreviewImage", "inputs": {"images": ["90", 0]}}
    path.write_text(json.dumps(nodes))
    assert cluster_run.check(path, None, None, 0) == 1
    told = capsys.readouterr().out
    assert "1 of 2 workers can run" in told
    (second,) = [line for line in told.splitlines() if line.startswith("worker 2")]
    assert second.endswith("input/picture.png is not there")
    nodes["92"] = {"class_type": "NoSuchNode", "inputs": {}}
    path.write_text(json.dumps(nodes))
    assert cluster_run.check(path, None, None, 0) == 1
    assert "NoSuchNode" in capsys.readouterr().out


def test_a_worker_that_is_killed_costs_no_row_and_searches_are_told(comfys: list[Any], tmp_path: Path) -> None:
    caption = "two small green triangles"
    cells = [(caption, seed, 4, "euler") for seed in range(4)]
    cells += [(caption, 1, 4, "euler"), (caption, 1, 5, "nothing"), (caption, "x", 4, "euler")]
    cells += [(caption, 1, 5, "euler")]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("3.text", "8.seed", "8.steps", "8.sampler_name"), *cells])
    results = Results(tmp_path / "run", Table(tmp_path / "table.csv", workflow()))
    (pid,) = {one.told["pid"] for one in rows.gathered(comfys[:1], workflow())}
    written, write = threading.Event(), results.write

    def noted(*arguments: Any) -> None:
        write(*arguments)
        written.set()

    def kill() -> None:
        written.wait()
        os.kill(pid, signal.SIGKILL)

    results.write = noted  # type: ignore[method-assign]
    killer = threading.Thread(target=kill)
    killer.start()
    assert cluster_run.write(results, comfys, {}) == 2
    killer.join()
    found = {int(line["row"]): line for line in read(results.path)}
    assert len(list(read(results.path))) == len(cells), "each once"
    assert "sampler_name: 'nothing'" in found[6]["error"]
    assert found[7]["error"] == "8.seed is 'x', and a number is needed."
    for number in (1, 2, 3, 4, 5, 8):
        line = found[number]
        assert (line["error"], line["node"], line["part"], line["parts"]) == ("", "8", "0", "1")
        assert line["prompt"] == "a small blue circle above a small orange cross"
        assert line["seed"] == line["8.seed"]
        scores = json.loads(line["scores"])
        assert len(scores) == 3
        assert float(line["score"]) == max(scores)
        assert float(line["without_search"]) == scores[0]
        again = number in (2, 5)  # where only the score is known, the winner is sampled once more
        assert int(line["nfe"]) in {(3 + more) * int(line["8.steps"]) for more in range(1 + again)}
        images = [Image.open(results.folder / name) for name in json.loads(line["images"]) if "_13_" in name]
        assert json.loads(images[0].info["noise_search"])[0]["best"]["recipe"] == json.loads(line["recipe"])
    assert found[2]["scores"] == found[5]["scores"], "the same once more, from what ComfyUI and the pack remember"
    pixels = [np.asarray(Image.open(results.folder / f"images/{number:06d}_13_0.png"), float) for number in (2, 5)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 2
