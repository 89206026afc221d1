"""Scores on disk: what is written can be read again, whatever happened in between."""

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from noise_search.search.history.ledger import Ledger, Page
from noise_search.search.pictures.thumbnail import ON_DISK_SIDE, decode, encode
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Move, Recipe, Turn
from noise_search.search.records.recipe import Path as Way

RECIPES = [
    Recipe(7),
    Recipe(2**64 - 1, (Move(3, 0.95), Move(4, 0.1))),
    Recipe(7, (), Way(0.11, (Turn(5, 0.9, 0.1),))),
    Recipe(7, (), Way(0.11, (Turn(5, 0.9, 0.1),), finished=True)),
]


def seen(recipe: Recipe, score: float = 1.5, thumbnail: bytes = b"", stopped: int | None = None) -> Candidate:
    return Candidate({"clip": score}, recipe, 20, thumbnail, stopped)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def files(ledger: Ledger) -> list[Path]:
    return sorted(ledger.folder.iterdir())


def test_what_was_written_is_read_by_the_next_process(ledger: Ledger) -> None:
    page = ledger.page("a graph")
    for at, recipe in enumerate(RECIPES):
        page.add(seen(recipe, score=at / 3, stopped=at or None))
    again = ledger.page("a graph")
    assert [again.find(recipe).scores["clip"] for recipe in RECIPES] == [0, 1 / 3, 2 / 3, 1]
    assert [again.find(recipe).stopped_at_step for recipe in RECIPES] == [None, 1, 2, 3]
    assert again.find(RECIPES[1]) == seen(RECIPES[1], score=1 / 3, stopped=1)


def test_the_parts_that_a_verifier_told_of_come_back(ledger: Ledger) -> None:
    part = {"text": "a cat", "score": 0.25, "holds": False, "box": [1, 2]}
    one = Candidate({"clip": 1.5}, Recipe(7), 20, b"", details={"clip": [part]})
    ledger.page("a graph").add(one)
    assert ledger.page("a graph").find(Recipe(7)) == one


@pytest.mark.parametrize("told", ["[]", '{"clip": 3}', '{"clip": [{"text": 1, "score": 1, "holds": true}]}'])
def test_a_line_with_parts_that_are_none_is_passed_over(ledger: Ledger, told: str) -> None:
    ledger.page("a graph").add(seen(Recipe(7)))
    (path,) = files(ledger)
    path.write_text(path.read_text().replace('"nfe"', f'"details": {told}, "nfe"'))
    assert ledger.page("a graph").find(Recipe(7)) is None


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**64 - 1))
def test_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, score: float, seed: int) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    ledger.page("a graph").add(seen(Recipe(seed, (Move(seed, 0.1),)), score))
    assert ledger.page("a graph").find(Recipe(seed, (Move(seed, 0.1),))).scores["clip"] == score


def test_an_unknown_recipe_is_not_found(ledger: Ledger) -> None:
    ledger.page("a graph").add(seen(Recipe(7)))
    page = ledger.page("a graph")
    assert page.find(Recipe(8)) is None
    assert page.find(Recipe(7, (Move(1, 0.5),))) is None


def test_where_the_place_matters_it_is_part_of_what_is_looked_for(ledger: Ledger) -> None:
    ledger.page("a graph").add(seen(Recipe(7)), place=3)
    page = ledger.page("a graph")
    assert page.find(Recipe(7), place=3).recipe == Recipe(7)
    assert page.find(Recipe(7)) is page.find(Recipe(7), place=4) is None


def test_every_graph_has_a_page_of_its_own(ledger: Ledger) -> None:
    ledger.page("a graph").add(seen(Recipe(7)))
    assert ledger.page("another graph").find(Recipe(7)) is None


def test_a_file_name_is_safe_whatever_the_graph_is_called(ledger: Ledger) -> None:
    ledger.page("../../ü\0:*?").add(seen(Recipe(7)))
    (file,) = files(ledger)
    assert file.parent == ledger.folder
    assert set(file.stem) <= set("0123456789abcdef")


