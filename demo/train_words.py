"""Train the model of signs from nothing: `python -m demo.train_words` in the folder that holds `demo`.

It needs matplotlib for its fonts, beside what `demo.train` needs.
"""

import argparse
import copy
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .flow import interpolate, random_times
from .lettering import HEIGHT, LENGTH, WIDTH, layout
from .sign_pictures import draw_sign, paint, random_words
from .sign_unet import PLACE, LetterEncoder, SignUNet, numbers
from .train_unet import Run, update_average
from .unet import init_for_training
from .weights import FOLDER, WORDS_FILE, save_weights

log = logging.getLogger(__name__)
LOG_EVERY = 20
FINEST = 0.25
"""The loss is that of the velocity, (clean - sign) / t, but for flow times below this: they count as this one."""


@dataclass(frozen=True)
class SignTraining:
    steps: int
    seed: int
    threads: int
    batch: int = 64
    pool: int = 16384
    first: int = 1024
    fresh: int = 12
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_from: float = 0.7
    final_rate: float = 0.05
    caption_dropout: float = 0.1
    ema_decay: float = 0.995


class WordsToSigns(nn.Module):
    """Both networks as one module, with the names that the weights file uses."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = SignUNet()
        self.text = LetterEncoder()
        init_for_training(self.unet)

    def forward(self, x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        return self.unet.clean(x, t, self.text(rows))


class Pool:
    """Signs to draw batches from. It starts with `first`; `fresh` new ones come with each batch, and in the end take
    the place of the oldest."""

    def __init__(self, training: SignTraining, generator: torch.Generator) -> None:
        self.training = training
        self.generator = generator
        self.ink = torch.zeros(training.pool, HEIGHT, WIDTH, dtype=torch.uint8)
        self.rows = torch.zeros(training.pool, LENGTH, 1 + PLACE)
        self.drawn = 0

    def fill(self, count: int) -> None:
        """Sign i depends on nothing but the seed and i. Those that are lost again are not drawn."""
        for number in range(max(self.drawn, count - self.training.pool), count):
            rng = np.random.default_rng([self.training.seed, number])
            sign = draw_sign(random_words(rng), rng)
            at = number % self.training.pool
            self.ink[at] = torch.from_numpy(sign.ink.copy())
            self.rows[at] = torch.tensor(numbers(layout(sign.words)))
        self.drawn = count

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures in -1..1, [B, 3, HEIGHT, WIDTH], and what they say, [B, LENGTH, 1 + PLACE]; some texts dropped."""
        training, generator = self.training, self.generator
        self.fill(training.first + step * training.fresh)
        index = torch.randint(min(self.drawn, training.pool), (training.batch,), generator=generator)
        rows = self.rows[index]
        rows[torch.rand(training.batch, generator=generator) < training.caption_dropout] = 0.0
        return paint(self.ink[index], generator), rows


def learning_rate(step: int, training: SignTraining) -> float:
    """Linear warm-up, then constant, from `decay_from` of the steps on falling to `final_rate` of it."""
    warmup = min(1.0, (step + 1) / training.warmup_steps)
    done = step / training.steps
    decay = max(0.0, (done - training.decay_from) / (1.0 - training.decay_from))
    return training.learning_rate * warmup * (1.0 - (1.0 - training.final_rate) * decay)


def start(training: SignTraining) -> Run:
    """A fresh run, fixed by the seed."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    model = WordsToSigns().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=0.0)
    return Run(model, copy.deepcopy(model), optimizer, torch.Generator().manual_seed(training.seed))


def train_step(run: Run, pool: Pool, training: SignTraining) -> None:
    """One update of the weights and of their average."""
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.step, training)
    signs, rows = pool.batch(run.step)
    noise = torch.randn(signs.shape, generator=run.generator)
    t = random_times(len(signs), run.generator)
    level = t.clamp(min=FINEST)[:, None, None, None]
    x = interpolate(signs, noise, t).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        clean = run.model(x, t, rows)
    loss = F.mse_loss(clean.float() / level, signs / level)
    run.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    update_average(run.average, run.model, run.step, training.ema_decay)
    run.step += 1
    run.loss += (loss.item() - run.loss) / min(run.step, 50)


def train_words(training: SignTraining, output: Path, snapshot_every: int, resume: bool) -> None:
    """Train for `training.steps` and write the averaged weights to `output`, with snapshots on the way."""
    run = start(training)
    checkpoint = output.with_suffix(".checkpoint")
    if resume and checkpoint.exists():
        run.load(torch.load(checkpoint, weights_only=True))
    pool = Pool(training, run.generator)
    started, cpu_started = time.monotonic() - run.seconds, time.process_time()
    first = run.step
    while run.step < training.steps:
        train_step(run, pool, training)
        run.seconds = time.monotonic() - started
        if run.step % LOG_EVERY == 0:
            cpu = (time.process_time() - cpu_started) / ((run.step - first) * training.batch)
            log.info("step %d loss %.4f, %.0f s, %.1f ms CPU a sign", run.step, run.loss, run.seconds, 1000 * cpu)
        if run.step % snapshot_every == 0 or run.step == training.steps:
            save_snapshot(run, training, output)
            torch.save(run.state(), checkpoint)


def save_snapshot(run: Run, training: SignTraining, output: Path) -> None:
    """Write the averaged weights."""
    metadata = asdict(training) | {
        "steps_done": run.step,
        "signs": run.step * training.batch,
        "seconds": round(run.seconds),
        "loss": round(run.loss, 5),
        "torch": torch.__version__,
    }
    save_weights(output, run.average, metadata)
    log.info("wrote %s: %s", output.name, json.dumps(metadata))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="of 64 signs each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="results are the same for the same number")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--snapshot-every", type=int, default=100, help="steps between snapshots")
    parser.add_argument("--resume", action="store_true", help="go on from the last snapshot in the output folder")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    training = SignTraining(steps=options.steps, seed=options.seed, threads=options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    train_words(training, options.output / WORDS_FILE.name, options.snapshot_every, options.resume)


if __name__ == "__main__":
    main()
