"""Search over paths (Ma et al. 2025, arXiv 2501.09732, section 3.3)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar

from ..records.recipe import Path, Recipe
from .base import Algorithm, Enough, Method, Start
from .checks import SettingError, at_least
from .noise import candidate_seed

TURN_SEEDS = 2**32
CLEAN = 1e-6  # a level below this is a finished image


@dataclass(frozen=True)
class PathSearch(Method):
    """Levels are flow time: 1 is noise and 0 the image."""

    name: ClassVar[str] = "paths"
    needs_noise: ClassVar[bool] = True
    in_loops: ClassVar[bool] = False

    paths: int
    branches: int
    start: float
    forward: float
    backward: float

    def __post_init__(self) -> None:
        at_least(paths=(self.paths, 1), branches=(self.branches, 1))
        for name, level in (("start", self.start), ("forward", self.forward), ("backward", self.backward)):
            if not 0 < level < 1:
                raise SettingError(f"{name} is {level}, but a level lies between 0 (image) and 1 (noise).")
        if self.backward <= self.forward:
            raise SettingError(
                f"backward ({self.backward}) has to be more than forward ({self.forward}); otherwise every turn would "
                "end as noisy as it began, and the search would never reach an image."
            )
        if self.start + self.forward > 1:
            raise SettingError(
                f"start ({self.start}) and forward ({self.forward}) together are more than 1, which is pure noise. "
                "Start later or noise less."
            )

    @property
    def trajectories(self) -> float:
        return cost(*astuple(self))

    def begin(self, start: Start) -> Algorithm:
        return path_search(start.seed, *astuple(self), fill=start.images > 1)


def path_search(
    seed: int, paths: int, branches: int, start: float, forward: float, backward: float, fill: bool = False
) -> Algorithm:
    """Denoise `paths` noises to level `start`; then, turn by turn, noise each of them `branches` times by `forward`,
    denoise by `backward`, and keep the best `paths` by their x0 predictions; finish those, and keep the best.

    Levels are flow time, 1 is noise and 0 the image. Candidate 0 is the image without search, run to its end first.
    Nothing goes on from a latent that failed. fill: ask for as many all the same, see _best.
    """
    yield [Recipe(seed)]
    asked, kept = [Recipe(seed)], []
    around = [Recipe(candidate_seed(seed, index), path=Path(start)) for index in range(paths)]
    rng = random.Random(seed)
    try:
        for turn in [*turns(start, forward, backward), None]:
            asked += around
            scores = yield around
            kept = _best(around, scores[-len(around) :], paths, fill)
            if not kept:
                return
            if turn is not None:
                around = [recipe.turned(rng.randrange(TURN_SEEDS), *turn) for recipe in kept for _ in range(branches)]
    except Enough as enough:
        kept = _furthest(kept[:1], around, dict(zip(asked, enough.scores)), fill)
        if not kept:
            return
    yield [recipe.finished() for recipe in kept]


def _furthest(
    kept: Sequence[Recipe], around: Sequence[Recipe], known: Mapping[Recipe, float], fill: bool
) -> list[Recipe]:
    """The best of those that have a score, be it of the round that is running. fill: images of a batch finish from the
    same level, which is that of the round where it has scores."""
    before, now = ([recipe for recipe in some if recipe in known] for some in (kept, around))
    going = (now or before) if fill else [*before, *now]
    return _best(going, [known[recipe] for recipe in going], 1, fill) if going else []


def turns(start: float, forward: float, backward: float) -> list[tuple[float, float]]:
    """The levels (up, down) of each turn, until the image would be clean."""
    levels: list[tuple[float, float]] = []
    level = start
    while level + forward - backward > CLEAN:
        levels.append((level + forward, level + forward - backward))
        level = levels[-1][1]
    return levels


def cost(paths: int, branches: int, start: float, forward: float, backward: float) -> float:
    """Trajectories' worth of denoising, the one without search included."""
    levels = turns(start, forward, backward)
    last = levels[-1][1] if levels else start
    return 1 + paths * (1 - start) + len(levels) * paths * branches * backward + paths * last


def _best(recipes: Sequence[Recipe], scores: Sequence[float], count: int, fill: bool = False) -> list[Recipe]:
    """The highest scores first; of equal ones the earlier; none that failed.

    fill: as many as there would be if none had failed, the sound ones several times; only where there is none of those,
    the failed ones. Other images of a batch, searched side by side, go on with as many.
    """
    order = sorted(range(len(recipes)), key=lambda index: -scores[index])[:count]
    sound = [recipes[index] for index in order if scores[index] > -math.inf]
    if not fill:
        return sound
    from_these = sound or [recipes[index] for index in order]
    return [from_these[at % len(from_these)] for at in range(len(order))]
