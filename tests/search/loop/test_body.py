"""What is read from a prompt about a loop: its nodes, what they depend on, and what that is known by."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comfy_graph import Graph, Node

pytestmark = pytest.mark.usefixtures("comfy")


class Lazy:
    """Evaluates its input `maybe` only when it asks for it."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"always": ("IMAGE",), "maybe": ("IMAGE", {"lazy": True})}}


class AlwaysNew:
    """Says that it gives something else each time."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",)}}

    @classmethod
    def IS_CHANGED(cls, image: Any) -> float:
        return float("nan")


@pytest.fixture(autouse=True)
def known_nodes(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    loop = importlib.import_module("noise_search.nodes.loop")
    for node in (loop.SearchLoopOpen, loop.SearchLoopClose):
        monkeypatch.setitem(known, node.__name__, node)
    monkeypatch.setitem(known, "Lazy", Lazy)
    monkeypatch.setitem(known, "AlwaysNew", AlwaysNew)


class Prompt(Graph):
    """Open -> KSampler -> VAEDecode -> ImageInvert, the last of which stands for a score, -> Close."""

    def __init__(self, **sampler: Any) -> None:
        super().__init__()
        self.loader = self.node("CheckpointLoaderSimple", ckpt_name="a model.safetensors")
        self.latent = self.node("EmptyLatentImage", width=64, height=64, batch_size=1)
        self.open = self.node("SearchLoopOpen", seed=5)
        given = {"model": self.loader, "seed": self.open.out(1), "latent_image": self.latent, "steps": 4}
        self.sampler = self.node("KSampler", **(given | sampler))
        self.decoded = self.node("VAEDecode", samples=self.sampler, vae=self.loader.out(2))
        self.score = self.node("ImageInvert", image=self.decoded)

    def dynamic(self) -> Any:
        return importlib.import_module("comfy_execution.graph").DynamicPrompt(self.prompt)

    def body(self, result: Node | None = None, score: Node | None = None, **flow: Any) -> Any:
        body = importlib.import_module("noise_search.search.loop.body")
        score, result = score or self.score, result or self.decoded
        close = self.node("SearchLoopClose", flow=self.open, score=score, result=result)
        given = {"open_id": self.open.id, "seed": 5, "value": None, "item": 0, "run_outputs": False}
        return body.read_body(self.dynamic(), body.Flow(**(given | flow)), close.id, score.out(), result.out())

    def key(self, item: int = 0, title: str = "Search Loop Close (node 9)") -> str | None:
        flow = SimpleNamespace(open_id=self.open.id, item=item)
        loop_key = importlib.import_module("noise_search.search.history.keys").loop_key
        key = loop_key(self.dynamic(), "a prompt", flow.open_id, flow.item, self.score.out(), title)
        with ThreadPoolExecutor(1) as other:  # in this thread the browser of other tests may have a loop running
            return other.submit(asyncio.run, key).result()


def ids(*nodes: Node) -> set[str]:
    return {node.id for node in nodes}


def test_the_loop_is_what_lies_between_the_two() -> None:
    prompt = Prompt()
    body = prompt.body()
    assert body.nodes == (prompt.sampler.id, prompt.decoded.id, prompt.score.id)
    assert body.judged == ids(prompt.sampler, prompt.decoded, prompt.score)
    assert body.reads == {1}
    assert body.comes_along


def test_links_into_the_loop_are_known_once_each_way() -> None:
    prompt = Prompt()
    assert {tuple(link) for link in prompt.body().outside} == {
        (prompt.loader.id, 0),
        (prompt.loader.id, 2),
        (prompt.latent.id, 0),
    }


def test_what_only_the_result_needs_is_not_judged() -> None:
    prompt = Prompt()
    larger = prompt.node("ImageScaleBy", image=prompt.decoded, upscale_method="bilinear", scale_by=2.0)
    body = prompt.body(result=larger)
    assert set(body.nodes) == ids(prompt.sampler, prompt.decoded, prompt.score, larger)
    assert larger.id not in body.judged
    assert not body.comes_along


def test_noise_that_only_the_result_uses_is_not_read() -> None:
    prompt = Prompt()
    second = prompt.node("KSampler", model=prompt.loader, seed=prompt.open.out(3), latent_image=prompt.sampler)
    assert prompt.body(result=second).reads == {1}


def test_a_result_behind_a_lazy_input_may_not_be_there_with_the_score() -> None:
    prompt = Prompt()
    other = prompt.node("ImageInvert", image=prompt.decoded)
    switch = prompt.node("Lazy", always=prompt.decoded, maybe=other)
    assert prompt.body(result=prompt.decoded, score=switch).comes_along
    assert not prompt.body(result=other, score=switch).comes_along


def test_the_picture_is_the_nearest_image_before_the_score() -> None:
    prompt = Prompt()
    assert prompt.body().picture == prompt.decoded.out()
    nearer = prompt.node("ImageInvert", image=prompt.decoded)
    further = prompt.node("ImageScaleBy", image=nearer, upscale_method="bilinear", scale_by=2.0)
    assert prompt.body(score=further).picture == nearer.out()


def test_a_score_without_an_image_has_no_picture() -> None:
    prompt = Prompt()
    assert prompt.body(result=prompt.sampler, score=prompt.sampler).picture is None


@pytest.mark.parametrize("run_outputs", [False, True])
def test_previews_of_the_loop_belong_to_it_when_they_are_wanted(run_outputs: bool) -> None:
    prompt = Prompt()
    larger = prompt.node("ImageScaleBy", image=prompt.decoded, upscale_method="bilinear", scale_by=2.0)
    preview = prompt.node("PreviewImage", images=larger)
    prompt.node("PreviewImage", images=prompt.node("EmptyImage", width=8, height=8))
    body = prompt.body(run_outputs=run_outputs)
    assert ids(larger, preview) & set(body.nodes) == (ids(larger, preview) if run_outputs else set())
    assert len(body.nodes) == (5 if run_outputs else 3)


def test_what_comes_behind_the_loop_is_not_in_it() -> None:
    prompt = Prompt()
    close = prompt.node("SearchLoopClose", flow=prompt.open, score=prompt.score, result=prompt.decoded)
    saved = prompt.node("SaveImage", images=close)
    body = importlib.import_module("noise_search.search.loop.body")
    flow = body.Flow(prompt.open.id, 5, None, 0, run_outputs=True)
    read = body.read_body(prompt.dynamic(), flow, close.id, prompt.score.out(), prompt.decoded.out())
    assert saved.id not in read.nodes and close.id not in read.nodes


def test_a_very_long_loop_is_read() -> None:
    prompt = Prompt()
    last = prompt.decoded
    for _ in range(3000):
        last = prompt.node("ImageInvert", image=last)
    assert len(prompt.body(score=last).nodes) == 3002


def test_the_key_of_the_same_loop_is_the_same() -> None:
    assert Prompt().key() == Prompt().key()


def test_the_key_does_not_depend_on_ids_or_on_the_seed() -> None:
    moved = Prompt()
    moved.prompt[moved.open.id]["inputs"]["seed"] = 99
    moved.prompt = {node_id.rjust(3, "7"): node for node_id, node in moved.prompt.items()}
    for node in moved.prompt.values():
        links = {name: value for name, value in node["inputs"].items() if isinstance(value, list)}
        node["inputs"] |= {name: [value[0].rjust(3, "7"), value[1]] for name, value in links.items()}
    moved.open, moved.score = (Node(node.id.rjust(3, "7")) for node in (moved.open, moved.score))
    assert moved.key() == Prompt().key()


@pytest.mark.parametrize("given", [{"steps": 5}, {"cfg": 2.0}, {"latent_image": ["1", 1]}, {"seed": ["3", 2]}])
def test_the_key_changes_with_every_input(given: dict[str, Any]) -> None:
    assert Prompt(**given).key() != Prompt().key()


def test_the_key_changes_with_what_comes_in_as_value() -> None:
    keys = set()
    for value in (1, 2):
        prompt = Prompt()
        prompt.prompt[prompt.open.id]["inputs"]["value"] = prompt.node("EmptyImage", width=value).out()
        keys |= {prompt.key(), prompt.key(item=1)}
    assert len(keys) == 4


def test_the_key_changes_with_the_file_of_a_model(tmp_path: Path, models: Path) -> None:
    keys = []
    for content, seconds in (("some", 1), ("more of it", 1), ("more of it", 2)):
        (models / "a model.safetensors").write_text(content)
        os.utime(models / "a model.safetensors", (seconds, seconds))
        keys.append(Prompt().key())
    assert len(set(keys)) == 3


@pytest.fixture
def models(comfy: Any, tmp_path: Path) -> Iterator[Path]:
    """A folder for checkpoints."""
    folders = importlib.import_module("folder_paths").folder_names_and_paths["checkpoints"][0]
    folders.append(str(tmp_path))
    yield tmp_path
    folders.remove(str(tmp_path))


def test_nothing_is_known_by_a_node_that_is_new_each_time(caplog: pytest.LogCaptureFixture) -> None:
    prompt = Prompt()
    new = prompt.node("AlwaysNew", image=prompt.decoded)
    prompt.score = prompt.node("ImageInvert", image=new)
    with caplog.at_level(logging.INFO):
        assert prompt.key(title="Search Loop Close (node 9)") is None
    assert f"Search Loop Close (node 9): node {new.id} (AlwaysNew) may give something else each time" in caplog.text
