"""What a worker does beside running ComfyUI: it ends when its GPU is broken, and tells what a search was judged by."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from noise_search.cluster import worker

NOBODY = 2**22 + 1  # above all process ids of Linux


class Ended(BaseException):
    pass


@pytest.mark.parametrize(("device", "ends"), [("cpu", False), ("meta", True)])
def test_a_worker_whose_device_computes_nothing_ends(
    comfy: Any, monkeypatch: pytest.MonkeyPatch, device: str, ends: bool
) -> None:
    def end(status: int) -> None:
        raise Ended

    monkeypatch.setattr(importlib.import_module("comfy.model_management"), "get_torch_device", lambda: device)
    monkeypatch.setattr(worker.os, "_exit", end)
    if not ends:
        worker.end_if_broken()
        return
    with pytest.raises(Ended):
        worker.end_if_broken()


def test_the_text_of_a_search_is_its_own_or_that_of_the_node_before_it() -> None:
    nodes = {
        "1": {"inputs": {"prompt": "a cat"}},
        "2": {"inputs": {"prompt": ["3", 0]}},
        "3": {"inputs": {"value": "a dog", "other": 1}},
        "4": {"inputs": {"prompt": ["5", 0]}},
        "5": {"inputs": {"one": "a", "two": "b"}},
    }
    assert [worker.judged_by(nodes, search) for search in ("1", "2", "4", "9")] == ["a cat", "a dog", "", ""]


def test_what_nodes_have_saved_is_taken_away_and_previews_only_where_nothing_was_saved(comfy: Any) -> None:
    folders = importlib.import_module("folder_paths")
    paths = [Path(folders.get_directory_by_type(kind), "sub", f"a_{kind}.png") for kind in ("output", "temp", "input")]
    shown = [{"filename": path.name, "subfolder": "sub", "type": path.stem[2:]} for path in paths]

    def written() -> None:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.stem.encode())

    written()
    outputs = {"1": {"images": shown[1:], "text": ("words",)}, "2": {"images": shown[:1], "animated": (True,)}}
    assert worker.taken(outputs) == [("2", ".png", b"a_output")]
    assert [path.exists() for path in paths] == [False, False, True], "what was there before is nobody's to take"
    written()
    assert worker.taken({"1": {"images": shown[1:]}}) == [("1", ".png", b"a_temp")]
    assert worker.taken({"1": {"text": ["words"]}}) == []


def test_a_workers_folder_goes_with_it_and_those_of_killed_ones_go_when_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[Any] = []
    monkeypatch.setattr(worker.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(worker.atexit, "register", lambda *given, **named: ends.append((given, named)))
    machine = worker.platform.node()
    killed, elsewhere = f"{worker.SCRATCH}{machine}_{NOBODY}_a", f"{worker.SCRATCH}another_{NOBODY}_a"
    others = [killed, elsewhere, f"{worker.SCRATCH}{machine}_{os.getpid()}_a", f"{worker.SCRATCH}older"]
    for name in others:
        (tmp_path / name / "output").mkdir(parents=True)
    made = Path(worker.scratch_folder())
    assert made.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {*others, made.name} - {killed}
    (((remove, *given), named),) = ends
    remove(*given, **named)
    assert not made.exists()
