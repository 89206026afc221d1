"""Whether candidates can share one sampler call and still come out as each would alone.

A solver may draw noise at its steps, or choose its steps by looking at the whole batch. Nothing it declares tells
how, so it is asked: on a toy problem of a few numbers, with the user's schedule, the host's own model sampling and no
model prediction, do two candidates in one call equal the same two run alone? Solvers of other packs are asked only
where they take their noise from outside, to find out which; whether the candidates then come out right is proven on
the real problem.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import comfy.k_diffusion.sampling as k_diffusion
import comfy.samplers
import torch
from torch import Tensor

from ..host.strangers import is_known

StepNoise = Callable[[Tensor, Tensor], Tensor]
# (candidate's noise [B, ...], its seed, sigmas) -> what the solver would draw for this candidate alone
StepNoiseMaker = Callable[[Tensor, int | None, Tensor], StepNoise]
Seeds = Sequence[int | None]  # as the sampler is given them; of one candidate, one per item of the user's batch

TOY_SIDE = 4
TOLERANCE = 1e-4


def gaussian(noise: Tensor, seed: int | None, sigmas: Tensor) -> StepNoise:
    return k_diffusion.default_noise_sampler(noise, seed=seed)


def brownian_cpu(noise: Tensor, seed: int | None, sigmas: Tensor) -> StepNoise:
    return k_diffusion.BrownianTreeNoiseSampler(noise, *_range(sigmas), seed=seed, cpu=True)


def brownian_device(noise: Tensor, seed: int | None, sigmas: Tensor) -> StepNoise:
    return k_diffusion.BrownianTreeNoiseSampler(noise, *_range(sigmas), seed=seed, cpu=False)


def _range(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    return sigmas[sigmas > 0].min(), sigmas.max()


class RowNoise:
    """A solver's `noise_sampler` that draws every candidate's rows from that candidate's own seed."""

    def __init__(self, make: StepNoiseMaker):
        self.make = make
        self.candidates: list[StepNoise] = []

    def start(self, noises: Sequence[Tensor], seeds: Sequence[Seeds], sigmas: Tensor) -> None:
        self.candidates = [
            _by_item({seed: self.make(noise, seed, sigmas) for seed in own}, own)
            for noise, own in zip(noises, seeds, strict=True)
        ]

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return torch.cat([candidate(sigma, sigma_next) for candidate in self.candidates])


