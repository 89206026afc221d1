"""Denoiser predictions that a solver makes, counted on a toy problem: some make two or more a step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import comfy.samplers
import torch

from ..sampling.sharing import ToyGuider

SHORT = 4  # from two schedules, this long and twice as long, follow those of any length


def predictions(model: Any, sampler_name: str, steps: int) -> int:
    """For one candidate with so many steps of one of the host's solvers."""
    if steps <= 2 * SHORT:
        return _counted(model, sampler_name, steps)
    short, longer = (_counted(model, sampler_name, count) for count in (SHORT, 2 * SHORT))
    return longer + (longer - short) * (steps - 2 * SHORT) // SHORT


@lru_cache(maxsize=256)
def _counted(model: Any, sampler_name: str, steps: int) -> int:
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
    guider = _Counting(model)
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4, 4, 4, generator=draw)
    extra_args = {"model_options": {"transformer_options": {"sample_sigmas": sigmas}}, "seed": 0}
    with torch.random.fork_rng():
        comfy.samplers.sampler_object(sampler_name).sample(
            guider, sigmas, extra_args, None, noise, torch.zeros_like(noise), None, True
        )
    return guider.calls


class _Counting(ToyGuider):
    def __init__(self, patcher: Any):
        super().__init__(patcher)
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return super().__call__(*args, **kwargs)
