"""Pictures drawn ahead of the training, in parallel, the same for every number of processes."""

from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from .captions import Caption
from .tokens import token_ids
from .world import random_example

CHUNK = 500


class Dataset(NamedTuple):
    """`images`: uint8 [N, 64, 64, 3]; `tokens`: int64 [N, LENGTH]; `captions`: N."""

    images: np.ndarray
    tokens: np.ndarray
    captions: list[Caption]


def draw_dataset(count: int, seed: int, processes: int) -> Dataset:
    """`count` random examples; picture i depends on nothing but `seed` and i // CHUNK."""
    chunks = range(-(-count // CHUNK))
    if processes == 1:
        parts = [_draw_chunk(seed, chunk) for chunk in chunks]
    else:
        with get_context("spawn").Pool(processes) as pool:
            parts = pool.map(partial(_draw_chunk, seed), chunks)
    images = np.concatenate([images for images, _ in parts])[:count]
    captions = [caption for _, captions in parts for caption in captions][:count]
    return Dataset(images, np.array([token_ids(str(caption)) for caption in captions]), captions)


def _draw_chunk(seed: int, chunk: int) -> tuple[np.ndarray, list[Caption]]:
    rng = np.random.default_rng([seed, chunk])
    examples = [random_example(rng) for _ in range(CHUNK)]
    return np.stack([example.image for example in examples]), [example.caption for example in examples]
