"""Reports made by hand, for tests of what is shown of a search."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from noise_search.search.pictures.thumbnail import encode, to_pil
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.report import Report, Seconds

GRAY = encode(to_pil(torch.full((64, 64, 3), 0.5)))


def candidate(index: int, score: float, nfe: int = 20, thumbnail: bytes = GRAY) -> Candidate:
    return Candidate(
        index=index,
        round=0,
        score=score,
        scores={"taste": score},
        recipe=Recipe(100 + index),
        nfe=nfe,
        thumbnail=thumbnail,
    )


def report_of(scores: Sequence[float], nfe: int = 20, thumbnail: bytes = GRAY) -> Report:
    return Report(
        algorithm="random",
        seed=100,
        sampler_steps=20,
        candidates=tuple(candidate(index, score, nfe, thumbnail) for index, score in enumerate(scores)),
        stopped="finished",
        seconds=Seconds(sampling=3.0, decoding=0.5, scoring=0.25, total=4.0),
    )
