"""The prompts that are queued, and what is remembered of them."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator, Sequence
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


Parents = dict[str, str]  # nodes that came while the prompt ran, and what has expanded into each


@pytest.fixture
def progress() -> Iterator[Any]:
    module = importlib.import_module("comfy_execution.progress")
    before = module.global_progress_registry
    yield module
    module.global_progress_registry = before


def run(prompts: Any, progress: Any, body: dict[str, Any], parents: Parents, samplers: Sequence[str]) -> None:
    """As when these samplers search in this prompt, one after the other."""
    graph = importlib.import_module("comfy_execution.graph").DynamicPrompt(body["prompt"])
    for node, parent in parents.items():
        graph.add_ephemeral_node(node, {"class_type": "Anything", "inputs": {}}, parent, parent)
    progress.reset_progress_state(body["prompt_id"], graph)
    utils = importlib.import_module("comfy_execution.utils")
    for sampler in samplers:
        with utils.CurrentNodeContext(body["prompt_id"], sampler, 0):
            prompts.begin()
            prompts.record([{**WINNERS[0], "by": sampler}])


def by(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(winner["sampler"], winner["by"]) for winner in carried(body) or []]


@pytest.mark.parametrize("parents", [{"3.a": "3"}, {"3.x": "3", "3.x.y": "3.x", "3.a": "3.x.y"}])
def test_a_winner_in_an_expanded_node_belongs_to_the_node_that_was_queued(
    prompts: Any, progress: Any, parents: Parents
) -> None:
    body = queued(prompts)
    run(prompts, progress, body, parents, ["3.a"])
    assert by(body) == by(queued(prompts)) == [("3", "3.a")]
    assert by(queued(prompts, changed("3", seed=6))) == []


def test_all_samplers_of_an_expanded_node_are_kept(prompts: Any, progress: Any) -> None:
    body = queued(prompts)
    run(prompts, progress, body, {"3.a": "3", "3.b": "3.a"}, ["3.a", "3.b"])
    assert by(body) == by(queued(prompts)) == [("3", "3.a"), ("3", "3.b")]


def test_a_node_that_expands_into_other_ids_leaves_none_of_before(prompts: Any, progress: Any) -> None:
    run(prompts, progress, queued(prompts), {"3.a": "3", "3.b": "3"}, ["3.a", "3.b"])
    body = queued(prompts)
    run(prompts, progress, body, {"3.c": "3", "3.d": "3"}, ["3.c", "3.d"])
    assert by(body) == by(queued(prompts)) == [("3", "3.c"), ("3", "3.d")]


def test_a_sampler_that_is_cached_beside_one_that_searches_again_keeps_its_winner(prompts: Any, progress: Any) -> None:
    run(prompts, progress, queued(prompts), {"3.a": "3", "3.b": "3"}, ["3.a", "3.b"])
    body = queued(prompts)
    run(prompts, progress, body, {"3.a": "3", "3.b": "3"}, ["3.b"])
    assert sorted(by(body)) == [("3", "3.a"), ("3", "3.b")]


def test_a_loops_candidate_leaves_nothing_also_where_it_expands(prompts: Any, progress: Any) -> None:
    nodes = NODES | {"9": {"class_type": "SearchLoopClose", "inputs": {}}}
    body = queued(prompts, nodes)
    run(prompts, progress, body, {"9.a": "9", "9.a.b": "9.a"}, ["9.a", "9.a.b"])
    assert by(body) == []
    run(prompts, progress, body, {}, ["9"])
    assert by(body) == [("9", "9")]


def test_a_prompt_that_comes_back_converted_is_the_same(prompts: Any) -> None:
    sent, body = changed("3", seed="5", cfg="7"), queued(prompts, changed("3", seed="5", cfg="7"))
    body["prompt"]["3"]["inputs"] |= {"seed": 5, "cfg": 7.0}  # as ComfyUI does where it stands
    record(prompts, body)
    assert carried(queued(prompts, sent)) == [{"sampler": "3", **WINNERS[0]}]