def test_a_line_that_was_cut_off_costs_only_that_candidate(ledger: Ledger) -> None:
    page = ledger.page("a graph")
    page.add(seen(Recipe(1)))
    page.add(seen(Recipe(2)))
    (file,) = files(ledger)
    file.write_bytes(file.read_bytes()[:-10])
    cut = ledger.page("a graph")
    assert (cut.find(Recipe(1)), cut.find(Recipe(2))) == (seen(Recipe(1)), None)
    cut.add(seen(Recipe(3)))
    again = ledger.page("a graph")
    assert [again.find(Recipe(seed)) is not None for seed in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize("line", [b"[]", b"{}", b"7", b"\xff\xfe", b'{"name": "x", "scores": 3}', b"null"])
def test_lines_that_are_no_candidates_are_skipped(ledger: Ledger, line: bytes) -> None:
    ledger.page("a graph").add(seen(Recipe(1)))
    (file,) = files(ledger)
    file.write_bytes(line + file.read_bytes() + b"\n" + line)
    assert ledger.page("a graph").find(Recipe(1)) == seen(Recipe(1))


def test_a_candidate_takes_kilobytes(ledger: Ledger) -> None:
    noise = Image.frombytes("RGB", (1024, 1024), os.urandom(3 * 1024 * 1024))
    ledger.page("a graph").add(seen(Recipe(1), thumbnail=encode(noise)))
    (file,) = files(ledger)
    assert file.stat().st_size < 24_000
    assert max(decode(ledger.page("a graph").find(Recipe(1)).thumbnail).size) == ON_DISK_SIDE


def test_the_file_holds_plain_json(ledger: Ledger) -> None:
    ledger.page("a graph").add(seen(RECIPES[1]))
    (file,) = files(ledger)
    assert json.loads(file.read_text())["scores"] == {"clip": 1.5}


def test_a_page_can_be_forgotten(ledger: Ledger) -> None:
    page = ledger.page("a graph")
    page.add(seen(Recipe(1)))
    page.forget()
    assert page.find(Recipe(1)) is None
    assert files(ledger) == []
    page.add(seen(Recipe(2)))
    assert ledger.page("a graph").find(Recipe(2)) == seen(Recipe(2))


def test_a_page_without_a_file_is_kept_in_memory(tmp_path: Path) -> None:
    page = Page(None)
    page.add(seen(Recipe(1)))
    assert page.find(Recipe(1)) == seen(Recipe(1))
    page.forget()
    assert page.find(Recipe(1)) is None


def test_a_disk_that_takes_nothing_is_logged_once_and_loses_nothing(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.folder.parent.joinpath("ledger").write_text("a file where the folder should be")
    page = ledger.page("a graph")
    with caplog.at_level(logging.WARNING):
        page.add(seen(Recipe(1)))
        page.add(seen(Recipe(2)))
    assert page.find(Recipe(1)) and page.find(Recipe(2))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "can not be kept on disk" in warning


def test_pages_that_were_not_used_for_the_longest_time_go_first(ledger: Ledger) -> None:
    ledger.most_pages = 2
    for at, name in enumerate(["first", "second", "third"]):
        ledger.page(name).add(seen(Recipe(at)))
        os.utime(files_by_age(ledger)[-1], (at, at))
    assert ledger.page("first").find(Recipe(0)), "asking for a page makes it the newest"
    assert ledger.page("second").find(Recipe(1)) is None
    assert ledger.page("third").find(Recipe(2))


def test_pages_that_are_too_large_together_go(ledger: Ledger) -> None:
    for at, name in enumerate(["first", "second", "third"]):
        ledger.page(name).add(seen(Recipe(at), thumbnail=picture()))
        os.utime(files_by_age(ledger)[-1], (at, at))
    ledger.most_bytes = files(ledger)[0].stat().st_size + 10
    assert ledger.page("first").find(Recipe(0)), "the one that is wanted stays"
    assert len(files(ledger)) == 1


def files_by_age(ledger: Ledger) -> list[Path]:
    return sorted(files(ledger), key=lambda path: path.stat().st_mtime)


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG")
    return buffer.getvalue()


def test_what_was_proven_of_the_call_is_on_the_page(tmp_path: Path) -> None:
    path = tmp_path / "page.jsonl"
    page = Page(path)
    page.outcomes.keep("plain", 4)
    page.outcomes.keep("race", "a guider")
    again = Page(path)
    assert again.outcomes.known == {"plain": 4, "race": "a guider"}
    path.write_bytes(path.read_bytes() + b'\n{"call": 3, "outcome": 1}\n{"call": "plain", "outcome": [1]}\n{"call"')
    assert Page(path).outcomes.known == {"plain": 4, "race": "a guider"}
    again.forget()
    assert Page(path).outcomes.known == {}


def test_a_failed_candidate_comes_back_with_its_reason(ledger: Ledger) -> None:
    failed = Candidate({}, Recipe(7), 20, b"", failed="the VAE gave NaN or infinite values")
    plain = Candidate({"clip": 1.5}, Recipe(8), 20, b"", is_one_color=True)
    for each in (failed, plain):
        ledger.page("a graph").add(each)
    page = ledger.page("a graph")
    assert [page.find(Recipe(seed)) for seed in (7, 8)] == [failed, plain]


def test_lines_of_sound_candidates_are_those_of_older_versions(ledger: Ledger) -> None:
    ledger.page("a graph").add(seen(Recipe(1)))
    (file,) = files(ledger)
    assert json.loads(file.read_bytes()).keys() == {"name", "scores", "nfe", "stopped_at_step", "thumbnail"}


@pytest.mark.parametrize("reason", [b"3", b"null", b"[]", b'""'])
def test_a_reason_that_is_none_is_no_candidate(ledger: Ledger, reason: bytes) -> None:
    ledger.page("a graph").add(Candidate({}, Recipe(7), 20, b"", failed="why"))
    (file,) = files(ledger)
    file.write_bytes(file.read_bytes().replace(b'"why"', reason))
    assert ledger.page("a graph").find(Recipe(7)) is None


def test_what_a_person_thinks_of_a_recipe_is_kept(tmp_path: Path) -> None:
    one = seen(RECIPES[1])
    Ledger(tmp_path).page("graph").marks_of(0).give(one, "star")
    again = Ledger(tmp_path).page("graph")
    assert (again.marks_of(0).of(one), again.marks_of(1).of(one)) == ("star", "")
    assert Ledger(tmp_path).page("another").marks_of(0).of(one) == ""
    again.marks_of(0).give(one, "")
    assert Ledger(tmp_path).page("graph").marks_of(0).of(one) == ""


@pytest.mark.parametrize("line", [b"{}", b'{"marked": 7, "mark": "star"}', b'{"marked": "x", "mark": "nice"}', b"\xff"])
def test_a_line_that_is_no_mark_is_passed_over(tmp_path: Path, line: bytes) -> None:
    page = Ledger(tmp_path).page("graph")
    page.marks_of(0).give(seen(RECIPES[1]), "star")
    with page.path.open("ab") as file:
        file.write(b"\n" + line)
    assert len(Ledger(tmp_path).page("graph").marks) == 1
