"""What of ComfyUI's own on a MODEL makes candidates of one sampler call hear of each other: each has to run alone then.

Most patches treat the rows of a batch each for itself. Guidance that does not, because it takes a mean over the batch
or remembers the step before, is found by asking it: on a toy problem of a few numbers, does a row come out the same
alone, beside another one, and in turns with it? What sits around sampler calls or inside the network can not be asked:
that goes by where it sits, and by name. Parts of other packs are not asked here, and never see a toy problem: proof.py
is about them.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..host.strangers import is_known

OURS = "noise_search"  # how the keys of the pack's own wrappers begin
AROUND_CALLS = (WrappersMP.OUTER_SAMPLE, WrappersMP.SAMPLER_SAMPLE)  # caches; noise shuffled by the call's seed
# Inside the network: two that draw from torch's own random state, and one that remembers the first step.
INSIDE = ("TomePatchModel", "HyperTile", "FluxKVCache")
GUIDERS = ("Guider_PerpNeg",)  # projects with sums over the batch
GUIDANCE = ("sampler_pre_cfg_function", "sampler_cfg_function", "sampler_post_cfg_function")
PROGRESS = (0.2, 0.4, 0.6)  # of the toy's steps
TOY_SIDE = 4
TOLERANCE = 1e-4


def crosstalk(guider: Any, ndim: int) -> str | None:
    """What of the host's makes candidates hear of each other, for a message; None when nothing does.

    guider: of the user's sampler call. ndim: dimensions of the latent.
    """
    suspects = [_maker(guider), *_inside(guider.model_options)]
    known = next((name for name in suspects if name in (*GUIDERS, *INSIDE)), None)
    return known or _around(guider.model_options) or _guidance(guider, ndim)


def _around(options: dict[str, Any]) -> str | None:
    wrapper = options.get("model_function_wrapper")
    if wrapper is not None and is_known(wrapper):
        return _maker(wrapper)
    wrappers = options["transformer_options"].get("wrappers", {})
    found = [item for kind in AROUND_CALLS for item in wrappers.get(kind, {}).items()]
    hosts = [key or _maker(made[0]) for key, made in found if made and not str(key).startswith(OURS) and is_known(made)]
    return hosts[0] if hosts else None


def _inside(options: dict[str, Any]) -> list[str]:
    return [
        _maker(patch) for patches in options["transformer_options"].get("patches", {}).values() for patch in patches
    ]


def _guidance(guider: Any, ndim: int) -> str | None:
    for kind in GUIDANCE:
        functions = guider.model_options.get(kind, [])
        is_one = callable(functions)
        for function in filter(is_known, [functions] if is_one else functions):
            toy = _Toy(guider.model_patcher, {kind: function if is_one else [function]}, ndim)
            if not toy.keeps_rows_apart():
                return _maker(function)
    return None


def _maker(thing: Any) -> str:
    """The node or class that a patch comes from."""
    return getattr(thing, "__qualname__", type(thing).__qualname__).split(".")[0]


class _Toy:
    """Two rows of a few numbers, and guidance over fixed functions of them in place of what a network predicts."""

    def __init__(self, patcher: Any, guidance: dict[str, Any], ndim: int):
        sampling = patcher.get_model_object("model_sampling")
        self.model = SimpleNamespace(current_patcher=patcher, model_sampling=sampling)
        self.options = {**guidance, "sampler_calc_cond_batch_function": _predict, "transformer_options": {}}
        self.sigmas = [float(sampling.percent_to_sigma(share)) for share in PROGRESS]
        draw = torch.randn((2, *[TOY_SIDE] * (ndim - 1)), generator=torch.Generator().manual_seed(0))
        self.rows = (draw * torch.tensor([1.0, 1.5]).reshape(2, *[1] * (ndim - 1))).to(patcher.load_device)

    def keeps_rows_apart(self) -> bool:
        with torch.random.fork_rng():
            try:
                alone = [[self._guided(row, sigma) for sigma in self.sigmas] for row in self.rows.split(1)]
                beside = [self._guided(self.rows, sigma) for sigma in self.sigmas]
                in_turns = [[self._guided(row, sigma) for row in self.rows.split(1)] for sigma in self.sigmas]
            except Exception as error:  # it may need a real model, or one row
                logging.info("Noise search: guidance on the model does not run on a toy problem (%s).", error)
                return False
        expected = torch.cat([torch.stack(steps) for steps in alone], dim=1)  # [sigmas, rows, ...]
        found = torch.stack(beside), torch.stack([torch.cat(step) for step in in_turns])
        return all(
            rows.shape == expected.shape and torch.allclose(rows, expected, rtol=TOLERANCE, atol=TOLERANCE)
            for rows in found
        )

    def _guided(self, rows: Tensor, sigma: float) -> Tensor:
        sigmas = torch.full((len(rows),), sigma, device=rows.device)
        return comfy.samplers.sampling_function(self.model, rows * sigma, sigmas, [], [], 2.0, self.options)


def _predict(args: dict[str, Any]) -> list[Tensor]:
    """Conditional and unconditional prediction."""
    x = args["input"]
    return [torch.sin(x), 0.8 * torch.sin(x + 0.5)]
