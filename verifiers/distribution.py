"""The paper's oracles for class-conditional models (Ma et al. 2025, figure 3): how an image changes the FID of a set,
and what it contributes to the Inception Score. Both look at the benchmark: an upper bound, not a judge of quality.

FID: Heusel et al. 2017. Inception Score: Salimans et al. 2016.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from . import files
from .files import Known
from .inception import Inception
from .managed import Managed

KNOWN = (
    Known(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
    ),
)
FID, INCEPTION_SCORE = "FID", "Inception Score"
METHODS = (FID, INCEPTION_SCORE)
CHUNK = 8
MEMORY_PER_IMAGE = 64 * 1024 * 1024


class Statistics(NamedTuple):
    """Mean [D] and covariance [D, D] of features, float64."""

    mean: Tensor
    covariance: Tensor


def statistics(features: Tensor) -> Statistics:
    """Of features [N, D]."""
    if len(features) < 2:
        raise ValueError("Reference statistics need at least 2 images.")
    features = features.double()
    centered = features - features.mean(0)
    return Statistics(features.mean(0), centered.T @ centered / (len(features) - 1))


def frechet_distance(features: Tensor, reference: Statistics) -> float:
    """FID of the set with these features [N, D], N at least 2.

    |m - m_r|^2 + tr(C) + tr(C_r) - 2 tr((C_r C)^1/2). With C = X^T X / (N - 1), X the centered features, the last trace
    is that of (X C_r X^T / (N - 1))^1/2, which is [N, N]; for N > D the [D, D] form is smaller.
    """
    features = features.double()
    count, mean = len(features), features.mean(0)
    centered = features - mean
    if count <= features.shape[1]:
        product = centered @ reference.covariance @ centered.T / (count - 1)
    else:
        root = _root(reference.covariance)
        product = root @ (centered.T @ centered / (count - 1)) @ root
    overlap = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    spread = centered.square().sum() / (count - 1) + reference.covariance.trace()
    return float((mean - reference.mean).square().sum() + spread - 2 * overlap)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ (values.clamp(min=0).sqrt()[:, None] * vectors.T)


def divergences(logits: Tensor, others: Tensor) -> Tensor:
    """KL of each image's class probabilities [B, C] from the mean over it and the others [N, C]: what it contributes.

    The Inception Score of a set is exp of the mean over its images of KL from the mean of all of them.
    """
    log = logits.double().log_softmax(-1)
    shares = log.exp()
    before = others.double().softmax(-1).sum(0)
    mean = (before + shares) / (len(others) + 1)
    return (shares * (log - mean.log())).sum(-1)


def inception_score(logits: Tensor) -> float:
    """Of a set in one split."""
    log = logits.double().log_softmax(-1)
    shares = log.exp()
    return float((shares * (log - shares.mean(0).log())).sum(-1).mean().exp())


class Looker:
    """Features and class logits of images, by the Inception network."""

    def __init__(self, network: Inception):
        self.managed = Managed(network)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, 2048] and logits [B, 1008] of images [B, H, W, 3] in 0..1, on the CPU."""
        network = self.managed.ready(min(len(images), CHUNK) * MEMORY_PER_IMAGE)
        levels = (images[..., :3].movedim(-1, 1).float().clamp(0, 1) * 255).round()
        parts = [network(part.to(self.managed.device)) for part in levels.split(CHUNK)]
        return torch.cat([part[0] for part in parts]).cpu(), torch.cat([part[1] for part in parts]).cpu()


class Distribution:
    """others: images [N, H, W, 3] of the set that a candidate would join. reference: images or statistics that FID
    compares with."""

    needs_prompt = False

    def __init__(self, look: Looker, method: str, others: Tensor, reference: Tensor | Statistics | None = None):
        self.name = method
        self.look = look
        self.others = others
        self.reference = reference
        self._of_others: tuple[Tensor, Tensor] | None = None
        if method == FID and reference is None:
            raise ValueError("FID compares with a reference: choose an .npz file, or connect reference images.")
        if len(others) < (2 if method == FID else 1):
            raise ValueError(f"{method} is of a set: connect the images that a candidate joins, not {len(others)}.")

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B]: by how much FID falls when it joins the set, or its divergence."""
        self._prepare()
        features, logits = self.look(images)
        known, known_logits = self._of_others
        if self.name == INCEPTION_SCORE:
            return divergences(logits, known_logits)
        before = frechet_distance(known, self.reference)
        after = [frechet_distance(torch.cat([known, one[None]]), self.reference) for one in features]
        return before - torch.tensor(after)

    def _prepare(self) -> None:
        """Look at the set and the reference images, once."""
        self._of_others = self._of_others or self.look(self.others)
        if isinstance(self.reference, Tensor):
            self.reference = statistics(self.look(self.reference)[0])


def load_network(path: Path) -> Inception:
    weights = files.read(path)
    if "Mixed_7c.branch_pool.conv.weight" not in weights:
        raise files.wrong(path, "the Inception network of FID", weights)
    with files.whole(path):
        return Inception(weights)


def read_statistics(path: Path) -> Statistics:
    """An .npz file with mu [D] and sigma [D, D], as pytorch-fid and TTUR write them."""
    try:
        with numpy.load(path, allow_pickle=False) as data:
            mean, covariance = (torch.from_numpy(data[name]).double() for name in ("mu", "sigma"))
    except (OSError, ValueError, KeyError) as error:
        raise files.WeightsError(f"{path} holds no FID statistics (mu and sigma): {error}") from error
    if covariance.shape != (len(mean), len(mean)):
        raise files.WeightsError(f"{path}: mu has {len(mean)} numbers, but sigma is {list(covariance.shape)}.")
    return Statistics(mean, covariance)
