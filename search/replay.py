"""The winner again: a patch on MODEL that makes the next sampler start from a recipe's noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .patch import KEY, wrap
from .recipe import Recipe
from .source import HostNoise, NoiseSource, for_batch


def put_replay_on(model: Any, recipes: Sequence[Recipe], title: str) -> Any:
    """A clone of MODEL whose sampler ignores its own seed and uses the recipe's noise, and its seed for step noise.

    recipes: one for all images of a batch, or one for each.
    """
    if model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        raise ValueError(f"{title}: this MODEL already has a search on it. Connect the model from before that node.")
    model = model.clone()

    def outer_sample(
        executor, noise, latent_image, sampler, sigmas, mask=None, callback=None, quiet=False, seed=None, **extra
    ):
        if not torch.count_nonzero(noise):
            return executor(noise, latent_image, sampler, sigmas, mask, callback, quiet, seed, **extra)
        shapes = extra.get("latent_shapes") or [latent_image.shape]
        host = HostNoise(shapes, noise.dtype, NoiseSource(noise, seed, shapes).places)
        wanted = for_batch(recipes, len(noise))
        conds = executor.class_obj.conds
        results: dict[int, Tensor] = {}
        for start in dict.fromkeys(recipe.seed for recipe in wanted):
            executor.class_obj.conds = {name: [dict(cond) for cond in group] for name, group in conds.items()}
            drawn = host.draw([recipe if recipe.seed == start else Recipe(start) for recipe in wanted])
            results[start] = executor(drawn, latent_image, sampler, sigmas, mask, callback, quiet, start, **extra)
        return torch.stack([results[recipe.seed][item] for item, recipe in enumerate(wanted)])

    wrap(model, WrappersMP.OUTER_SAMPLE, outer_sample)
    return model
