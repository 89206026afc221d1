"""What is sent to others and what comes back: plain values, and lines of the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from noise_search.search.crew import (
    CrewError,
    Crews,
    Errand,
    Nobody,
    Piece,
    lines_read,
    piece_from_wire,
    piece_to_wire,
    recipe_from_wire,
    recipe_to_wire,
)
from noise_search.search.methods.pruning import Race, race
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Move, Path, Recipe, Turn
from noise_search.search.records.standing import Result

RECIPES = [
    Recipe(7),
    Recipe(2**64 - 1, (Move(3, 0.95), Move(4, 0.1)), kind="one seed an image", variety=0.25, wording="a hat"),
    Recipe(7, (), Path(0.11, (Turn(5, 0.9, 0.1),), finished=True)),
    Recipe(7).refined(3, 0.5),
]
JOB: Any = None  # nobody reads it


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_is_sent_as_plain_json(recipe: Recipe) -> None:
    assert recipe_from_wire(json.loads(json.dumps(recipe_to_wire(recipe)))) == recipe


@pytest.mark.parametrize("raced", [None, race(8, 20)], ids=["plain", "a race"])
def test_a_piece_is_sent_whole(raced: Race | None) -> None:
    starts = {(0, RECIPES[2]): torch.arange(4.0)}
    piece = Piece(((RECIPES[0], RECIPES[1]), (RECIPES[3], RECIPES[2])), (4, 5), 20, raced, starts, {"euler": 3})
    read = piece_from_wire(piece_to_wire(piece), torch.from_numpy)
    assert (read.candidates, read.numbers, read.steps, read.race) == (piece.candidates, (4, 5), 20, raced)
    assert read.outcomes == {"euler": 3}
    assert torch.equal(read.starts[0, RECIPES[2]], starts[0, RECIPES[2]])


def test_candidates_come_back_as_they_were() -> None:
    errand = Errand("3", "2", 0, Piece((), (), 4))
    one = Candidate(
        {"a": 1.25, "b": -3.0}, Recipe(3), 8, b"", details={"a": [{"text": "x", "holds": True, "score": 1.0}]}
    )
    stopped = Candidate({"a": 0.5, "b": 0.0}, Recipe(4), 3, b"", stopped_at_step=2)
    result = Result(torch.ones(1), torch.zeros(1))
    errand.add([one, stopped], [result, None])
    (images,) = lines_read(errand.lines)
    assert [image.scores for image in images] == [one.scores, stopped.scores]
    assert [image.nfe for image in images] == [8, 3]
    assert images[0].details == one.details
    assert images[1].stopped_at_step == 2
    assert errand.results == {(0, 0): result}


@pytest.mark.parametrize("line", [b"", b"{}", b'{"name": "", "scores": {"a": NaN}}'])
def test_what_is_no_score_is_refused(line: bytes) -> None:
    with pytest.raises(CrewError, match="no score"):
        lines_read([[line]])


def test_pieces_are_joined_and_split_but_not_races() -> None:
    pieces = [Piece(((recipe,),), (at,), 4) for at, recipe in enumerate(RECIPES)]
    joined = pieces[0].joined(pieces[1:])
    assert joined.numbers == (0, 1, 2, 3)
    assert joined.split() == pieces
    raced = Piece(joined.candidates, joined.numbers, 4, race(2, 4))
    assert raced.split() == [raced]


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
    assert handed.wait(0) == handed.close() == []


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
