"""Candidates again whose latents are gone, because an earlier run made them or better ones took their place."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from .history.known import is_same
from .records.recipe import Recipe

if TYPE_CHECKING:
    from .evaluate import Evaluator

Indices = tuple[int, ...]  # a candidate for each image, by its number


class ScoresChanged(Exception):
    """A candidate was scored by an earlier run, and does not have that score any more."""


def remake(evaluator: Evaluator, indices: Indices, images: Collection[int]) -> None:
    """Run these candidates, and keep the latents of these images; nothing is kept when people have seen enough.

    Raises ScoresChanged when one is not what it was.
    """
    course = evaluator.course
    run = evaluator.along(tuple(course.recipes[index][image] for image, index in enumerate(indices)))
    if run is None:
        return
    judged = evaluator.judged(run)
    evaluator.spent.beside(run.finished.nfe)
    for image in images:
        item = course.standings[image]
        if not is_same(item.seen[indices[image]].scores, judged.candidates[image][0].scores, item.seen):
            raise ScoresChanged
        item.results[indices[image]] = judged.kept[image][0]


def give_parents(evaluator: Evaluator, candidates: Iterable[tuple[Recipe, ...]]) -> None:
    """What candidates that refine an image start from: the latents of those images."""
    wanted = dict.fromkeys(
        (image, parent)
        for recipes in candidates
        for image, recipe in enumerate(recipes)
        if recipe.is_refined and (parent := recipe.before()) is not None
    )
    course, call = evaluator.course, evaluator.trajectories.call
    for image, parent in wanted:
        index = next(at for at, recipes in enumerate(course.recipes) if recipes[image] == parent)
        results = course.standings[image].results
        if results.get(index) is None:
            remake(evaluator, (index,) * len(course.standings), [image])
        result = results.get(index)
        if result is not None:
            latent = call.guider.model_patcher.model.process_latent_in(result.latent[None])[0]
            evaluator.trajectories.stretches.give(image, parent, latent)
