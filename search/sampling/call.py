"""One call of the user's sampler, and what comes of the candidates that go through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import comfy.samplers
from torch import Tensor

from .wordings import Wordings


class Solving(Protocol):
    """What runs where the host calls the user's solver (SAMPLER_SAMPLE)."""

    def __call__(self, executor: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor: ...


class Predicting(Protocol):
    """What runs where the host calls the model (PREDICT_NOISE)."""

    def __call__(
        self, executor: Callable[..., Tensor], x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: Any
    ) -> Tensor: ...


def untouched(executor: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """What the host would have run."""
    return executor(*args, **kwargs)


class Hooks:
    """Where rows of candidates take over inside a sampler call; outside of one nothing does."""

    def __init__(self) -> None:
        self.solving: Solving = untouched
        self.predicting: Predicting = untouched

    @contextmanager
    def taken(self, solving: Solving, predicting: Predicting) -> Iterator[None]:
        before = self.solving, self.predicting
        self.solving, self.predicting = solving, predicting
        try:
            yield
        finally:
            self.solving, self.predicting = before


@dataclass(frozen=True)
class SamplerCall:
    """What the OUTER_SAMPLE wrapper is given: one call of the user's sampler.

    seed: as recipes have it, 0 to 2^64 - 1. given_seed: as the sampler was given it; None for solvers that draw on from
    torch's random state. wordings: that its candidates may be drawn with beside its own.
    """

    executor: Callable[..., Tensor]
    guider: comfy.samplers.CFGGuider
    noise: Tensor
    latent_image: Tensor
    sampler: comfy.samplers.Sampler
    sigmas: Tensor
    denoise_mask: Tensor | None
    callback: Callable[..., None] | None
    disable_pbar: bool
    seed: int
    given_seed: int | None
    extra: dict[str, Any] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    wordings: Wordings | None = None

    def passed(self, seed: int) -> int | None:
        """What the sampler is given for a recipe's seed."""
        return self.given_seed if self.given_seed is None or seed == self.seed else seed

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def shapes(self) -> list[Any]:
        """The latent's, batch first; several for a packed latent (video with audio)."""
        return self.extra.get("latent_shapes") or [self.latent_image.shape]


@dataclass(frozen=True)
class Finished:
    """What came of the candidates of one call.

    latents, x0: [candidates, B, ...] on the CPU; latents as the sampler node gives them out, x0 in model space: the
    last prediction of the clean latent. nfe: denoiser predictions [candidates][B]. steps: the solver's, for each;
    work: those of all candidates together, without the steps of the ones that were cut. predictions: as x0, the one of
    the last step at each level that was asked for or above it, or of the first step. given_up: whether they were left
    on the way, because people had seen enough. beside: predictions [..][B] of no candidate's, made for a proof.
    way: x0 and x at each step, [candidates, B, ...] on the CPU, where somebody wants to hear them.
    """

    latents: Tensor
    x0: Tensor
    nfe: list[list[int]]
    steps: int
    work: int
    predictions: dict[float, Tensor]
    given_up: bool = False
    beside: list[list[int]] = field(default_factory=list)
    way: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.latents)
