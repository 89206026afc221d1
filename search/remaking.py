"""Candidates again whose latents are gone, because an earlier run made them or better ones took their place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from .course import Course, Judged, Recipes
from .history.known import is_same
from .records.standing import Result
from .sampling.trajectories import Trajectories

Indices = tuple[int, ...]  # a candidate for each image, by its number
Again = Callable[[Recipes], "Judged[Result] | None"]  # runs one, along its whole way; None: people have seen enough


class ScoresChanged(Exception):
    """A candidate was scored by an earlier run, and does not have that score any more."""


def remake(course: Course[Result], again: Again, indices: Indices, images: Collection[int]) -> list[Result | None]:
    """Run these candidates, and keep the latents of these images, of those that had run to their end.

    Raises ScoresChanged when one is not what it was. Returns what they are made of, one per image; nothing when people
    have seen enough.
    """
    judged = again(tuple(course.recipes[index][image] for image, index in enumerate(indices)))
    if judged is None:
        return []
    for image in images:
        item, before = course.standings[image], course.standings[image].seen[indices[image]]
        if not before.is_finished:  # it had another score, and no image
            continue
        if not is_same(before.scores, judged.candidates[image][0].scores, item.seen):
            raise ScoresChanged
        item.results[indices[image]] = judged.kept[image][0]
    return [kept for (kept,) in judged.kept]


def give_parents(
    course: Course[Result], trajectories: Trajectories, again: Again, candidates: Iterable[Recipes]
) -> bool:
    """What candidates that refine an image start from: the latents of those images. False when people have seen enough
    before all of these were there."""
    wanted = dict.fromkeys(
        (image, parent)
        for recipes in candidates
        for image, recipe in enumerate(recipes)
        if recipe.is_refined and (parent := recipe.before()) is not None
    )
    for image, parent in wanted:
        index = next((at for at, recipes in enumerate(course.recipes) if recipes[image] == parent), None)
        if index is None and trajectories.stretches.held(image, parent) is not None:
            continue  # another process has sent it along
        assert index is not None
        result = course.standings[image].results.get(index)
        if result is None:
            made = remake(course, again, (index,) * len(course.standings), [image])
            result = made[image] if made else None
        if result is None:
            return False
        model = trajectories.call.guider.model_patcher.model
        trajectories.stretches.give(image, parent, model.process_latent_in(result.latent[None])[0])
    return True
