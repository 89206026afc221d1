"""The paper's oracles for class-conditional models (Ma et al. 2025, figure 3): how an image changes the FID of a set,
and what it contributes to the Inception Score. Both look at the benchmark: an upper bound, not a judge of quality.

The set may grow from run to run, by the image that was chosen. Of one image the covariance is taken as 0, so FID is
defined from the first image on.

FID: Heusel et al. 2017. Inception Score: Salimans et al. 2016.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import comfy.model_management
import numpy
import torch
from torch import Tensor

from . import files, pictures
from .files import Known
from .networks.inception import Inception
from .networks.managed import Managed

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


class Seen(NamedTuple):
    """What the Inception network says of images: features [N, 2048] and logits [N, 1008], on the CPU."""

    features: Tensor
    logits: Tensor


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
    """FID of the set with these features [N, D].

    |m - m_r|^2 + tr(C) + tr(C_r) - 2 tr((C_r C)^1/2). With C = X^T X / (N - 1), X the centered features, the last trace
    is that of (X C_r X^T / (N - 1))^1/2, which is [N, N]; for N > D the [D, D] form is smaller.
    """
    features = features.double()
    mean, others = features.mean(0), max(len(features) - 1, 1)
    centered = features - mean
    if len(features) <= features.shape[1]:
        product = centered @ reference.covariance @ centered.T / others
    else:
        root = _root(reference.covariance)
        product = root @ (centered.T @ centered / others) @ root
    overlap = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    spread = centered.square().sum() / others + reference.covariance.trace()
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


class Looker:
    """Looks at images with the Inception network."""

    def __init__(self, network: Inception):
        self.managed = Managed(network)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Seen:
        """images: [B, H, W, 3] in 0..1."""
        network = self.managed.ready(min(len(images), CHUNK) * MEMORY_PER_IMAGE)
        levels = (images[..., :3].movedim(-1, 1).float().clamp(0, 1) * 255).round()
        features, logits = zip(*(network(part.to(self.managed.device)) for part in levels.split(CHUNK)))
        return Seen(torch.cat(features).cpu(), torch.cat(logits).cpu())

    def all(self, batches: Iterable[Tensor]) -> Seen:
        """Of images of any sizes, in batches of one size; maybe none."""
        classes, width = self.managed.network.fc.weight.shape
        seen = [Seen(torch.empty(0, width), torch.empty(0, classes))]
        for batch in batches:
            comfy.model_management.throw_exception_if_processing_interrupted()
            seen.append(self(batch))
        return Seen(*map(torch.cat, zip(*seen)))


class Distribution:
    """others: the set that a candidate would join, maybe empty. reference: what FID compares with."""

    needs_prompt = False

    def __init__(self, look: Looker, method: str, others: Seen, reference: Statistics | None = None):
        self.name = method
        self.look = look
        self.others = others
        self.reference = _checked(reference, others.features.shape[1]) if method == FID else None
        self.before = 0.0
        if self.reference is not None and len(others.features):
            self.before = frechet_distance(others.features, self.reference)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1 -> [B]: by how much FID falls when it joins the set, or its divergence. As the
        first of the set: its FID, negative; and no divergence, which is 0."""
        seen, reference = self.look(images), self.reference
        if reference is None:
            return divergences(seen.logits, self.others.logits)
        sets = (torch.cat([self.others.features, one[None]]) for one in seen.features)
        return torch.tensor([self.before - frechet_distance(features, reference) for features in sets])


def _checked(reference: Statistics | None, width: int) -> Statistics:
    if reference is None:
        raise ValueError(
            "FID compares with a reference: choose an .npz file or a folder of images, or connect reference images."
        )
    if len(reference.mean) != width:
        raise ValueError(
            f"The reference statistics are of {len(reference.mean)} features, but the Inception network has {width}. "
            "They have to be made with the same network."
        )
    return reference


@lru_cache(maxsize=1)
def folder_statistics(network: Path, folder: Path, _state: str) -> Statistics:
    """Of a folder's images; _state: its `pictures.state`. The last one is kept: a set that grows with each run has the
    same reference every time, and thousands of images take long to look at."""
    paths = pictures.listed(folder)
    if len(paths) < 2:
        raise ValueError(f"Reference statistics need 2 images or more (PNG, JPG, WEBP); {folder} has {len(paths)}.")
    look = Looker(load_network(network))
    return statistics(look.all(pictures.batches(paths, CHUNK)).features)


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
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise files.WeightsError(f"{path} holds no FID statistics (mu and sigma): {error}") from error
    if covariance.shape != (len(mean), len(mean)):
        raise files.WeightsError(f"{path}: mu has {len(mean)} numbers, but sigma is {list(covariance.shape)}.")
    return Statistics(mean, covariance)
