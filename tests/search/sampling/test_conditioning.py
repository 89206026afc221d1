"""Conditioning of every kind: each image of a batch is what its seed gives without a search."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from small_models import CONTEXT, conditioning, raced, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
Conditioning = list[Any]


def area() -> Conditioning:
    return [*_with(3, area=(4, 4, 2, 2), strength=0.7), *conditioning(1)]


def masks(count: int) -> Conditioning:
    drawn = torch.rand((count, 8, 8), generator=torch.Generator().manual_seed(4))
    return [*_with(3, mask=drawn, mask_strength=0.8, set_area_to_bounds=False), *conditioning(1)]


def part_of_the_way() -> Conditioning:
    return [*_with(3, start_percent=0.0, end_percent=0.4), *_with(1, start_percent=0.4, end_percent=1.0)]


def default() -> Conditioning:
    drawn = (torch.rand((1, 8, 8), generator=torch.Generator().manual_seed(4)) > 0.5).float()
    return [*_with(3, mask=drawn, mask_strength=1.0, set_area_to_bounds=False), *_with(1, default=True)]


def lora_on_a_part_of_the_way() -> Conditioning:
    """The host's hooks: weights that change from step to step."""
    hooks, draw = importlib.import_module("comfy.hooks"), torch.Generator().manual_seed(8)
    weights = {
        "diffusion_model.text.lora_up.weight": torch.randn(12, 2, generator=draw),
        "diffusion_model.text.lora_down.weight": torch.randn(2, CONTEXT, generator=draw),
    }
    group = hooks.create_hook_lora(weights, strength_model=1.0, strength_clip=0.0)
    frames = hooks.HookKeyframeGroup()
    for strength, start in ((1.0, 0.0), (0.3, 0.5)):
        frames.add(hooks.HookKeyframe(strength=strength, start_percent=start))
    group.set_keyframes_on_hooks(frames)
    return hooks.set_hooks_for_conditioning(conditioning(1), group)


KINDS: dict[str, Callable[[], Conditioning]] = {
    "area": area,
    "one mask": lambda: masks(1),
    "two masks": lambda: masks(2),
    "five masks": lambda: masks(5),
    "part of the way": part_of_the_way,
    "default": default,
    "hooks": lora_on_a_part_of_the_way,
}


def _with(seed: int, **values: Any) -> Conditioning:
    return [[tensor, told | values] for tensor, told in conditioning(seed)]


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_each_image_is_what_its_seed_gives_alone(kind: str, items: int) -> None:
    told = {"positive": KINDS[kind](), "latent": {"samples": torch.zeros(items, 4, 8, 8)}}
    model = small_model("EPS")
    plain = sample(model, **told | {"positive": conditioning(1)})
    assert not torch.allclose(sample(model, **told), plain, rtol=1e-3), "the conditioning does something"
    for found in (search(model, candidates=5), raced(model)):
        result = sample(found.model, **told)
        for item, report in enumerate(found.search.runs[0].reports):
            stock = sample(model, seed=report.best.recipe.seed, **told)[item]
            assert torch.allclose(result[item], stock, rtol=1e-4, atol=1e-5 * float(stock.abs().max()))
