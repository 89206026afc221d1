"""Noises of recipes, for the latent a sampler was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import comfy.nested_tensor
import comfy.utils
import torch
from torch import Tensor

from ..methods.noise import neighbor, toward
from ..records.recipe import KINDS, PLAIN, WORKFLOW, Move, Recipe
from .draws import Draw, HostDraw, ImageDraw, ObjectDraw, RandomState, Shapes, ask, drawn, find_places

NO_SEED = (
    "No seed gives the images of candidates after number 0 in this workflow: its noise is not ComfyUI's own draw from "
    "the sampler's seed. Use Replay Noise with the recipe."
)
CONNECT = (
    "Where the noise comes out of a node, connect that to the search node as well: candidates are then of its kind."
)


class HostNoise:
    """The noise of any recipe. shapes: the latent's, batch first; more than one for a packed latent (video with audio).

    draws: how a seed becomes noise, by the kind of a recipe. note: a sentence that people need beside the recipes.
    """

    note = ""

    def __init__(self, shapes: Shapes, draws: Mapping[str, Callable[[int], Tensor]]):
        self.shapes = [tuple(shape) for shape in shapes]
        self.draws = draws

    @property
    def items(self) -> int:
        """Images in the user's batch, each an independent problem."""
        return self.shapes[0][0]

    def told(self, recipe: Recipe, image: int) -> Recipe | None:
        """The recipe as people need it for this image; None when none gives the same noise anywhere."""
        return recipe

    def draw(self, recipes: Sequence[Recipe]) -> Tensor:
        """One noise for each image of a batch, [B, ...]: image b by recipes[b].

        Leaves torch's random state as the draw itself does, for the solvers that use it.
        """
        bases = {start: self.base(*start) for start in {(recipe.kind, recipe.seed) for recipe in recipes}}
        return torch.stack(
            [self._moved(bases[recipe.kind, recipe.seed][b], recipe, b) for b, recipe in enumerate(recipes)]
        )

    def base(self, kind: str, seed: int) -> Tensor:
        """What a sampler with this seed starts from, [B, ...]."""
        return self.draws[kind](seed)

    def _moved(self, noise: Tensor, recipe: Recipe, image: int) -> Tensor:
        draw = self.draws[recipe.kind]

        def move(noise: Tensor, step: Move) -> Tensor:
            if isinstance(draw, ObjectDraw):  # towards another noise of that kind
                return toward(noise, step.cosine, draw(step.seed)[image])
            return neighbor(noise, step.cosine, torch.Generator().manual_seed(step.seed))

        return reduce(move, recipe.moves, noise)


class NoiseSource(HostNoise):
    """Recreates the noise of any recipe within one sampler call, also where the workflow brought its own noise.

    given: [B, ...], what the sampler was given: candidate 0. seed: the sampler's. latent: what it works on, for the
    NOISE object that people have connected to the search, if they have.

    seeded: whether another seed gives another noise of the same kind. kind: of its recipes, where it is not ComfyUI's
    own draw. differs: of each image, whether a stock sampler would start from another noise.
    """

    def __init__(
        self, given: Tensor, seed: int, shapes: Shapes, latent: dict[str, Any] | None = None, noise: Any = None
    ):
        self.given = given.cpu()
        self.seed = seed
        self.noise = noise
        self.random_state = RandomState()
        stock = HostDraw([tuple(shape) for shape in shapes], given.dtype)
        try:
            found = _recognise(self.given, seed, stock, latent, noise)
            is_object = isinstance(found, ObjectDraw)  # of which one seed tells nothing about others
            self.differs = [is_object or not torch.equal(*pair) for pair in zip(stock(seed), self.given, strict=True)]
        finally:
            self.random_state.restore()
        self.seeded = not isinstance(found, str)
        own: Draw = stock if isinstance(found, str) else found
        others = replay_draws(shapes, given.dtype, None, latent or {}, noise)
        super().__init__(shapes, others | {"": own})
        self.kind = own.kind
        self.places = own.places if isinstance(own, HostDraw) else None
        self.note = f"{NO_SEED} {found}" if isinstance(found, str) else ""

    @property
    def name(self) -> str:
        """Of how it draws, where that is not a stock sampler's way for a whole batch."""
        return self.kind or (f"places {self.places}" if self.places else "")

    def told(self, recipe: Recipe, image: int) -> Recipe | None:
        if recipe.kind:  # as it was given
            return recipe
        if self.seeded:
            return recipe._replace(kind=self.kind) if self.differs[image] else recipe
        if recipe.seed != self.seed:
            return recipe._replace(kind=PLAIN)
        return recipe._replace(kind=WORKFLOW) if recipe.moves or recipe.path else None

    def meant(self, recipe: Recipe, image: int) -> Recipe:
        """Of a recipe as told for this image, the one by which those beside it start as they do here, too."""
        is_alike = self.seeded and not recipe.kind and not self.differs[image]
        return recipe._replace(kind=self.kind) if is_alike else recipe

    def taken(self, recipe: Recipe, title: str) -> Recipe:
        """The recipe as it is told for the only image of a batch, as candidates of this search are. Raises ValueError
        where this workflow has not the noise that it starts from."""
        if recipe.kind == WORKFLOW:
            check_workflow_seed(recipe.seed, self.seed, title)
            return recipe._replace(kind="")
        own = self.kind if self.seeded and self.differs[0] else ""
        if recipe.kind == own and (self.seeded or recipe.seed != self.seed):
            return recipe._replace(kind="")
        check_kinds([recipe], self.noise, title)
        return recipe._replace(kind=recipe.kind or PLAIN)

    def base(self, kind: str, seed: int) -> Tensor:
        if seed == self.seed and not self.seeded and not kind:
            self.random_state.restore()
            return self.given
        return super().base(kind, seed)


