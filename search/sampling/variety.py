"""Variety: conditioning that is a little different for each candidate while the image takes shape.

Models that were distilled to few steps make nearly the same image from every seed; a search among those finds nothing.
Noise on the conditioning at high noise levels only spreads them, and what the prompt asks for is settled later from the
conditioning itself (Sadat et al. 2024, CADS, arXiv 2310.17347; here at one strength per recipe, without its rescaling).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..records.recipe import Recipe
from .conditioning import by_row

FIRST = 0.3  # of the steps
EMBEDDINGS = ("c_crossattn", "y")  # the first that a conditioning has is varied
VARIED = (
    "No seed alone gives the images of candidates after number 0: with variety each has a conditioning of its own. Use "
    "Replay Noise with the recipe."
)
KEPT = "negative"  # part of the names of conditioning that stays


class Varied(NamedTuple):
    """Conditioning of all rows of a call, for sigmas from `down_to` on."""

    conds: dict[str, list[dict[str, Any]]]
    down_to: float


def varied(
    conds: dict[str, list[dict[str, Any]]], candidates: Sequence[Sequence[Recipe]], sigmas: Tensor
) -> Varied | None:
    """candidates: their recipes, one per image. sigmas: the user's whole schedule. None where none is varied."""
    recipes = [recipe for candidate in candidates for recipe in candidate]
    if not any(recipe.variety for recipe in recipes):
        return None
    count, images = len(candidates), len(candidates[0])
    rows = {name: [by_row(cond, count, images) for cond in group] for name, group in conds.items()}
    for name, group in rows.items():
        for cond in group if KEPT not in name else []:
            cond["model_conds"] = _disturbed(cond.get("model_conds", {}), recipes)
    steps = len(sigmas) - 1
    return Varied(rows, float(sigmas[max(1, round(FIRST * steps)) - 1]))


def _disturbed(model_conds: dict[str, Any], recipes: Sequence[Recipe]) -> dict[str, Any]:
    name = next((name for name in EMBEDDINGS if isinstance(getattr(model_conds.get(name), "cond", None), Tensor)), None)
    if name is None:
        return model_conds
    embedding = model_conds[name].cond
    embedding = embedding.expand(len(recipes), *embedding.shape[1:])
    noised = torch.stack([_noised(one, recipe) for one, recipe in zip(embedding, recipes, strict=True)])
    return {**model_conds, name: model_conds[name]._copy_with(noised)}


def _noised(embedding: Tensor, recipe: Recipe) -> Tensor:
    """Noise of the recipe's own, as a share of how the embedding's values spread."""
    if not recipe.variety:
        return embedding
    draw = torch.Generator().manual_seed(recipe.moves[-1].seed if recipe.moves else recipe.seed)
    noise = torch.randn(embedding.shape, generator=draw).to(embedding)
    return embedding + recipe.variety * embedding.float().std().to(embedding) * noise
