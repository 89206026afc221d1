"""Search Loop Open and what notes a candidate's score."""

from __future__ import annotations

import importlib
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from node_calls import NODE_ID, call
from noise_search.search.plan import Limits
from noise_search.search.records.target import HOLDS, Target

pytestmark = pytest.mark.usefixtures("comfy")


def opened(**inputs: Any) -> tuple[Any, ...]:
    context = importlib.import_module("comfy_execution.utils").CurrentNodeContext
    with context("a prompt", NODE_ID, 0):
        return call("SearchLoopOpen", **inputs)


class Search:
    """Stands where the search stands: notes what it is told."""

    plan = SimpleNamespace(title="Search Loop Close (node 9)", limits=Limits())
    later: dict[int, Any] = {2: ["7", 0]}
    best = 2

    def __init__(self) -> None:
        self.told: list[tuple[Any, Any]] = []

    def name(self, index: int) -> str:
        return f"candidate {index} (seed 102)"

    def add(self, index: int, look: Any, made: Any) -> None:
        self.told.append((look, made))


def told(score: list[Any], **given: Any) -> tuple[Any, Any]:
    """What came of a candidate: its looks, and what it made."""
    search = Search()
    call("SearchLoopScore", search=[search], index=[2], score=score, **given)
    return search.told[0]


def scored(score: list[Any], **given: Any) -> Any:
    return told(score, **given)[0]


def test_open_gives_candidate_0() -> None:
    flow, seed, index, noise, value, positive = opened(seed=7, value="anything")
    assert (flow.open_id, flow.seed, flow.value) == (NODE_ID, 7, "anything")
    assert (seed, index, value, positive) == (7, 0, "anything", None)
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    stock = importlib.import_module("comfy_extras.nodes_custom_sampler").Noise_RandomNoise(7)
    assert torch.equal(noise.generate_noise(latent), stock.generate_noise(latent))
    assert noise.seed == 7


def test_where_the_copies_run_the_nodes_themselves_are_held_back() -> None:
    blocker = importlib.import_module("comfy_execution.graph").ExecutionBlocker
    flow, *others = opened(seed=7, run_outputs=True)
    assert flow.run_outputs
    assert all(isinstance(output, blocker) for output in others)


def test_the_mean_of_several_scores_counts() -> None:
    assert scored([1, 2.0, 6]).score == 3.0


@pytest.mark.parametrize(
    ("score", "shown"),
    [([float("nan")], "nan"), ([1.0, float("inf")], "[1.0, inf]"), (["high"], "high"), ([None], "None"), ([], "[]")],
)
def test_a_score_that_is_no_number_names_node_and_candidate(score: list[Any], shown: str) -> None:
    message = f"Search Loop Close (node 9): candidate 2 (seed 102) has the score {shown}, which is not"
    with pytest.raises(ValueError, match=re.escape(message)):
        scored(score)


def test_what_verifiers_told_of_the_images_comes_along() -> None:
    detailed = importlib.import_module("noise_search.search.judging.scoring").DetailedScore
    cat, dog = ({"text": text, "score": 1.0, "holds": True} for text in ("a cat", "a dog"))
    assert scored([detailed(0.5, {"list": [cat]}), detailed(1.5, {"list": [dog]})]).details == {"list": [cat, dog]}
    assert scored([0.5, 1.5]).details == {}


def test_where_all_requirements_have_to_hold_a_number_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SimpleNamespace(title="Search Loop Close (node 9)", limits=Limits(target=Target()))
    monkeypatch.setattr(Search, "plan", plan)
    message = (
        f'Search Loop Close (node 9): target is "{HOLDS}", but the score of candidate 2 (seed 102) is a number only'
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        scored([0.5])


def test_the_picture_of_a_video_is_its_middle_frame() -> None:
    frames = torch.rand(5, 8, 8, 3)
    assert torch.equal(scored([1.0], picture=[frames]).image, frames[2])
    assert scored([1.0]).image is None


def test_a_result_that_is_there_is_kept_and_another_is_where_the_host_makes_it() -> None:
    assert told([1.0], result=["an image"])[1] == ("an image", False)
    assert told([1.0])[1] == (["7", 0], True)


def test_several_results_say_where_to_connect_the_list() -> None:
    with pytest.raises(ValueError, match=r"candidate 2 \(seed 102\) has 2 results.*`value` of Search Loop Open"):
        scored([1.0], result=["one", "other"])
