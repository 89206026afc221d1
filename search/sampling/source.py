"""Noises as the host draws them: from a seed, for the latent a sampler was given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import comfy.nested_tensor
import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ..methods.noise import neighbor
from ..records.recipe import Move, Recipe

MOST_PLACES = 64  # how far to look for a latent's place in the batch it was taken from
Shapes = Sequence[Sequence[int]]


class HostNoise:
    """The host's own draw from a seed, and the noise of a recipe.

    shapes: the latent's, batch first; more than one for a packed latent (video with audio).
    places: the latent's batch_index, when it was taken from a larger batch.
    """

    def __init__(self, shapes: Shapes, dtype: torch.dtype, places: list[int] | None = None):
        self.shapes = [tuple(shape) for shape in shapes]
        self.dtype = dtype
        self.places = places

    @property
    def items(self) -> int:
        """Images in the user's batch, each an independent problem."""
        return self.shapes[0][0]

    def recreates(self, recipe: Recipe) -> bool:
        """Whether the recipe gives the same noise anywhere."""
        return True

    def base(self, seed: int) -> Tensor:
        """What a stock sampler with this seed starts from, [B, ...]."""
        empty = [torch.zeros(shape, dtype=self.dtype) for shape in self.shapes]
        if len(empty) == 1:
            noise: Any = comfy.sample.prepare_noise(empty[0], seed, self.places)
            return noise
        nested = comfy.sample.prepare_noise(comfy.nested_tensor.NestedTensor(empty), seed, self.places)
        return comfy.utils.pack_latents(nested.unbind())[0]

    def draw(self, recipes: Sequence[Recipe]) -> Tensor:
        """One noise for each image of a batch, [B, ...]: image b by recipes[b].

        Leaves torch's random state as the host's own draw does, for the solvers that use it.
        """
        bases = {seed: self.base(seed) for seed in {recipe.seed for recipe in recipes}}
        return torch.stack([reduce(_move, recipe.moves, bases[recipe.seed][b]) for b, recipe in enumerate(recipes)])


class NoiseSource(HostNoise):
    """Recreates the noise of any recipe within one sampler call, also where the workflow brought its own noise.

    noise: [B, ...], what the sampler was given: candidate 0. seed: the sampler's.
    """

    def __init__(self, noise: Tensor, seed: int, shapes: Shapes):
        super().__init__(shapes, noise.dtype)
        self.given = noise
        self.seed = seed
        self.random_state = torch.get_rng_state()
        self.seeded = self._recognise()

    def recreates(self, recipe: Recipe) -> bool:
        """Not when the workflow brought its own noise and the recipe starts from that."""
        return self.seeded or recipe.seed != self.seed

    def base(self, seed: int) -> Tensor:
        if seed == self.seed and not self.seeded:
            torch.set_rng_state(self.random_state)
            return self.given.cpu()
        return super().base(seed)

    def _recognise(self) -> bool:
        """Whether the given noise is the host's draw from the seed, at the places of a latent's batch_index."""
        given = self.given.cpu()
        try:
            if torch.equal(super().base(self.seed), given):
                return True
            self.places = self._places(given)
            return self.places is not None and torch.equal(super().base(self.seed), given)
        finally:
            torch.set_rng_state(self.random_state)

    def _places(self, given: Tensor) -> list[int] | None:
        single = [(1, *shape[1:]) for shape in self.shapes]
        draws = HostNoise(single, self.dtype, list(range(MOST_PLACES))).base(self.seed)
        found = [next((i for i, draw in enumerate(draws) if torch.equal(draw, item)), None) for item in given]
        places = [place for place in found if place is not None]
        return places if len(places) == len(found) else None


class RecipeNoise:
    """Recipes as an object for the host's NOISE sockets: one for all images of a batch, or one for each.

    title: of the node they come from, in messages.
    """

    def __init__(self, recipes: Sequence[Recipe], title: str = "Replay Noise"):
        self.recipes = recipes
        self.title = title
        self.seed = recipes[0].seed

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        samples = latent["samples"]
        parts = samples.unbind() if samples.is_nested else [samples]
        host = HostNoise([part.shape for part in parts], parts[0].dtype, latent.get("batch_index"))
        noise = host.draw(for_batch(self.recipes, len(parts[0]), self.title))
        if not samples.is_nested:
            return noise
        return comfy.nested_tensor.NestedTensor(comfy.utils.unpack_latents(noise, host.shapes))


def for_batch(recipes: Sequence[Recipe], items: int, title: str) -> Sequence[Recipe]:
    """A recipe for each of `items` images. Raises ValueError when there are several, but not as many."""
    if len(recipes) not in (1, items):
        raise ValueError(
            f"{title}: there are {len(recipes)} recipes for a batch of {items} images. Give one, or one for each image."
        )
    return recipes if len(recipes) == items else [recipes[0]] * items


def _move(noise: Tensor, move: Move) -> Tensor:
    return neighbor(noise, move.cosine, torch.Generator().manual_seed(move.seed))
