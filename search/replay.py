"""The winner again: a patch on MODEL that makes the next sampler do what a recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .records.recipe import Recipe
from .sampling.call import Finished, SamplerCall
from .sampling.listening import side_by_side, tell
from .sampling.source import HostNoise, NoiseSource, for_batch
from .sampling.trajectories import Trajectories
from .sampling.wrappers import Wrappers


def put_replay_on(model: Any, recipes: Sequence[Recipe], title: str) -> Any:
    """A clone of MODEL whose sampler ignores its own seed and follows the recipe.

    recipes: one for all images of a batch, or one for each.
    """
    return _Replay(recipes, title).put_on(model, title)


class _Replay(Wrappers):
    """Runs the recipes instead of the sampler's own noise."""

    def __init__(self, recipes: Sequence[Recipe], title: str):
        super().__init__()
        self.recipes = recipes
        self.title = title

    def run(self, call: SamplerCall) -> Tensor | None:
        if not torch.count_nonzero(call.noise):
            return None
        wanted = for_batch(self.recipes, len(call.noise), self.title)
        done = {recipe: self._replay(call, recipe) for recipe in dict.fromkeys(wanted)}
        x0 = torch.stack([done[recipe].x0[0, item] for item, recipe in enumerate(wanted)])
        latents = torch.stack([done[recipe].latents[0, item] for item, recipe in enumerate(wanted)])
        ways = [[(x0[0, item], x[0, item]) for x0, x in done[recipe].way] for item, recipe in enumerate(wanted)]
        tell(call, side_by_side(ways, call.steps), x0, latents, call.steps)
        return latents

    def _replay(self, call: SamplerCall, recipe: Recipe) -> Finished:
        """The recipe for every image of the batch, as the search ran it, stretch by stretch."""
        places = NoiseSource(call.noise, call.seed, call.shapes).places
        source = HostNoise(call.shapes, call.noise.dtype, places)
        trajectories = Trajectories(call, source, batch_size=1, progress=lambda *_: False)
        for part in recipe.way():
            finished = trajectories.run([[part] * source.items])
            trajectories.next_round()
        return finished
