"""Training: fixed by its seed, and resumable."""

from pathlib import Path

import numpy as np
import pytest
import torch

from noise_search.demo.dataset import CHUNK, Dataset, draw_dataset
from noise_search.demo.tokens import token_ids
from noise_search.demo.train_unet import UNetTraining, learning_rate, mirror_words, train_unet
from noise_search.demo.train_verifier import VerifierTraining, train_verifier
from noise_search.demo.weights import load_weights, training_metadata
from noise_search.demo.world import random_example


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    examples = [random_example(rng) for _ in range(16)]
    captions = [example.caption for example in examples]
    return Dataset(
        np.stack([example.image for example in examples]), np.array([token_ids(str(c)) for c in captions]), captions
    )


def unet_training(steps: int, seed: int = 1) -> UNetTraining:
    return UNetTraining(steps=steps, seed=seed, threads=1, batch=4, warmup_steps=2, decay_steps=8)


def same(a: Path, b: Path) -> bool:
    first, second = load_weights(a), load_weights(b)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_drawn_pictures_depend_on_the_seed_only() -> None:
    few, more, other = (draw_dataset(count, seed, processes=1) for count, seed in ((20, 5), (CHUNK + 20, 5), (20, 6)))
    assert np.array_equal(few.images, more.images[:20])
    assert few.captions == more.captions[:20]
    assert not np.array_equal(few.images, other.images)
    assert len(more.images) == len(more.tokens) == len(more.captions) == CHUNK + 20


def test_unet_is_fixed_by_the_seed(data: Dataset, tmp_path: Path) -> None:
    whole, again, other = (tmp_path / f"{name}.safetensors" for name in ("whole", "again", "other"))
    train_unet(data, unet_training(3), whole, snapshot_every=100, resume=False)
    train_unet(data, unet_training(3), again, snapshot_every=100, resume=False)
    train_unet(data, unet_training(3, seed=2), other, snapshot_every=100, resume=False)
    assert same(whole, again)
    assert not same(whole, other)
    assert training_metadata(whole)["steps_done"] == 3


def test_resumed_training_is_the_same(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train_unet(data, unet_training(4), whole, snapshot_every=100, resume=False)
    with pytest.raises(KeyboardInterrupt):
        stop_after(2, data, parts, monkeypatch)
    monkeypatch.undo()
    train_unet(data, unet_training(4), parts, snapshot_every=2, resume=True)
    assert same(whole, parts)


def stop_after(steps: int, data: Dataset, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and be interrupted at the step after `steps`."""

    def interrupted(step: int, training: UNetTraining) -> float:
        if step == steps:
            raise KeyboardInterrupt
        return learning_rate(step, training)

    monkeypatch.setattr("noise_search.demo.train_unet.learning_rate", interrupted)
    train_unet(data, unet_training(4), output, snapshot_every=2, resume=False)


def test_a_longer_training_begins_like_a_shorter_one() -> None:
    short, long = (UNetTraining(steps=steps, seed=0, threads=1) for steps in (3000, 4000))
    assert [learning_rate(step, short) for step in range(3000)] == [learning_rate(step, long) for step in range(3000)]


def test_learning_rate_rises_then_falls() -> None:
    training = UNetTraining(steps=5000, seed=0, threads=1)
    rates = [learning_rate(step, training) for step in (0, 100, 200, 2500, 4999, 9000)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] >= rates[5] > 0


def test_mirrored_captions_exchange_left_and_right() -> None:
    left, right = (
        "a red star left of a blue cross above a black star".replace("left", side) for side in ("left", "right")
    )
    assert mirror_words(torch.tensor(token_ids(left))).tolist() == token_ids(right)
    assert mirror_words(torch.tensor(token_ids(right))).tolist() == token_ids(left)


def test_verifier_is_fixed_by_the_seed(data: Dataset, tmp_path: Path) -> None:
    training = VerifierTraining(steps=2, seed=1, threads=1, batch=8, near_misses=2, warmup_steps=1)
    first, again = tmp_path / "first.safetensors", tmp_path / "again.safetensors"
    train_verifier(data, training, first)
    train_verifier(data, training, again)
    assert same(first, again)
