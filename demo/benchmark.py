"""The captions that searches are measured on: always the same for the same seed."""

import numpy as np

from .captions import Caption
from .world import random_caption, random_scene

BENCHMARK_MIX = {1: 0.15, 2: 0.55, 3: 0.25, 4: 0.05}
"""Share of the captions by their number of shapes; chosen so that one sample satisfies about half of them."""


def benchmark_captions(count: int = 100, seed: int = 2026) -> list[Caption]:
    """`count` different captions that a picture can satisfy. The first n are the same for every count."""
    rng = np.random.default_rng(seed)
    captions: dict[Caption, None] = {}
    while len(captions) < count:
        caption = random_caption(rng, int(rng.choice(list(BENCHMARK_MIX), p=list(BENCHMARK_MIX.values()))))
        if random_scene(caption, rng) is not None:
            captions[caption] = None
    return list(captions)
