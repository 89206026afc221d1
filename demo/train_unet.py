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
LOG_EVERY = 50


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


@dataclass
class Run:
    """Everything that changes during a training; what a checkpoint holds."""

    model: TextToImage
    average: TextToImage
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "state": {"step": self.step, "seconds": self.seconds, "loss": self.loss},
        }

    def load(self, state: dict) -> None:
        for name in ("model", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.step, self.seconds, self.loss = (state["state"][name] for name in ("step", "seconds", "loss"))


def start(training: UNetTraining) -> Run:
    """A fresh run, fixed by the seed."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    model = TextToImage().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=0.0)
    return Run(model, copy.deepcopy(model), optimizer, torch.Generator().manual_seed(training.seed))


def train_step(run: Run, batches: Batches, training: UNetTraining) -> None:
    """One update of the weights and of their average."""
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.step, training)
    loss = flow_loss(run.model, *batches.draw(), run.generator)
    run.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    update_average(run.average, run.model, run.step, training.ema_decay)
    run.step += 1
    run.loss += (loss.item() - run.loss) / min(run.step, 100)


def train_unet(data: Dataset, training: UNetTraining, output: Path, snapshot_every: int, resume: bool) -> None:
    """Train for `training.steps` and write the averaged weights to `output`, with snapshots on the way."""
    run = start(training)
    checkpoint = output.with_suffix(".checkpoint")
    if resume and checkpoint.exists():
        run.load(torch.load(checkpoint, weights_only=True))
    batches = Batches(data, training, run.generator)
    started = time.monotonic() - run.seconds
    while run.step < training.steps:
        train_step(run, batches, training)
        run.seconds = time.monotonic() - started
        if run.step % LOG_EVERY == 0:
            rate = run.step * training.batch / run.seconds
            log.info("step %d loss %.4f, %.1f pictures/s", run.step, run.loss, rate)
        if run.step % snapshot_every == 0 or run.step == training.steps:
            save_snapshot(run, training, output)
            torch.save(run.state(), checkpoint)


def save_snapshot(run: Run, training: UNetTraining, output: Path) -> None:
    """Write the averaged weights."""
    metadata = asdict(training) | {
        "steps_done": run.step,
        "pictures": run.step * training.batch,
        "seconds": round(run.seconds),
        "loss": round(run.loss, 5),
        "torch": torch.__version__,
    }
    save_weights(output, run.average, metadata)
    log.info("wrote %s: %s", output.name, json.dumps(metadata))
