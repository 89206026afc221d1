"""What a search hands out, and who opens a crew."""

from __future__ import annotations

from typing import Any

from noise_search.search.crew.seam import Crews, Errand, Nobody, Piece
from noise_search.search.methods.pruning import race
from noise_search.search.records.recipe import Recipe

RECIPES = [Recipe(seed) for seed in range(4)]
JOB: Any = None  # nobody reads it


def test_pieces_are_joined_and_split_but_not_races() -> None:
    pieces = [Piece(((recipe,),), (at,), 4) for at, recipe in enumerate(RECIPES)]
    joined = pieces[0].joined(pieces[1:])
    assert joined.numbers == (0, 1, 2, 3)
    assert joined.split() == pieces
    raced = Piece(joined.candidates, joined.numbers, 4, race(2, 4))
    assert raced.split() == [raced]


def test_what_a_piece_takes() -> None:
    pieces = [Piece(((recipe,),), (at,), 4) for at, recipe in enumerate(RECIPES)]
    assert pieces[0].joined(pieces[1:]).work == 4 * 4
    raced = race(2, 8)
    assert Piece(((RECIPES[0],),) * raced.starts, tuple(range(raced.starts)), 8, raced).work == raced.cost


def test_nobody_gives_everything_to_this_process_and_says_why_once() -> None:
    pieces = [Piece(((recipe,),), (at,), 4) for at, recipe in enumerate(RECIPES)]
    handed = Nobody("Ray is not installed.").start(JOB, pieces, 8)
    assert not handed.is_over()
    taken = handed.take()
    assert taken is not None
    assert taken.numbers == (0, 1, 2, 3)
    assert [note.text for note in handed.wait(0)] == ["Ray is not installed."]
    assert handed.take() is None
    assert handed.is_over()
    assert handed.wait(0) == handed.close() == handed.who() == []


def test_a_crew_is_opened_only_for_those_who_ask_for_one() -> None:
    asked: list[Any] = []
    crews, nobody = Crews(), Nobody()
    assert crews.crew({"spread": "all GPUs here"}) is None, "nobody knows how to open one"
    crews.open = lambda settings: asked.append(settings) or nobody
    assert crews.crew({}) is None
    assert crews.crew({"spread": "this GPU"}) is None
    assert asked == []
    assert crews.crew({"spread": "all GPUs here"}) is nobody
    crews.errand = Errand("3", "2", 0, Piece((), (), 4))
    assert crews.crew({"spread": "all GPUs here"}) is None, "a worker has no workers"
