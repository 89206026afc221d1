"""Listeners of the sampler's steps: one that keeps what it hears gets the winner's way; ComfyUI's shows the search."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from small_models import Brightness, SmallVAE, best_report, conditioning, made_plan, raced, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 5


class Listener:
    """Keeps each step, and fails when one comes twice or out of turn."""

    def __init__(self) -> None:
        self.steps: list[tuple[Tensor, Tensor]] = []
        self.notes: list[float | None] = [None] * STEPS

    def __call__(self, step: int, x0: Tensor, x: Tensor, total: int) -> None:
        assert (step, total) == (len(self.steps), STEPS)
        self.notes[step] = float(x0.mean())
        self.steps.append((x0.clone().cpu(), x.clone().cpu()))


def heard(model: Any, seed: int = 3, batch: int = 1, name: str = "euler", listener: Any = None) -> list[Any]:
    samplers = importlib.import_module("comfy.samplers")
    listener = listener or Listener()
    latent = torch.zeros(batch, 4, 8, 8)
    noise = importlib.import_module("comfy.sample").prepare_noise(latent, seed)
    sigmas = samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", STEPS)
    guider = samplers.CFGGuider(model)
    guider.set_conds(conditioning(1), conditioning(2))
    guider.set_cfg(2.0)
    with torch.inference_mode():
        guider.sample(noise, latent, samplers.sampler_object(name), sigmas, callback=listener, seed=seed)
    return listener.steps if isinstance(listener, Listener) else []


def is_same(one: list[Any], other: list[Any]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.allclose(a, b, atol=1e-4) for mine, theirs in pairs for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m_sde", "dpm_fast"])
@pytest.mark.parametrize("run", [search, raced])
def test_a_listener_hears_the_winners_steps_once_and_in_order(run: Any, name: str) -> None:
    model = small_model("EPS")
    found = run(model, candidates=6)
    steps = heard(found.model, name=name)
    assert is_same(steps, heard(model, best_report(found).best.recipe.seed, name=name))


def test_each_image_of_a_batch_has_its_own_way() -> None:
    model = small_model("EPS")
    found = search(model, candidates=4)
    steps = heard(found.model, batch=2)
    for image, report in enumerate(found.search.runs[-1].reports):
        stock = heard(model, report.best.recipe.seed, batch=2)
        assert is_same([[x[image] for x in step] for step in steps], [[x[image] for x in step] for step in stock])


def test_behind_drafts_it_hears_the_whole_schedule() -> None:
    model = small_model("EPS")
    found = search(model, candidates=4, search_steps=2)
    steps = heard(found.model)
    assert is_same(steps, heard(model, best_report(found).best.recipe.seed))


def test_of_a_path_there_are_as_many_steps_as_the_schedule_has() -> None:
    paths = importlib.import_module("noise_search.search.methods.paths").PathSearch(2, 1, 0.4, 0.3, 0.5)
    patch = importlib.import_module("noise_search.search.patch")
    model, _ = patch.put_on(small_model("FLOW"), made_plan("Path Search", paths), SmallVAE(), Brightness(), "")
    assert len(heard(model)) == STEPS


def test_replaying_a_recipe_is_heard_as_well() -> None:
    replay = importlib.import_module("noise_search.search.replay")
    recipe = importlib.import_module("noise_search.search.records.recipe").Recipe(11)
    model = small_model("EPS")
    assert is_same(heard(replay.put_replay_on(model, [recipe], "Replay Noise")), heard(model, 11))


def test_comfyuis_own_listener_shows_the_whole_search() -> None:
    preview = importlib.import_module("latent_preview")
    model = small_model("EPS")
    last: dict[str, Any] = {}
    found = search(model, candidates=3)
    heard(found.model, listener=preview.prepare_callback(model, STEPS, last))
    stock: dict[str, Any] = {}
    heard(model, best_report(found).best.recipe.seed, listener=preview.prepare_callback(model, STEPS, stock))
    assert torch.allclose(last["x0"], stock["x0"], atol=1e-4)
