"""Setup steps: done once, again when asked for something else, repaired when cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps import Step, run_steps


class Cut(Exception):
    pass


class Maker:
    """Makes a file; counts its calls and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wanted, self.calls, self.cut = folder, "one", [], False

    def step(self) -> Step:
        return Step("thing", "thing", self.folder, lambda: self.wanted, self.make, self.folder / "made")

    def make(self, repair: bool) -> None:
        self.calls.append(repair)
        if self.cut:
            raise Cut
        (self.folder / "made").touch()


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "folder")


def run(*makers: Maker) -> list[str]:
    said: list[str] = []
    run_steps([maker.step() for maker in makers], said.append)
    return said


def test_the_second_start_does_nothing(maker: Maker):
    assert len(run(maker)) == 2
    assert run(maker) == []
    assert maker.calls == [False]


def test_another_wish_makes_it_again(maker: Maker):
    run(maker)
    maker.wanted = "two"
    run(maker)
    assert maker.calls == [False, False]


def test_a_lost_target_is_made_again(maker: Maker):
    run(maker)
    (maker.folder / "made").unlink()
    run(maker)
    assert maker.calls == [False, False]


def test_a_try_that_was_cut_off_is_repaired(maker: Maker):
    maker.cut = True
    with pytest.raises(Cut):
        run(maker)
    maker.cut = False
    run(maker)
    assert run(maker) == []
    assert maker.calls == [False, True]


def test_a_remake_that_was_cut_off_is_not_taken_for_done(maker: Maker):
    run(maker)
    maker.wanted, maker.cut = "two", True
    with pytest.raises(Cut):
        run(maker)
    maker.wanted, maker.cut = "one", False
    run(maker)
    assert maker.calls == [False, False, True]


def test_progress_counts_the_steps(tmp_path: Path):
    first, second = Maker(tmp_path / "a"), Maker(tmp_path / "b")
    run(first)
    assert run(first, second)[0].startswith("[2/2] thing")
