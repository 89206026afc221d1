"""Contrastive training of the verifier on drawn pictures, against other captions and against near misses."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .captions import Caption
from .dataset import Dataset
from .near_miss import random_near_miss
from .tokens import token_ids
from .verifier_network import ShapesVerifierNetwork
from .weights import save_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerifierTraining:
    steps: int
    seed: int
    threads: int
    batch: int = 128
    near_misses: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    most_noise: float = 0.15


def corrupt(images: Tensor, most_noise: float, generator: torch.Generator) -> Tensor:
    """Blur half of the pictures and add noise to all, so that the network also judges predictions of x0."""
    count = len(images)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = torch.rand(count, 1, 1, 1, generator=generator)
    amount = amount * (torch.rand(count, 1, 1, 1, generator=generator) < 0.5)
    strength = most_noise * torch.rand(count, 1, 1, 1, generator=generator)
    return torch.lerp(images, blurred, amount) + strength * torch.randn(images.shape, generator=generator)


def near_miss_tokens(captions: list[Caption], count: int, rng: np.random.Generator) -> Tensor:
    """Token ids of `count` near misses for each caption: [captions, count, LENGTH]."""
    return torch.tensor([[token_ids(str(random_near_miss(c, rng))) for _ in range(count)] for c in captions])


def contrastive_loss(model: ShapesVerifierNetwork, images: Tensor, right: Tensor, wrong: Tensor) -> Tensor:
    """Each picture must find its caption among the batch's and its near misses; each caption its picture.

    images: [B, 3, 64, 64]; right: [B, LENGTH]; wrong: [B, K, LENGTH].
    """
    with torch.autocast("cpu", torch.bfloat16):
        image = model.embed_images(images)
        text = model.embed_texts(torch.cat([right[:, None], wrong], dim=1))
    scale = model.scale
    among_batch = scale * image @ text[:, 0].T
    among_misses = scale * (text[:, 1:] @ image[:, :, None]).squeeze(-1)
    target = torch.arange(len(image))
    by_image = F.cross_entropy(torch.cat([among_batch, among_misses], dim=1), target)
    return by_image + 0.5 * F.cross_entropy(among_batch.T, target)


def learning_rate(step: int, training: VerifierTraining) -> float:
    """Linear warm-up, then linear decay to nothing."""
    return training.learning_rate * min(1.0, (step + 1) / training.warmup_steps) * (1.0 - step / training.steps)


def train_verifier(data: Dataset, training: VerifierTraining, output: Path) -> None:
    """Train for `training.steps` and write the weights to `output`."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    rng = np.random.default_rng(training.seed)
    model = ShapesVerifierNetwork().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    images, tokens = torch.from_numpy(data.images), torch.from_numpy(data.tokens)
    started, loss_average = time.monotonic(), 0.0
    for step in range(training.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        index = torch.randint(len(images), (training.batch,), generator=generator)
        wrong = near_miss_tokens([data.captions[i] for i in index.tolist()], training.near_misses, rng)
        clean = images[index].permute(0, 3, 1, 2).float() / 127.5 - 1
        pictures = corrupt(clean, training.most_noise, generator).contiguous(memory_format=torch.channels_last)
        loss = contrastive_loss(model, pictures, tokens[index], wrong)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss_average += (loss.item() - loss_average) / min(step + 1, 100)
        if (step + 1) % 50 == 0:
            rate = (step + 1) * training.batch / (time.monotonic() - started)
            log.info("verifier step %d loss %.4f, %.1f pictures/s", step + 1, loss_average, rate)
    metadata = asdict(training) | {
        "pictures": training.steps * training.batch,
        "seconds": round(time.monotonic() - started),
        "loss": round(loss_average, 5),
        "torch": torch.__version__,
    }
    save_weights(output, model, metadata)
    log.info("wrote %s: %s", output.name, json.dumps(metadata))
