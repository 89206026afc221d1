"""Noises as the host draws them: from a seed, for the latent a sampler was given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import comfy.nested_tensor
import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from .noise import neighbor
from .recipe import Move, Recipe

MOST_PLACES = 64  # how far to look for a latent's place in the batch it was taken from


class NoiseSource:
    """Recreates the noise of any recipe for one sampler call.

    noise: [B, ...], what the sampler was given: candidate 0. seed: the sampler's.
    shapes: the latent's; more than one for a packed latent (video with audio).
    """

    def __init__(self, noise: Tensor, seed: int, shapes: Sequence[Sequence[int]]):
        self.given = noise
        self.seed = seed
        self.shapes = [tuple(shape) for shape in shapes]
        self.random_state = torch.get_rng_state()
        self.places: list[int] | None = None
        self.seeded = self._recognise()

    @property
    def items(self) -> int:
        """Images in the user's batch, each an independent problem."""
        return len(self.given)

    def recreates(self, recipe: Recipe) -> bool:
        """Whether the recipe gives the same noise outside of this search: not if the workflow brought its own."""
        return self.seeded or recipe.seed != self.seed

    def draw(self, recipes: Sequence[Recipe]) -> Tensor:
        """One candidate's noise [B, ...], item b by recipes[b].

        Leaves torch's random state as the host's own draw does, for the solvers that use it.
        """
        bases = {seed: self._base(seed) for seed in {recipe.seed for recipe in recipes}}
        return torch.stack([reduce(_move, recipe.moves, bases[recipe.seed][b]) for b, recipe in enumerate(recipes)])

    def _base(self, seed: int) -> Tensor:
        """What a stock sampler with this seed starts from, [B, ...]."""
        if seed == self.seed and not self.seeded:
            torch.set_rng_state(self.random_state)
            return self.given
        return self._host_noise(seed, self.places)

    def _host_noise(self, seed: int, places: list[int] | None) -> Tensor:
        empty = [torch.zeros(shape, dtype=self.given.dtype) for shape in self.shapes]
        if len(empty) == 1:
            return comfy.sample.prepare_noise(empty[0], seed, places)
        nested = comfy.sample.prepare_noise(comfy.nested_tensor.NestedTensor(empty), seed, places)
        return comfy.utils.pack_latents(nested.unbind())[0]

    def _recognise(self) -> bool:
        """Whether the given noise is the host's draw from the seed, at the places of a latent's batch_index."""
        given = self.given.cpu()
        state = torch.get_rng_state()
        try:
            if torch.equal(self._host_noise(self.seed, None), given):
                return True
            draws = self._host_noise(self.seed, list(range(MOST_PLACES)))
            places = [_index_of(item, draws) for item in given]
            if None in places:
                return False
            self.places = places
            return torch.equal(self._host_noise(self.seed, places), given)
        finally:
            torch.set_rng_state(state)


def _move(noise: Tensor, move: Move) -> Tensor:
    return neighbor(noise, move.cosine, torch.Generator().manual_seed(move.seed))


def _index_of(item: Tensor, draws: Tensor) -> int | None:
    return next((index for index, draw in enumerate(draws) if torch.equal(draw, item)), None)
