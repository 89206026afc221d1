"""The command a newcomer types first."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from comfy_server import answers
from demo_result import contact_sheet
from demo_run import forget_scores
from layout import ROOT


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "demo"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def finished(output: Path) -> str:
    """What a demo run with two candidates printed."""
    done = demo(
        "--candidates", "2", "--seed", "7", "--prompt", "a red circle above a blue star", "--output", str(output)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_ends_with_a_table(finished: str):
    cells = {re.split(r" {2,}", line)[0]: re.split(r" {2,}", line)[1:] for line in finished.splitlines()}
    assert cells["NFE"] == ["20", "40"]
    before, after = map(float, cells["verifier score"])
    assert after >= before
    assert cells["seed"][0] == "7"


def test_it_searches_again_the_next_time(tmp_path: Path):
    folder_paths = importlib.import_module("folder_paths")
    scores = tmp_path / "user" / Path(folder_paths.get_system_user_directory("noise_search")).name
    scores.mkdir(parents=True)
    (scores / "page.jsonl").touch()
    forget_scores(tmp_path)
    assert not scores.exists()
    forget_scores(tmp_path)


def test_it_names_files_that_are_there(finished: str, output: Path):
    files = [line for line in finished.splitlines() if line.startswith(str(output))]
    assert {Path(file).name for file in files} >= {"comparison.png", "plot.png", "winner.png"}
    for file in files:
        if file.endswith(".png"):
            Image.open(file).verify()


def test_the_winner_carries_its_workflow(finished: str, output: Path):
    prompt = json.loads(Image.open(output / "winner.png").info["prompt"])
    assert "RandomSearch" in {node["class_type"] for node in prompt.values()}


def test_a_prompt_without_shapes_is_refused_in_words():
    refused = demo("--prompt", "a photo of a cat")
    assert refused.returncode == 1
    assert "names none" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("arguments", [("--candidates", "0"), ("--seed", "-1"), ("--seed", str(2**50))])
def test_impossible_numbers_are_refused(arguments: tuple[str, str]):
    refused = demo(*arguments)
    assert refused.returncode == 2
    assert arguments[1] in refused.stderr


def test_serving_goes_on_until_ctrl_c(tmp_path: Path):
    arguments = ("--serve", "--candidates", "1", "--output", str(tmp_path))
    command = [sys.executable, str(ROOT / "scripts" / "demo"), *arguments]
    environment = os.environ | {"BROWSER": "true"}  # a command that opens nothing
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also when these tests run in the background
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=listening) as process:
        address = next(match.group() for line in process.stdout if (match := re.search(r"http://\S+", line)))
        assert "template=better_image_demo" in address
        assert answers(address.partition("/?")[0])
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert not answers(address.partition("/?")[0])


def test_a_contact_sheet_holds_every_picture():
    pictures = [Image.new("RGB", (4, 2), (value, 0, 0)) for value in (10, 20, 30)]
    sheet = contact_sheet(pictures)
    assert sheet.size == (8, 4)
    assert [sheet.getpixel(point)[0] for point in [(0, 0), (4, 0), (0, 2), (4, 2)]] == [10, 20, 30, 255]
