"""What an auto search did and why, in one paragraph for its report."""

from __future__ import annotations

from collections.abc import Sequence

from ..records.candidate import Candidate
from ..records.recipe import Recipe
from ..records.scores import Scores


def in_words(candidates: Sequence[Candidate], given: Recipe | None = None) -> str:
    """candidates: all of them, in the order they ran; at least one has finished. given: what was refined, where that
    was not found by the search."""
    if given is not None:
        told = [_of_given(candidates[0], candidates[1:]), _of_winner(candidates, given)]
    else:
        starts = [one for one in candidates if not _is_child(one)]
        children = [one for one in candidates if _is_child(one)]
        told = [_of_starts(starts), *([_of_children(children)] if children else []), _of_winner(candidates)]
    kept, turned = Scores(
        [one.score for one in candidates],
        [one.is_finished for one in candidates],
        [one.round for one in candidates],
        [one.early for one in candidates],
    ).kept_order()
    if kept + turned:
        told.append(
            f"Early scores put {kept} of {_count(kept + turned, 'pair')} of finished images in the order in which they "
            "ended."
        )
    return " ".join(told)


def _of_starts(starts: Sequence[Candidate]) -> str:
    return f"{_count(len(starts), 'seed')} started{_ended(starts)}."


def _of_children(children: Sequence[Candidate]) -> str:
    return f"The best images were then refined in {_count(len(children), 'way')}{_ended(children)}."


def _of_given(first: Candidate, children: Sequence[Candidate]) -> str:
    outcome = f"whose image has a score of {first.score:.4g}" if first.is_finished else "whose image failed"
    ways = f", in {_count(len(children), 'way')}{_ended(children)}" if children else "; nothing was left of the budget"
    return f"The search refined around a given recipe, {outcome}{ways}."


def _ended(some: Sequence[Candidate]) -> str:
    """How many of them were stopped and when, and the best of the others."""
    at = sorted({one.stopped_at_step for one in some if one.stopped_at_step is not None})
    finished = [one for one in some if one.is_finished]
    stopped = sum(one.stopped_at_step is not None for one in some)
    told = ""
    if stopped:
        when, were = " or ".join(map(str, at)), "was" if stopped == 1 else "were"
        told = f"; {stopped} {were} stopped after {when} steps, as others looked better"
    failed = sum(bool(one.failed) for one in some)
    told += f"; {failed} failed" if failed else ""
    if not finished:
        return f"{told}; none finished"
    best = max(finished, key=lambda one: one.score)
    return f"{told}; {len(finished)} finished, the best with a score of {best.score:.4g}"


def _of_winner(candidates: Sequence[Candidate], given: Recipe | None = None) -> str:
    best = max((one for one in candidates if one.is_finished), key=lambda one: one.rank)
    if best.index == 0:
        return f"Nothing was better than {'the given image' if given else 'the image without a search'}."
    recipe = best.recipe
    if recipe is None or recipe.path is None:
        return f"Candidate {best.index} won, a plain seed."
    more = len(recipe.path.turns) - (len(given.path.turns) if given and given.path else 0)
    what = "the given image" if given else "an image"
    return f"Candidate {best.index} won, {what} refined {_count(more, 'time')}."


def _is_child(one: Candidate) -> bool:
    return one.recipe is not None and one.recipe.is_refined


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
