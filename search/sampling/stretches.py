"""Parts of a trajectory: from noise to a level, up and down again from a latent at a level, from there to the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..records.recipe import Recipe
from .levels import Levels
from .source import HostNoise

FINISH_SEED = 0  # for step noise on the last stretch; the same for all, so that a recipe replays alone


def step_seed(recipe: Recipe) -> int:
    """The seed of a stochastic solver's noise on the recipe's last stretch."""
    if recipe.path is None:
        return recipe.seed
    if recipe.is_turned:
        return recipe.along.turns[-1].seed
    return FINISH_SEED if recipe.path.finished else recipe.seed


class Stretches:
    """The last stretch of each recipe, and the latents at levels, from which the recipes of the next round go on. When
    people have seen enough, the best goes on, be it of the round that is running.

    sigmas: the user's schedule [steps + 1]. sampling: the MODEL's model_sampling.
    """

    def __init__(self, sigmas: Tensor, sampling: Any):
        self.sigmas = sigmas.double().cpu()
        self.levels = Levels(sampling)
        self._now: dict[tuple[int, Recipe], Tensor] = {}
        self._next: dict[tuple[int, Recipe], Tensor] = {}

    def next_round(self) -> None:
        """Forget the latents of the round before last."""
        self._now, self._next = self._next, {}

    def schedule(self, recipe: Recipe, sigmas: Tensor) -> Tensor:
        """The sigmas of the recipe's last stretch; `sigmas` is the whole schedule, as the sampler was given it."""
        path = recipe.path
        if path is None:
            return sigmas
        if recipe.is_turned:
            top, bottom = self._up(recipe), self._sigma(path.level)
        elif path.finished:
            top, bottom = self.levels.sigma(path.level), float(self.sigmas[-1])
        else:
            top, bottom = float(self.sigmas[0]), self.levels.sigma(path.level)
        if bottom >= top:
            raise ValueError(
                f"Path Search: this sampler starts at noise level {self.levels.level(top):.2f}, so the search has "
                f"nothing to denoise to level {self.levels.level(bottom):.2f}. Choose a smaller start, or more denoise."
            )
        return self.levels.schedule(sigmas, top, bottom)

    def start(self, recipes: Sequence[Recipe], source: HostNoise, like: Tensor, image: Tensor, full: bool) -> Tensor:
        """What the host's sampler is given as noise [B, ...] so that it starts where the recipes' last stretch does.

        like: for device and dtype. image: the latent image [B, ...] in model space. full: see Levels.as_noise.
        """
        torch.manual_seed(step_seed(recipes[0]))
        if recipes[0].before() is None:
            return source.draw(recipes).to(like)
        x = torch.stack([self._from(item, recipe) for item, recipe in enumerate(recipes)]).to(like)
        return self.levels.as_noise(x, self.schedule(recipes[0], self.sigmas)[0].to(like), image, full)

    def keep(self, recipes: Sequence[Recipe], samples: Tensor, sigma: Tensor, like: Tensor) -> None:
        """Remember where open recipes have ended. samples: [B, ...], as the host's sampler returns them.

        Raises ValueError when they have another size than the latent that the sampler was given.
        """
        if samples.shape != like.shape:
            raise ValueError(
                "Path Search: this sampler changes the size of the latent on its way, so a path can not turn back from "
                "there. Use Random Search, or a sampler that keeps the size."
            )
        held = self.levels.unscaled(samples, sigma).float().cpu()
        for item, recipe in enumerate(recipes):
            self._next[item, recipe] = held[item]

    def give(self, item: int, recipe: Recipe, samples: Tensor) -> None:
        """Candidates of this round go on from this image. samples: [...], as the host's sampler returns them."""
        self._now[item, recipe] = self.levels.unscaled(samples[None], self.sigmas[-1]).float().cpu()[0]

    def held(self, item: int, recipe: Recipe) -> Tensor | None:
        """Where an image's recipe has ended, if candidates of this round may go on from there."""
        return (self._now | self._next).get((item, recipe))

    def hold(self, item: int, recipe: Recipe, end: Tensor) -> None:
        """Candidates of this round go on from here. end: as it was held elsewhere."""
        self._now[item, recipe] = end

    def levels_of_schedule(self) -> tuple[float, ...]:
        """Of each of the user's sigmas [steps + 1]."""
        return tuple(self.levels.level(float(sigma)) for sigma in self.sigmas)

    def _from(self, item: int, recipe: Recipe) -> Tensor:
        """The latent at the top of the recipe's last stretch."""
        before = recipe.before()
        if before is None:
            raise ValueError(f"{recipe} starts from noise.")
        x = (self._now | self._next)[item, before]
        if not recipe.is_turned:
            return x
        draw = torch.Generator().manual_seed(recipe.along.turns[-1].seed)
        noise = torch.randn(x.shape, generator=draw)
        low = self._sigma(before.level)
        return self.levels.noised(x, low, self._up(recipe), noise)

    def _sigma(self, level: float) -> float:
        """Where the level is; 0 is the end of the schedule, wherever that is."""
        return self.levels.sigma(level) if level > 0 else float(self.sigmas[-1])

    def _up(self, recipe: Recipe) -> float:
        """The sigma a turn is noised up to: at most where the sampler starts."""
        return min(self.levels.sigma(recipe.along.turns[-1].up), float(self.sigmas[0]))
