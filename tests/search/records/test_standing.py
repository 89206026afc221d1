"""How a search stands: who is best, what is kept, and how candidates are ranked when others arrive."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from noise_search.search.records.candidate import Candidate
from noise_search.search.records.failures import ONE_COLOR, VAE_NAN
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.standing import Result, Standing


class Plain:
    name, needs_prompt = "plain", False

    def score(self, images, prompts):
        raise AssertionError("not asked here")


class RankSum(Plain):
    """Two verifiers; a candidate counts for how many others it beats in each."""

    name = "rank sum"
    held_out = frozenset({"other"})

    def __init__(self) -> None:
        self.parts = {"a": Plain(), "b": Plain(), "other": Plain()}

    def combine(self, scores: dict[str, list[float]]) -> list[float]:
        def beaten(values: list[float]) -> list[int]:
            return [sum(value > other for other in values) for value in values]

        return [float(x + y) for x, y in zip(beaten(scores["a"]), beaten(scores["b"]), strict=True)]


def candidate(scores: dict[str, float], stopped: int | None = None) -> tuple[Candidate, Result]:
    tag = torch.tensor(next(iter(scores.values())))
    return Candidate(scores, Recipe(1), 20, b"", stopped), Result(tag, tag)


def standing(verifier: Plain | None = None) -> Standing:
    return Standing(verifier or Plain())


def test_the_first_of_the_highest_is_best_and_only_its_latent_is_kept() -> None:
    stands = standing()
    stands.add([candidate({"plain": value}) for value in (0.1, 0.5, 0.5)])
    assert stands.best == 1
    assert list(stands.results) == [1]
    stands.add([candidate({"plain": 0.4})])
    assert stands.best == 1
    assert stands.since_best == 2
    stands.add([candidate({"plain": 0.6})])
    assert list(stands.results) == [4]
    assert float(stands.results[4].latent) == torch.tensor(0.6)


def test_a_stopped_candidate_can_not_win() -> None:
    stands = standing()
    stands.add([candidate({"plain": 0.9}, stopped=5), candidate({"plain": 0.2})])
    assert stands.best == 1
    assert stands.scores() == [0.9, 0.2]
    assert [c.score for c in stands.candidates()] == [0.9, 0.2]


def test_nothing_is_best_while_nothing_has_finished() -> None:
    stands = standing()
    stands.add([candidate({"plain": 0.9}, stopped=5)])
    assert stands.best is None
    assert stands.since_best == 0


def test_an_ensemble_ranks_all_candidates_anew() -> None:
    stands = standing(RankSum())
    first = [{"a": 1.0, "b": 5.0, "other": 0.0}, {"a": 2.0, "b": 1.0, "other": 9.0}]
    stands.add([candidate(scores) for scores in first])
    assert stands.best == 0, "a tie"
    stands.add([candidate({"a": 1.5, "b": 0.5, "other": 0.0})])
    assert stands.scores() == [2.0, 3.0, 1.0]
    assert stands.best == 1, "its latent was still there"
    assert set(stands.results) == {0, 1}


def test_what_is_held_out_neither_counts_nor_keeps_latents() -> None:
    stands = standing(RankSum())
    stands.add([candidate({"a": 2.0, "b": 2.0, "other": 0.0}), candidate({"a": 1.0, "b": 1.0, "other": 9.0})])
    assert list(stands.results) == [0]
    assert stands.candidates()[1].scores["other"] == 9.0


def failed(reason: str = VAE_NAN, stopped: int | None = None) -> tuple[Candidate, Result]:
    return Candidate({}, Recipe(1), 20, b"", stopped, failed=reason), Result(torch.tensor(0.0), torch.tensor(0.0))


def test_a_failed_candidate_never_wins_and_keeps_no_latent() -> None:
    stands = standing()
    stands.add([failed(), candidate({"plain": -5.0}), failed()])
    assert (stands.best, list(stands.results), stands.finished()) == (1, [1], [1])
    assert stands.scores() == [-math.inf, -5.0, -math.inf]
    assert stands.since_best == 1


def test_while_all_have_failed_nothing_is_best() -> None:
    stands = standing()
    stands.add([failed(), failed()])
    assert (stands.best, stands.since_best, stands.results) == (None, 0, {})


def test_an_ensemble_compares_those_that_did_not_fail() -> None:
    stands = standing(RankSum())
    sound = [{"a": 1.0, "b": 5.0, "other": 0.0}, {"a": 2.0, "b": 1.0, "other": 9.0}, {"a": 1.5, "b": 0.5, "other": 0.0}]
    stands.add([failed(), *map(candidate, sound)])
    assert stands.scores() == [-math.inf, 2.0, 3.0, 1.0]
    assert stands.best == 2
    assert [one.score for one in stands.joined_by([failed(stopped=3)[0]])] == [-math.inf, 2.0, 3.0, 1.0, -math.inf]


def plain(score: float) -> tuple[Candidate, Result]:
    made, result = candidate({"plain": score})
    return replace(made, is_one_color=True), result


def test_one_color_counts_until_there_is_a_picture() -> None:
    stands = standing()
    stands.add([plain(0.9), plain(0.3)])
    assert (stands.best, stands.scores()) == (0, [0.9, 0.3])
    stands.add([candidate({"plain": 0.1}), plain(0.8)])
    assert (stands.best, list(stands.results)) == (2, [2])
    assert [one.failed for one in stands.seen] == [ONE_COLOR, ONE_COLOR, "", ONE_COLOR]


def test_a_failed_draft_is_a_draft_as_well() -> None:
    stands = standing()
    stands.add([failed(), candidate({"plain": 0.5})])
    stands.only_drafts(3)
    assert [one.stopped_at_step for one in stands.seen] == [3, 3]
