"""What is sent to others and what comes back: plain values, and lines of the ledger."""

from __future__ import annotations

import json

import pytest
import torch

from noise_search.search.crew.seam import CrewError, Errand, Piece
from noise_search.search.crew.wire import (
    lines_read,
    piece_from_wire,
    piece_to_wire,
    recipe_from_wire,
    recipe_to_wire,
    value_from_wire,
    value_to_wire,
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_values_come_out_as_they_were(dtype: torch.dtype) -> None:
    tensors = [(torch.rand(3, 4) * 9).to(dtype).T, torch.ones((), dtype=dtype), torch.zeros(0, 2, dtype=dtype)]
    value = [(tensors[0], {"a": 1, "b": None, 3: [True, "x", 1.5], "c": {}}), tensors[1], tensors[2]]
    found = value_from_wire(value_to_wire(value))
    assert type(found) is list
    assert type(found[0]) is tuple
    assert found[0][1] == value[0][1]
    for ours, theirs in zip([found[0][0], *found[1:]], tensors, strict=True):
        assert ours.dtype == dtype
        assert torch.equal(ours, theirs)
