"""Which latents a search keeps beside that of its best."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from noise_search.search.keeping import Keeping, good_and_different
from noise_search.search.pictures.thumbnail import encode, to_pil
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.report import Kept
from noise_search.search.records.standing import Result, Standing


class Taste:
    name, needs_prompt = "taste", False

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        raise AssertionError("nobody asks")


def picture(shade: float) -> bytes:
    """Half of it is white, so that it is never of one color."""
    image = torch.ones(32, 32, 3)
    image[:, 16:] = shade
    return encode(to_pil(image))


def candidate(score: float, shade: float, **more: object) -> Candidate:
    return Candidate({"taste": score}, Recipe(1), 1, picture(shade), **more)  # type: ignore[arg-type]


def kept(most: int, seen: Sequence[Candidate], together: int = 1) -> list[int]:
    """By rank, of candidates that come so many at a time."""
    item: Standing[Result] = Standing(Taste())
    keeping = Keeping(most)
    for at in range(0, len(seen), together):
        results = [
            Result(torch.full((2,), float(at + i)), torch.zeros(2)) for i in range(len(seen[at : at + together]))
        ]
        item.add(zip(seen[at : at + together], results, strict=True))
        keeping.add(item, [one if c.is_finished else None for one, c in zip(results, seen[at:], strict=False)])
        assert len(keeping.held) <= most
    chosen = keeping.choose(item)
    latents = keeping.latents(item, chosen)
    assert list(latents) == chosen, "each has its latent"
    assert [int(latents[index][0]) for index in chosen] == chosen, "and its own"
    return chosen


def test_the_best_by_score_where_all_are_different() -> None:
    scores = [0.1, 0.9, 0.3, 0.8, 0.2]
    assert kept(3, [candidate(score, 0.2 * at) for at, score in enumerate(scores)]) == [1, 3, 2]


def test_what_looks_like_a_better_one_gives_way_to_another() -> None:
    seen = [candidate(0.1, 0.0), candidate(0.9, 0.9), candidate(0.8, 0.91), candidate(0.2, 0.5)]
    assert kept(3, seen) == [1, 3, 0]
    assert kept(4, seen) == [1, 2, 3, 0], "where there is room, it stays"


def test_the_winner_is_first_also_alone() -> None:
    seen = [candidate(0.1 * at, 0.1 * at) for at in range(6)]
    assert kept(1, seen) == [5]
    assert kept(2, seen) == [5, 4]


@pytest.mark.parametrize("together", [2, 3, 7, 16])
def test_how_many_come_together_changes_nothing(together: int) -> None:
    draw = torch.Generator().manual_seed(3)
    seen = [candidate(*torch.rand(2, generator=draw).tolist()) for _ in range(16)]
    seen[2] = Candidate({"taste": 2.0}, Recipe(1), 1, encode(to_pil(torch.zeros(32, 32, 3))), is_one_color=True)
    assert kept(4, seen, together) == kept(4, seen)
    assert 2 not in kept(4, seen), "one color has failed"


def test_what_was_stopped_or_has_failed_is_not_kept() -> None:
    seen = [candidate(0.9, 0.1, stopped_at_step=3), candidate(0.8, 0.5, failed="NaN"), candidate(0.1, 0.9)]
    assert kept(3, seen) == [2]


def test_what_a_person_has_chosen_is_first() -> None:
    item: Standing[Result] = Standing(Taste())
    keeping = Keeping(2)
    seen = [candidate(0.1 * at, 0.15 * at) for at in range(5)]
    results = [Result(torch.full((2,), float(at)), torch.zeros(2)) for at in range(5)]
    item.add(zip(seen, results, strict=True))
    keeping.add(item, results)
    item.results[1] = results[1]
    item.choose(1)
    assert keeping.choose(item) == [1, 4]
    assert list(keeping.latents(item, [1, 4])) == [1, 4]


def test_the_rule_alone() -> None:
    def alike(one: int, other: int) -> bool:
        return one // 10 == other // 10

    assert good_and_different([11, 12, 25, 13, 30], alike, 3) == {11, 25, 30}
    assert good_and_different([11, 12, 25, 13], alike, 3) == {11, 25, 12}
    assert good_and_different([], alike, 3) == set()


def test_the_size_is_told_in_megabytes() -> None:
    told = Kept.of({4: torch.zeros(250_000), 2: torch.zeros(250_000)})
    assert told.to_dict() == {"candidates": [4, 2], "megabytes": 2.0}
