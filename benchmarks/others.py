"""Methods of other people, as references: no node has them. Each spends whole trajectories, and counts its own NFE.

cma_es: CMA-ES, by its authors' package, over the low band of the start noise: the means of blocks of 16 x 16 pixels,
scaled so that noise has standard normal ones. The rest of the noise stays, and the norm of the band is kept, as noise
of another norm is none. Populations of four; the first candidate is the image without search.

fk_glass: Feynman-Kac steering (Singhal et al. 2025, arXiv 2501.06848) on a flow model. Particles are resampled by
exp(lambda z), z the standardised score of their x0 predictions, systematically; copies part because they take a random
step and not one of the ODE. That step is GLASS (Holderrieth et al., ICLR 2026): x_s is drawn from p(x_s | x_t) by an
inner flow of the same network. With x_t = (1 - t) z + t e_t, x_s alike and corr(e_t, e_s) = rho,

    x_s | x_t, z  ~  N(gamma x_t + a z, (s sqrt(1 - rho^2))^2),  gamma = rho s / t,  a = (1 - s) - gamma (1 - t)    (1)

and y_u = u a z + b_u n goes from noise n (b_0 = 1) to that. x_t and y_u are two independent sights of z, so its mean
given both is the network's prediction at the level where one sight is worth as much:

    lambda = ((1 - t) / t)^2 + (u a / b_u)^2,  t* = 1 / (1 + sqrt(lambda)),
    x* = (1 - t*) ((1 - t) x_t / t^2 + u a y_u / b_u^2) / lambda                                                  (2)

At u = 0 that is the prediction at x_t itself, which is what particles are scored by: it is made once.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from demo_bench import SCHEDULER, SIZE, Bench, noise
from torch import Tensor

BAND = 4  # blocks along a side, of each channel
POPULATION = 4
RESAMPLED_AFTER = (0.3, 0.5, 0.7)  # of the steps
LAMBDA, RHO = 2.0, 0.4

Score = Callable[[Tensor], Tensor]  # latents [B, C, H, W] -> [B]


def cma_es(bench: Bench, verifier: Any, caption: Any, seed: int, budget: int) -> tuple[Tensor, int]:
    """The best latent and the NFE."""
    from cmaes import SepCMA

    start = noise(seed)
    own = _band(start)
    search = SepCMA(np.zeros(own.numel()), 1.0, seed=seed % 2**32, population_size=POPULATION)
    found: list[tuple[float, Tensor]] = []
    while len(found) < budget:
        count = min(POPULATION, budget - len(found))
        asked = [search.ask() for _ in range(count)]
        if not found:
            asked[0] = own.numpy().ravel()
        starts = [start + _spread(_of_norm(torch.from_numpy(each).float(), own) - own) for each in asked]
        latents = bench.drawn([caption] * count, torch.cat(starts), seed)
        scores = verifier.score(bench.vae.decode(latents), [str(caption)] * count).tolist()
        found += zip(scores, latents.split(1), strict=True)
        if count == POPULATION:
            search.tell([(each, -score) for each, score in zip(asked, scores, strict=True)])
    return max(found, key=lambda one: one[0])[1], budget * bench.steps


def _band(start: Tensor) -> Tensor:
    """[1, C, BAND, BAND], standard normal where the noise is."""
    block = SIZE // BAND
    return torch.nn.functional.avg_pool2d(start, block) * block


def _spread(band: Tensor) -> Tensor:
    block = SIZE // BAND
    return band.repeat_interleave(block, -1).repeat_interleave(block, -2) / block


def _of_norm(band: Tensor, own: Tensor) -> Tensor:
    band = band.reshape(own.shape)
    return band * (own.norm() / band.norm())


def fk_glass(bench: Bench, verifier: Any, caption: Any, seed: int, budget: int) -> tuple[Tensor, int]:
    """The best latent and the NFE. As many particles as trajectories."""
    samplers, host = (importlib.import_module(f"comfy.{name}") for name in ("samplers", "sample"))
    inner = bench.model.model

    def score(latents: Tensor) -> Tensor:
        images = bench.vae.decode(inner.process_latent_out(latents))
        return verifier.score(images, [str(caption)] * len(images))

    made = Particles(score, torch.Generator().manual_seed(seed))
    sigmas = samplers.calculate_sigmas(inner.model_sampling, SCHEDULER, bench.steps)
    start = torch.cat([noise(seed + index) for index in range(budget)])
    texts = bench.encoded(str(caption))[0][0].repeat(budget, 1, 1)
    latents = host.sample_custom(
        bench.model, start, bench.cfg, samplers.KSAMPLER(made), sigmas, [[texts, {}]], bench.empty,
        torch.zeros_like(start), disable_pbar=True, seed=seed,
    )  # fmt: skip
    scores = verifier.score(bench.vae.decode(latents), [str(caption)] * budget)
    return latents[scores.argmax()][None], made.nfe


class Particles:
    """A sampler of ComfyUI: all rows are particles of one caption. nfe: predictions, of one row each."""

    def __init__(self, score: Score, random: torch.Generator):
        self.score, self.random, self.nfe = score, random, 0

    def __call__(self, model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
        def predict(latents: Tensor, level: float) -> Tensor:
            self.nfe += len(latents)
            return model(latents, latents.new_full((len(latents),), level), **extra_args)

        levels, steps = sigmas.tolist(), len(sigmas) - 1
        cuts = [round(share * steps) for share in RESAMPLED_AFTER]
        for at in range(cuts[0]):
            x = _toward(x, predict(x, levels[at]), levels[at], levels[at + 1])
        for begin, end in itertools.pairwise(cuts):
            clean = predict(x, levels[begin])
            chosen = self._resampled(clean)
            x = self._glass(predict, x[chosen], clean[chosen], levels[begin], levels[end], end - begin)
        clean = predict(x, levels[cuts[-1]])
        chosen = self._resampled(clean)
        x = _toward(x[chosen], clean[chosen], levels[cuts[-1]], levels[cuts[-1] + 1])
        for at in range(cuts[-1] + 1, steps):
            x = _toward(x, predict(x, levels[at]), levels[at], levels[at + 1])
        return x

    def _resampled(self, clean: Tensor) -> Tensor:
        scores = self.score(clean).double()
        weights = (LAMBDA * (scores - scores.mean()) / (scores.std() + 1e-9)).softmax(0)
        marks = (torch.rand(1, generator=self.random) + torch.arange(len(scores))) / len(scores)
        return torch.searchsorted(weights.cumsum(0), marks.double()).clamp(max=len(scores) - 1)

    def _glass(
        self, predict: Callable[[Tensor, float], Tensor], x: Tensor, clean: Tensor, t: float, s: float, steps: int
    ) -> Tensor:
        """x_s given x_t. clean: the prediction at x_t."""
        gamma = RHO * s / t
        a = (1 - s) - gamma * (1 - t)
        width = s * (1 - RHO**2) ** 0.5
        y = torch.randn(x.shape, generator=self.random)
        for step in range(steps):
            u, later = step / steps, (step + 1) / steps
            b, b_later = (1 - at + at * width for at in (u, later))
            if step:
                worth = ((1 - t) / t) ** 2 + (u * a / b) ** 2
                level = 1 / (1 + worth**0.5)
                clean = predict((1 - level) * ((1 - t) * x / t**2 + u * a * y / b**2) / worth, level)
            y = later * a * clean + b_later * (y - u * a * clean) / b
        return gamma * x + y


def _toward(x: Tensor, clean: Tensor, level: float, following: float) -> Tensor:
    """An euler step."""
    return clean + (x - clean) * (following / level)
