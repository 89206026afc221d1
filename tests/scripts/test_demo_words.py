"""The demo of signs, up to where its server starts: tests/server/test_text.py runs its workflow."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import demo_run
import demo_words
import reading_files
from comfy_server import Server
from demo_result import Refused


@pytest.mark.parametrize("words", ["OPEN LATE", "open", 'a sign that says "OPEN"'])
def test_words_that_can_be_drawn_pass(words: str) -> None:
    demo_words.check(words)


@pytest.mark.parametrize(
    ("words", "told"), [("OPEN 24", "A to Z only"), ("BREAKFAST", "up to 6 letters"), ("", "what should the sign say")]
)
def test_words_that_can_not_are_refused(words: str, told: str) -> None:
    with pytest.raises(Refused, match=told):
        demo_words.check(words)


def test_the_published_files_are_put_where_comfyui_finds_them(tmp_path: Path) -> None:
    for _ in range(2):
        demo_words.put_files(tmp_path)
    assert {file.name for file in (tmp_path / "verifiers").iterdir()} == {demo_words.DETECTOR, demo_words.READER}
    assert all(file.is_file() for file in (tmp_path / "verifiers").iterdir())


def test_missing_files_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_files, "PACKAGE", "no_such_package")
    with pytest.raises(Refused, match=r"Run scripts/test once.*Or put them into .*verifiers"):
        demo_words.put_files(tmp_path)
    folder = tmp_path / "verifiers"
    for name in (demo_words.DETECTOR, demo_words.READER):
        (folder / name).touch()  # people's own
    demo_words.put_files(tmp_path)


def test_what_is_refused_starts_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> Server:
        raise AssertionError

    monkeypatch.setattr(demo_run, "serve", started)
    assert demo_run.run_words("BREAKFAST", 4, 0, Path("nowhere")) == 1
    assert "up to 6 letters" in capsys.readouterr().err


def test_both_signs_are_shown_with_what_is_read() -> None:
    pair = [
        demo_words.Shown(title, Image.new("RGB", (96, 64), color), score, read, read)
        for title, color, score, read in (("without search", "red", -2.5, "OPFN"), ("best of 4", "blue", -0.1, "OPEN"))
    ]
    report = {
        "candidates": [{"nfe": 20}], "nfe": {"total": 80}, "seed": 7, "best": {"recipe": {"seed": 9}},
        "seconds": {"sampling": 1.0, "total": 2.0},
    }  # fmt: skip
    told = demo_words.table('a sign that says "OPEN"', pair, report)
    assert "\nPP-OCRv6 reads, held out       OPFN            OPEN\n" in told
    sheet = demo_words.comparison("OPEN", pair)
    assert sheet.getpixel((50, 100)) == (255, 0, 0) and sheet.getpixel((sheet.width - 50, 100)) == (0, 0, 255)
