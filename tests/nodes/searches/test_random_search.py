"""Random Search: what it refuses before anything is sampled, and what it hands on."""

from __future__ import annotations

import math

import pytest

from node_calls import NODE_ID, call
from noise_search.search.methods.base import Start
from noise_search.search.methods.pruning import COARSE, FAST, FINE, Pace, plan
from noise_search.search.methods.random_search import RandomSearch
from small_models import Brightness, SmallVAE, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")

TITLE = rf"Random Search \(node {NODE_ID}\)"


class Needy(Brightness):
    name, needs_prompt = "needy", True


def search(**given: object) -> tuple:
    values = {"model": small_model("EPS"), "vae": SmallVAE(), "verifier": Brightness(), "prompt": "", "candidates": 4}
    return call("RandomSearch", **(values | given))


def test_the_model_searches_and_the_report_is_filled() -> None:
    stock = small_model("EPS")
    model, found = search(model=stock)
    assert found.runs == []
    sample(model)
    assert [candidate.recipe.seed for candidate in found.runs[0].reports[0].candidates] == [7, 8, 9, 10]
    assert model is not stock
    assert not stock.wrappers.get("outer_sample"), "the model that came in stays without search"


@pytest.mark.parametrize("candidates", [0, -3])
def test_no_candidates_are_refused(candidates: int) -> None:
    with pytest.raises(ValueError, match=f"{TITLE}: candidates is {candidates}, .* at least 1"):
        search(candidates=candidates)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_refused_where_one_is_needed(prompt: str) -> None:
    with pytest.raises(RuntimeError, match=f"{TITLE}: needy .* the prompt is empty"):
        search(verifier=Needy(), prompt=prompt)


def test_an_empty_prompt_is_fine_where_none_is_needed() -> None:
    assert len(search(verifier=Brightness(), prompt="")) == 2


def test_what_is_no_verifier_is_refused() -> None:
    with pytest.raises(RuntimeError, match=f"{TITLE}: the verifier input holds a dict"):
        search(verifier={})


def test_a_second_search_on_one_model_is_refused_by_name() -> None:
    model, _ = search()
    with pytest.raises(ValueError, match=f"{TITLE}: this MODEL already has a search"):
        search(model=model)


@pytest.mark.parametrize(
    ("max_seconds", "shape", "most"),
    [
        (0.0, (1, 16, 128, 128), 64),
        (5.0, (1, 16, 128, 128), 16),
        (0.0, (1, 16, 21, 90, 160), 13),
        (5.0, (1, 16, 21, 90, 160), 13),
        (0.0, (4, 16, 41, 136, 240), 8),
    ],
)
def test_pruned_candidates_start_in_small_rounds_with_a_time_limit_and_large_latents(
    max_seconds: float, shape: tuple[int, ...], most: int
) -> None:
    start = Start(7, 20, 4 * math.prod(shape), max_seconds > 0)
    algorithm = RandomSearch(100, "progressive").begin(start)
    starts, scores = [], None
    while True:
        try:
            heat = algorithm.send(scores)
        except StopIteration:
            break
        starts.append(heat.race.starts)
        scores = [0.0] * sum(starts)
    assert max(starts) <= most < 2 * max(starts)


class Paced(Brightness):
    def __init__(self, pace: str) -> None:
        super().__init__()
        self.pace = pace


@pytest.mark.parametrize(("verifier", "pace"), [(Paced("fast"), FAST), (Brightness(), FINE), (Paced("coarse"), COARSE)])
def test_the_verifier_chooses_the_pace_of_pruning(verifier: Brightness, pace: Pace) -> None:
    model, found = search(verifier=verifier, candidates=8, pruning="progressive")
    sample(model, steps=20)
    (race,) = plan(8, 20, pace)
    candidates = found.runs[0].reports[0].candidates
    assert len(candidates) == race.starts
    assert sum(candidate.is_finished for candidate in candidates) == race.finishers
    assert sum(verifier.asked) == race.scores


@pytest.mark.parametrize("pace", ["fast", "coarse"])
def test_a_pace_gives_the_same_winner_again(pace: str) -> None:
    first, second = (search(verifier=Paced(pace), candidates=6, pruning="progressive") for _ in range(2))
    for model, _ in (first, second):
        sample(model, steps=20)
    assert first[1].runs[0].reports[0].best == second[1].runs[0].reports[0].best
