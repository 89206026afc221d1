"""How a seed becomes the noise of a batch: ComfyUI's own draw, a seed for each image, or a NOISE object of any pack."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, Protocol

import comfy.model_management
import comfy.nested_tensor
import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ..records.recipe import ONE_FOR_ALL, ONE_PER_IMAGE

MOST_PLACES = 4096  # how far to look for a latent's place in the batch it was taken from, where that is not too much:
MOST_NUMBERS = 2**29  # two to six seconds
SURE_PLACES = 64  # of any size
SEEDS = 2**64
Shapes = Sequence[Sequence[int]]


class RandomState:
    """torch's own, from which solvers draw that are given no seed."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.gpus:
            torch.cuda.set_rng_state_all(self.gpus)


class Draw(Protocol):
    """Noise [B, ...] of a seed, on the CPU. kind: what a recipe calls it, see Recipe."""

    @property
    def kind(self) -> str: ...

    def __call__(self, seed: int) -> Tensor: ...


@dataclass(frozen=True)
class HostDraw:
    """As a stock sampler draws it; leaves torch's random state as that does.

    shapes: the latent's, batch first; more than one for a packed latent (video with audio).
    places: the latent's batch_index, when it was taken from a larger batch.
    """

    shapes: Shapes
    dtype: torch.dtype
    places: list[int] | None = None
    kind: str = ""

    def __call__(self, seed: int) -> Tensor:
        empty = [torch.zeros(*shape, dtype=self.dtype) for shape in self.shapes]
        if len(empty) == 1:
            noise: Any = comfy.sample.prepare_noise(empty[0], seed, self.places)
            return noise
        nested = comfy.sample.prepare_noise(comfy.nested_tensor.NestedTensor(empty), seed, self.places)
        return _packed(nested)


@dataclass(frozen=True)
class ImageDraw:
    """Each image as the only one of a batch: image b from seed + b, or, with step 0, all from the seed."""

    shapes: Shapes
    dtype: torch.dtype
    step: int = 1

    @property
    def kind(self) -> str:
        return ONE_PER_IMAGE if self.step else ONE_FOR_ALL

    def __call__(self, seed: int) -> Tensor:
        single = HostDraw([(1, *shape[1:]) for shape in self.shapes], self.dtype)
        return torch.cat([single((seed + item * self.step) % SEEDS) for item in range(self.shapes[0][0])])


@dataclass(frozen=True)
class ObjectDraw:
    """A copy of a NOISE object with another seed. latent: as the object is given it, with `samples`."""

    noise: Any
    latent: dict[str, Any]

    @property
    def kind(self) -> str:
        return type(self.noise).__name__

    def __call__(self, seed: int) -> Tensor:
        return drawn(_with_seed(self.noise, seed), self.latent)


def _with_seed(noise: Any, seed: int) -> Any:
    """A copy; of a frozen dataclass and of a tuple with names as well."""
    if hasattr(noise, "_replace"):
        return noise._replace(seed=seed)
    seeded = copy.copy(noise)
    try:
        seeded.seed = seed
    except FrozenInstanceError:
        object.__setattr__(seeded, "seed", seed)
    return seeded


def drawn(noise: Any, latent: dict[str, Any]) -> Tensor:
    """What a NOISE object gives for a latent, as samplers see it: [B, ...], parts of it packed, on the CPU."""
    samples = latent["samples"]
    if samples.is_nested:
        samples = comfy.nested_tensor.NestedTensor([part.clone() for part in samples.unbind()])
    else:
        samples = samples.clone()
    return _packed(noise.generate_noise({**latent, "samples": samples})).cpu()


def ask(noise: Any, given: Tensor, seed: int, latent: dict[str, Any]) -> ObjectDraw | str:
    """The object's draw, if it can be asked for other seeds; else why not, for a message.

    given: what the sampler was given for its seed, [B, ...] on the CPU.
    """
    name, draw = type(noise).__name__, ObjectDraw(noise, latent)
    if not hasattr(noise, "seed"):
        return f"{name} has no seed"
    try:
        same, other, again = (draw(each) for each in (seed, (seed + 1) % SEEDS, seed))
    except Exception as error:  # whatever another pack's code makes of a seed
        return f"{name} can not be asked for another seed ({type(error).__name__}: {error})"
    if not torch.equal(same, given):
        return f"{name}, asked again, gives another noise than the sampler was given"
    if not torch.equal(again, given):
        return f"{name} gives another noise each time it is asked"
    if torch.equal(other, given) or other.shape != given.shape:
        return f"the seed of {name} does not decide its noise"
    return draw


def find_places(given: Tensor, seed: int, shapes: Shapes, dtype: torch.dtype) -> list[int] | None:
    """Where the images of a batch were in the large one they were taken from; None when that is not found.

    given: [B, ...] on the CPU. ComfyUI draws a batch image by image, so one at a time is held here.
    """
    shape = (1, *shapes[0][1:])
    size = math.prod(shape)
    first = given.flatten(1)[:, :size]
    generator = torch.Generator().manual_seed(seed)
    found: dict[int, int] = {}
    for place in range(min(MOST_PLACES, max(SURE_PLACES, MOST_NUMBERS // size))):
        comfy.model_management.throw_exception_if_processing_interrupted()
        image = torch.randn(shape, generator=generator).to(dtype).flatten()
        for item in (first[:, 0] == image[0]).nonzero().flatten().tolist():
            if torch.equal(first[item], image):
                found[item] = place
        if len(found) == len(first):
            return [found[item] for item in range(len(first))]
    return None


def latent_of(samples: Tensor, shapes: Shapes) -> dict[str, Any]:
    """A latent for NOISE objects. samples: [B, ...], packed if there are several shapes."""
    if len(shapes) == 1:
        return {"samples": samples}
    return {"samples": comfy.nested_tensor.NestedTensor(comfy.utils.unpack_latents(samples, shapes))}


def _packed(noise: Any) -> Tensor:
    return comfy.utils.pack_latents(noise.unbind())[0] if noise.is_nested else noise
