"""A MODEL of ComfyUI's MultiGPU CFG Split under a search: two devices, both of them this processor."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from noise_search.search.methods.paths import PathSearch
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.methods.zero_order import ZeroOrder
from small_models import Brightness, SmallVAE, made_plan, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
DEVICES = [torch.device("cpu"), torch.device("cpu", 0)]  # equal they are not
STEPS = 8
METHODS = {
    "random": RandomSearch(9),
    "races": RandomSearch(12, "progressive"),
    "looks": RandomSearch(12, "look ahead"),
    "zero-order": ZeroOrder(iterations=2, neighbors=4, cosine=0.9),
    "paths": PathSearch(2, 2, start=0.6, forward=0.2, backward=0.4),
}


def loaded() -> Any:
    """As a core loader gives it: it can be loaded once more for another device."""
    model = small_model("FLOW")
    model.cached_patcher_init = (loaded, ())
    return model


class Counted:
    """Conditions times rows that a network was asked for."""

    def __init__(self, model: Any):
        self.rows = 0
        model.model.diffusion_model.register_forward_pre_hook(self._count)

    def _count(self, _network: Any, given: Any) -> None:
        self.rows += len(given[0])


@pytest.fixture
def multi(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """model, other: MODEL with a clone on the other device, and what both of them ran."""
    management = importlib.import_module("comfy.model_management")
    monkeypatch.setattr(management, "get_all_torch_devices", lambda exclude_current=False: DEVICES)
    model = split(loaded())
    (clone,) = model.get_additional_models_with_key("multigpu")
    assert [model.load_device, clone.load_device] == DEVICES
    assert model.model is not clone.model
    yield model, Counted(model), Counted(clone)


def split(model: Any) -> Any:
    """As the node MultiGPU CFG Split does."""
    return importlib.import_module("comfy.multigpu").create_multigpu_deepclones(model, 2)


def ran(model: Any, method: Any, images: int = 1, **settings: Any) -> tuple[Any, Any]:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Search (node 1)", method)
    searching, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "")
    latents = sample(searching, latent={"samples": torch.zeros(images, 4, 8, 8)}, steps=STEPS, **settings)
    return latents, record.runs[-1].reports


def assert_same(found: tuple[Any, Any], alone: tuple[Any, Any]) -> None:
    assert torch.allclose(found[0], alone[0], atol=1e-4)
    for ours, theirs in zip(found[1], alone[1], strict=True):
        assert ours.best.index == theirs.best.index
        assert [one.score for one in ours.candidates] == pytest.approx([o.score for o in theirs.candidates], abs=1e-5)
        assert [one.nfe for one in ours.candidates] == [one.nfe for one in theirs.candidates]
        assert ours.notes == theirs.notes


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_search_finds_the_same_and_both_devices_work(multi: Any, method: Any) -> None:
    model, own, other = multi
    found = ran(model, method)
    assert own.rows == other.rows > 0, "each has one side of the guidance"
    assert_same(found, ran(loaded(), method))


def test_a_batch_with_step_noise(multi: Any) -> None:
    model, own, other = multi
    settings = {"images": 2, "sampler_name": "euler_ancestral", "seed": 3}
    assert_same(ran(model, METHODS["random"], **settings), ran(loaded(), METHODS["random"], **settings))
    assert own.rows == other.rows > 0


def test_without_guidance_the_other_device_is_idle(multi: Any) -> None:
    model, own, other = multi
    assert_same(ran(model, METHODS["random"], cfg=1.0), ran(loaded(), METHODS["random"], cfg=1.0))
    assert own.rows > 0
    assert other.rows == 0


def test_the_split_may_come_after_the_search(multi: Any) -> None:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Search (node 1)", METHODS["random"])
    searching, record = patch.put_on(loaded(), plan, SmallVAE(), Brightness(), "")
    model = split(searching)
    own, other = Counted(model), Counted(model.get_additional_models_with_key("multigpu")[0])
    latents = sample(model, latent={"samples": torch.zeros(1, 4, 8, 8)}, steps=STEPS)
    assert_same((latents, record.runs[-1].reports), ran(loaded(), METHODS["random"]))
    assert own.rows == other.rows > 0
