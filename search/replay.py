"""The winner again: a patch on MODEL that makes the next sampler do what a recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .records.recipe import WORKFLOW, Recipe
from .sampling.call import Finished, SamplerCall
from .sampling.draws import latent_of
from .sampling.listening import least_steps, side_by_side, tell
from .sampling.source import (
    HostNoise,
    NoiseSource,
    check_kinds,
    check_workflow_seed,
    for_batch,
    replay_draws,
)
from .sampling.trajectories import Trajectories
from .sampling.wordings import Wordings
from .sampling.wrappers import Wrappers


def put_replay_on(
    model: Any, recipes: Sequence[Recipe], title: str, noise: Any = None, wordings: Wordings | None = None
) -> Any:
    """A clone of MODEL whose sampler ignores its own seed and follows the recipe.

    recipes: one for all images of a batch, or one for each. noise, wordings: the NOISE object and the
    positives that the search had. Raises ValueError when a recipe needs others.
    """
    check_kinds(recipes, noise, title)
    return _Replay(recipes, title, noise, wordings or Wordings([])).put_on(model, title)


class _Replay(Wrappers):
    """Runs the recipes instead of the sampler's own noise."""

    def __init__(self, recipes: Sequence[Recipe], title: str, noise: Any, wordings: Wordings):
        super().__init__()
        self.recipes = recipes
        self.title = title
        self.noise = noise
        self.wordings = wordings

    def run(self, call: SamplerCall) -> Tensor | None:
        if not torch.count_nonzero(call.noise):
            return None
        call = replace(call, wordings=self.wordings)
        self._check_wordings(call)
        own = NoiseSource(call.noise, call.seed, call.shapes)
        told = for_batch(self.recipes, len(call.noise), self.title)
        wanted = [own.meant(recipe, item) for item, recipe in enumerate(told)]
        source = self._source(call, own)
        done = {recipe: self._replay(call, source, recipe) for recipe in dict.fromkeys(wanted)}
        x0 = torch.stack([done[recipe].x0[0, item] for item, recipe in enumerate(wanted)])
        latents = torch.stack([done[recipe].latents[0, item] for item, recipe in enumerate(wanted)])
        ways = [[(x0[0, item], x[0, item]) for x0, x in done[recipe].way] for item, recipe in enumerate(wanted)]
        tell(call, side_by_side(ways, least_steps(wanted, call.steps)), x0, latents, call.steps)
        return latents

    def _check_wordings(self, call: SamplerCall) -> None:
        try:
            for recipe in self.recipes:
                self.wordings.conds(call.guider.conds, recipe.wording)
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from None

    def _source(self, call: SamplerCall, own: NoiseSource) -> HostNoise:
        """Of recipes of every kind; raises ValueError when one starts from noise that this sampler was not given."""
        latent = latent_of(call.latent_image, call.shapes)
        draws = replay_draws(call.shapes, call.noise.dtype, own.places, latent, self.noise)

        def workflow(seed: int) -> Tensor:
            check_workflow_seed(seed, call.seed, self.title)
            return own.base("", seed)

        return HostNoise(call.shapes, draws | {WORKFLOW: workflow})

    def _replay(self, call: SamplerCall, source: HostNoise, recipe: Recipe) -> Finished:
        """The recipe for every image of the batch, as the search ran it, stretch by stretch."""
        trajectories = Trajectories(call, source, batch_size=1, progress=lambda *_: False)
        for part in recipe.way():
            trajectories.keeps_ends = part != recipe
            finished = trajectories.run([[part] * source.items])
            trajectories.next_round()
        return finished