def _recognise(
    given: Tensor, seed: int, stock: HostDraw, latent: dict[str, Any] | None, noise: Any
) -> HostDraw | ImageDraw | ObjectDraw | str:
    """How the noise was drawn from the seed; what to say to people when that is not known."""
    plain: list[HostDraw | ImageDraw] = [stock]
    if len(given) > 1:
        plain += [ImageDraw(stock.shapes, stock.dtype, step) for step in (1, 0)]
    for draw in plain:
        if torch.equal(draw(seed), given):
            return draw
    asked = CONNECT if noise is None or latent is None else ask(noise, given, seed, latent)
    if isinstance(asked, ObjectDraw):
        return asked
    places = find_places(given, seed, stock.shapes, stock.dtype)
    taken = HostDraw(stock.shapes, stock.dtype, places)
    if places is not None and torch.equal(taken(seed), given):
        return taken
    return asked if noise is None else f"The noise that is connected to the search does not help: {asked}."


class RecipeNoise:
    """Recipes as an object for the host's NOISE sockets: one for all images of a batch, or one for each.

    title: of the node they come from, in messages. noise: the NOISE object of the workflow that the recipes come from.
    """

    def __init__(self, recipes: Sequence[Recipe], title: str = "Replay Noise", noise: Any = None):
        check_kinds(recipes, noise, title)
        self.recipes = recipes
        self.title = title
        self.noise = noise
        self.seed = recipes[0].seed

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        samples = latent["samples"]
        parts = samples.unbind() if samples.is_nested else [samples]
        shapes, dtype, places = [part.shape for part in parts], parts[0].dtype, latent.get("batch_index")
        wanted = for_batch(self.recipes, len(parts[0]), self.title)
        host = HostNoise(
            shapes, replay_draws(shapes, dtype, places, latent, self.noise) | {WORKFLOW: self._workflow(latent)}
        )
        noise = host.draw(wanted)
        if not samples.is_nested:
            return noise
        return comfy.nested_tensor.NestedTensor(comfy.utils.unpack_latents(noise, host.shapes))

    def _workflow(self, latent: dict[str, Any]) -> Callable[[int], Tensor]:
        def draw(seed: int) -> Tensor:
            if self.noise is None:
                raise ValueError(f"{self.title}: {_connect(WORKFLOW)}")
            return drawn(self.noise, latent)

        return draw


def replay_draws(
    shapes: Shapes, dtype: torch.dtype, places: list[int] | None, latent: dict[str, Any], noise: Any
) -> dict[str, Callable[[int], Tensor]]:
    """The draws of every kind of recipe that does not start from the workflow's own noise."""
    draws: list[Draw] = [HostDraw(shapes, dtype, places), HostDraw(shapes, dtype, None, PLAIN)]
    draws += [
        ImageDraw(shapes, dtype),
        ImageDraw(shapes, dtype, 0),
        *([] if noise is None else [ObjectDraw(noise, latent)]),
    ]
    return {draw.kind: draw for draw in draws}


def check_workflow_seed(wanted: int, seed: int, title: str) -> None:
    """Raises ValueError when the workflow's own noise is for another seed. seed: the sampler's."""
    if wanted != seed:
        raise ValueError(
            f"{title}: the recipe goes on from the workflow's own noise for the seed {wanted}. Set the sampler back to "
            f"that seed, from {seed}."
        )


def check_kinds(recipes: Sequence[Recipe], noise: Any, title: str) -> None:
    """Raises ValueError when a recipe's noise is that of a NOISE object, and it is not this one."""
    for kind in {recipe.kind for recipe in recipes}.difference(KINDS):
        if noise is None:
            raise ValueError(f"{title}: {_connect(kind)}")
        if type(noise).__name__ != kind:
            raise ValueError(
                f"{title}: the recipe's noise is of the kind {kind}, and what is connected to `noise` is "
                f"{type(noise).__name__}. Connect the node that the search had."
            )


def _connect(kind: str) -> str:
    return (
        f"the recipe's noise is of the kind {kind}, which ComfyUI does not draw. Connect the node that gave the "
        "sampler its noise to the input `noise`."
    )


def for_batch(recipes: Sequence[Recipe], items: int, title: str) -> Sequence[Recipe]:
    """A recipe for each of `items` images. Raises ValueError when there are several, but not as many."""
    if len(recipes) not in (1, items):
        raise ValueError(
            f"{title}: there are {len(recipes)} recipes for a batch of {items} images. Give one, or one for each image."
        )
    return recipes if len(recipes) == items else [recipes[0]] * items
