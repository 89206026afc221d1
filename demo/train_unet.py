"""Training of the text encoder and the UNet together, on the CPU, the same for the same seed and threads."""

import copy
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dataset import Dataset
from .flow import interpolate, random_times
from .text_encoder import TextEncoder
from .tokens import PAD_ID, TOKEN_IDS
from .unet import UNet, init_for_training
from .weights import save_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UNetTraining:
    steps: int
    seed: int
    threads: int
    batch: int = 64
    learning_rate: float = 1.5e-3
    warmup_steps: int = 200
    decay_steps: int = 5000
    final_rate: float = 0.02
    caption_dropout: float = 0.1
    ema_decay: float = 0.998


class TextToImage(nn.Module):
    """Both networks as one module, with the names that the weights file uses."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = UNet()
        self.text = TextEncoder()
        init_for_training(self.unet)

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        return self.unet(x, t, self.text(ids))


class Batches:
    """Random batches, mirrored half of the time (with left and right exchanged in the caption)."""

    def __init__(self, data: Dataset, training: UNetTraining, generator: torch.Generator) -> None:
        self.images = torch.from_numpy(data.images)
        self.tokens = torch.from_numpy(data.tokens)
        self.training = training
        self.generator = generator

    def draw(self) -> tuple[Tensor, Tensor]:
        """Images in -1..1, [B, 3, 64, 64], and token ids [B, LENGTH], some captions dropped."""
        size, generator = self.training.batch, self.generator
        index = torch.randint(len(self.images), (size,), generator=generator)
        images = self.images[index].permute(0, 3, 1, 2).float() / 127.5 - 1
        ids = self.tokens[index].clone()
        mirrored = torch.rand(size, generator=generator) < 0.5
        images[mirrored] = images[mirrored].flip(-1)
        ids[mirrored] = mirror_words(ids[mirrored])
        ids[torch.rand(size, generator=generator) < self.training.caption_dropout] = PAD_ID
        return images, ids


def mirror_words(ids: Tensor) -> Tensor:
    """Token ids with "left" and "right" exchanged."""
    left, right = TOKEN_IDS["left"], TOKEN_IDS["right"]
    return torch.where(ids == left, right, torch.where(ids == right, left, ids))


def learning_rate(step: int, training: UNetTraining) -> float:
    """Linear warm-up, then linear decay, to `final_rate` of the peak at `decay_steps`."""
    warmup = min(1.0, (step + 1) / training.warmup_steps)
    decay = 1.0 - (1.0 - training.final_rate) * min(step, training.decay_steps) / training.decay_steps
    return training.learning_rate * warmup * decay


def flow_loss(model: TextToImage, images: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
    """Mean squared error of the velocity."""
    noise = torch.randn(images.shape, generator=generator)
    t = random_times(len(images), generator)
    x = interpolate(images, noise, t).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        velocity = model(x, t, ids)
    return F.mse_loss(velocity.float(), noise - images)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Exponential moving average of the weights; it follows faster at the start."""
    weight = 1.0 - min(decay, step / (step + 50))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), weight)


def train_unet(data: Dataset, training: UNetTraining, output: Path, snapshot_every: int, resume: bool) -> None:
    """Train for `training.steps` and write the averaged weights to `output`, with snapshots on the way."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    model = TextToImage().to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=0.0)
    batches = Batches(data, training, generator)
    checkpoint = output.with_suffix(".checkpoint")
    state = {"step": 0, "seconds": 0.0, "loss": 1.0}
    if resume and checkpoint.exists():
        state = _load_checkpoint(checkpoint, model, average, optimizer, generator)
    started = time.monotonic() - state["seconds"]
    loss_average = state["loss"]
    for step in range(state["step"], training.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        loss = flow_loss(model, *batches.draw(), generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        update_average(average, model, step, training.ema_decay)
        loss_average += (loss.item() - loss_average) / min(step + 1, 100)
        done, seconds = step + 1, time.monotonic() - started
        if done % 50 == 0:
            log.info("step %d loss %.4f, %.1f pictures/s", done, loss_average, done * training.batch / seconds)
        if done % snapshot_every == 0 or done == training.steps:
            state = {"step": done, "seconds": seconds, "loss": loss_average}
            _save(output, checkpoint, model, average, optimizer, generator, state, training)


def _save(output, checkpoint, model, average, optimizer, generator, state: dict, training: UNetTraining) -> None:
    metadata = asdict(training) | {
        "steps_done": state["step"],
        "pictures": state["step"] * training.batch,
        "seconds": round(state["seconds"]),
        "loss": round(state["loss"], 5),
        "torch": torch.__version__,
    }
    save_weights(output, average, metadata)
    log.info("wrote %s: %s", output.name, json.dumps(metadata))
    tensors = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
    }
    torch.save(tensors | {"state": state}, checkpoint)


def _load_checkpoint(checkpoint: Path, model, average, optimizer, generator) -> dict:
    saved = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(saved["model"])
    average.load_state_dict(saved["average"])
    optimizer.load_state_dict(saved["optimizer"])
    generator.set_state(saved["generator"])
    return saved["state"]
