"""The prompts that are queued, and what is remembered of them."""

from __future__ import annotations

import copy
import importlib
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("comfy")
NODES = {
    "1": {"class_type": "Loader", "inputs": {}},
    "2": {"class_type": "RandomSearch", "inputs": {"model": ["1", 0], "candidates": 4}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0], "cfg": 7, "seed": 5}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "a"}},
}
WINNERS = [{"node": "2", "board": "b0", "best": {"score": 0.5}}]


class Queue:
    """Nothing runs and nothing waits."""

    def get_current_queue_volatile(self) -> tuple[list[Any], list[Any]]:
        return [], []


@pytest.fixture
def prompts() -> Any:
    made = importlib.import_module("noise_search.search.host.prompts").Prompts()
    manager = importlib.import_module("app.node_replace_manager").NodeReplaceManager()
    made.server = SimpleNamespace(prompt_queue=Queue(), node_replace_manager=manager)
    return made


def queued(prompts: Any, nodes: dict[str, Any] = NODES, **workflow: Any) -> dict[str, Any]:
    metadata = {"workflow": {"id": "a workflow", **workflow}}
    return prompts.on_prompt({"prompt": copy.deepcopy(nodes), "extra_data": {"extra_pnginfo": metadata}})


def record(prompts: Any, body: dict[str, Any], node: str = "3", place: int | None = None) -> None:
    """As when the sampler node of this prompt has searched."""
    utils = importlib.import_module("comfy_execution.utils")
    with utils.CurrentNodeContext(body["prompt_id"], node, place):
        prompts.record(WINNERS)


def carried(body: dict[str, Any]) -> Any:
    metadata = body["extra_data"]["extra_pnginfo"]
    assert metadata["workflow"].get("extra", {}).get("noise_search") == metadata.get("noise_search")
    return metadata.get("noise_search")


def changed(node: str, **inputs: Any) -> dict[str, Any]:
    nodes = copy.deepcopy(NODES)
    nodes[node]["inputs"] |= inputs
    return nodes


def test_winners_go_into_the_metadata_of_their_prompt(prompts: Any) -> None:
    body = queued(prompts)
    assert carried(body) is None
    record(prompts, body)
    assert carried(body) == [{"sampler": "3", **WINNERS[0]}]


@pytest.mark.parametrize("later", [NODES, changed("4", filename_prefix="b"), changed("3", cfg=7.0)])
def test_a_prompt_whose_sampler_is_the_same_knows_the_winners_at_once(prompts: Any, later: dict[str, Any]) -> None:
    record(prompts, queued(prompts))
    assert carried(queued(prompts, later)) == [{"sampler": "3", **WINNERS[0]}]


@pytest.mark.parametrize("later", [changed("3", seed=6), changed("2", candidates=5), changed("1", file="x")])
def test_a_prompt_that_will_search_again_does_not(prompts: Any, later: dict[str, Any]) -> None:
    record(prompts, queued(prompts))
    assert carried(queued(prompts, later, extra={"noise_search": ["of before"], "ds": {}})) is None


def test_a_list_leaves_its_winners_in_order(prompts: Any) -> None:
    body = queued(prompts)
    for place in (0, 1):
        record(prompts, body, place=place)
    assert len(carried(body)) == len(carried(queued(prompts))) == 2


def test_a_loops_copy_of_a_sampler_leaves_nothing(prompts: Any) -> None:
    body = queued(prompts)
    record(prompts, body, node="9.0.0.3")
    assert carried(body) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "nonsense"},
        {"prompt": {"3": {}}, "extra_data": None},
        {"prompt": {"3": {}}, "extra_data": {"extra_pnginfo": {"workflow": None}}},
        {"prompt": {"3": {"inputs": {"model": ["3", 0]}}}, "extra_data": {"extra_pnginfo": {"workflow": {"extra": 5}}}},
    ],
)
def test_odd_prompts_are_left_to_the_host_to_refuse(prompts: Any, body: dict[str, Any]) -> None:
    record(prompts, queued(prompts))
    asked = copy.deepcopy(body)
    answered = prompts.on_prompt(body)
    answered.pop("prompt_id", None)
    assert answered == asked


def test_an_id_that_came_with_the_prompt_stays(prompts: Any) -> None:
    assert prompts.on_prompt({"prompt": {}, "prompt_id": "mine"})["prompt_id"] == "mine"


def test_old_prompts_and_winners_are_let_go(prompts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("noise_search.search.host.prompts")
    monkeypatch.setattr(module, "WINNERS_KEPT", 3)
    for seed in range(module.PROMPTS_KEPT + 5):
        record(prompts, queued(prompts, changed("3", seed=seed)))
    assert len(prompts.of_workflow("a workflow")) == module.PROMPTS_KEPT
    known = [seed for seed in range(module.PROMPTS_KEPT + 5) if carried(queued(prompts, changed("3", seed=seed)))]
    assert known == [module.PROMPTS_KEPT + 2, module.PROMPTS_KEPT + 3, module.PROMPTS_KEPT + 4]