def _by_item(draws: dict[int | None, StepNoise], seeds: Seeds) -> StepNoise:
    """For item b of a batch what the draw of its own seed has there."""

    def draw(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        drawn = {seed: draw(sigma, sigma_next) for seed, draw in draws.items()}
        return torch.stack([drawn[seed][item] for item, seed in enumerate(seeds)])

    return draw


class Shared:
    """How candidates share a call of one sampler: the sampler to call, and the step noise to start before each call."""

    def __init__(self, sampler: comfy.samplers.Sampler, make: StepNoiseMaker | None = None):
        self.step_noise = None if make is None else RowNoise(make)
        self.sampler = sampler if self.step_noise is None else _with_step_noise(sampler, self.step_noise)

    def start(self, noises: Sequence[Tensor], seeds: Sequence[Seeds], sigmas: Tensor) -> None:
        if self.step_noise is not None:
            self.step_noise.start(noises, seeds, sigmas)


def share(
    sampler: comfy.samplers.Sampler, patcher: Any, sigmas: Tensor, ndim: int, masked: bool, seeded: bool = True
) -> Shared | None:
    """How candidates can share calls of this sampler, or None when each has to run alone.

    patcher: the MODEL. sigmas: the schedule [steps + 1]. ndim: dimensions of the latent. masked: with a noise mask.
    seeded: whether the solver is given a seed; else it draws from torch's random state, which is one for all.
    """
    toy = _Toy(patcher, _toy_schedule(sigmas).to(patcher.load_device), ndim, masked, seeded)
    takes = seeded and _takes_step_noise(sampler)
    makers = [None, gaussian, brownian_cpu, brownian_device] if takes else [None]
    if seeded and len(makers) == 1 and not is_known(sampler):
        return Shared(sampler)
    with torch.random.fork_rng():
        try:
            alone = toy.alone(sampler)
            for make in makers:
                if torch.allclose(toy.together(Shared(sampler, make)), alone, rtol=TOLERANCE, atol=TOLERANCE):
                    return Shared(sampler, make)
        except Exception as error:  # it may need a real model; alone it gets one
            logging.info("Noise search: this sampler does not run on a toy problem (%s).", error)
    return None


def _toy_schedule(sigmas: Tensor) -> Tensor:
    """The whole schedule, as a solver may do something at some steps only. At least two: solvers draw no noise at the
    last one, but do when a path is not denoised to its end."""
    return sigmas if len(sigmas) > 2 else torch.stack([sigmas[0], sigmas.mean(), sigmas[1]])


def _takes_step_noise(sampler: comfy.samplers.Sampler) -> bool:
    if not isinstance(sampler, comfy.samplers.KSAMPLER) or "noise_sampler" in sampler.extra_options:
        return False
    return "noise_sampler" in inspect.signature(sampler.sampler_function).parameters


def _with_step_noise(sampler: Any, step_noise: RowNoise) -> comfy.samplers.Sampler:
    sampler = copy.copy(sampler)
    sampler.extra_options = {**sampler.extra_options, "noise_sampler": step_noise}
    return sampler


class _Toy:
    """Two candidates of a few numbers each, and a guider whose prediction is a fixed function of the latent."""

    seeds = (11, 23)

    def __init__(self, patcher: Any, sigmas: Tensor, ndim: int, masked: bool, seeded: bool):
        shape = (1, *[TOY_SIDE] * (ndim - 1))
        draw = torch.Generator().manual_seed(0)
        self.guider = ToyGuider(patcher)
        self.seeded = seeded
        self.sigmas = sigmas
        self.noises = [torch.randn(shape, generator=draw).to(sigmas.device) * scale for scale in (1.0, 1.5)]
        self.latent = torch.full(shape, 0.5, device=sigmas.device)
        self.mask = (torch.rand(shape, generator=draw) > 0.5).float().to(sigmas.device) if masked else None

    def alone(self, sampler: comfy.samplers.Sampler) -> Tensor:
        runs = [self._run(sampler, noise, seed) for noise, seed in zip(self.noises, self.seeds, strict=True)]
        return torch.cat(runs)

    def together(self, shared: Shared) -> Tensor:
        shared.start(self.noises, [[seed] for seed in self.seeds], self.sigmas)
        return self._run(shared.sampler, torch.cat(self.noises), self.seeds[0])

    def _run(self, sampler: Any, noise: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        rows = len(noise)
        latent = self.latent.expand(rows, *self.latent.shape[1:]).clone()
        mask = None if self.mask is None else self.mask.expand_as(latent).clone()
        options = {"transformer_options": {"sample_sigmas": self.sigmas}}
        extra_args = {"model_options": options, "seed": seed if self.seeded else None}
        return sampler.sample(self.guider, self.sigmas.clone(), extra_args, None, noise.clone(), latent, mask, True)


class ToyGuider:
    """Stands where a CFGGuider stands in a sampler call.

    Its prediction is stiff, so that solvers with adaptive steps take different ones for different candidates, and
    couples the pixels of a candidate, so that what happens under a mask reaches the rest.
    """

    cfg = 2.0

    def __init__(self, patcher: Any):
        self.model_patcher = patcher
        self.inner_model = patcher.model

    def __call__(self, x: Tensor, sigma: Tensor, model_options: dict[str, Any], seed: int | None = None) -> Tensor:
        coupled = torch.sin(5 * x + x.flatten(1).mean(1).reshape(-1, *[1] * (x.ndim - 1)))
        cond, uncond = 0.5 * coupled, 0.4 * coupled
        return comfy.samplers.cfg_function(self.inner_model, cond, uncond, self.cfg, x, sigma, model_options)
