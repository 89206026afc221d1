"""What earlier runs of the same sampler call have scored: a search that was interrupted, or asks for more, goes on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ..host.starting import start_options
from ..methods.pruning import Race
from ..records.candidate import Candidate
from ..records.recipe import Recipe
from .ledger import Page, Place

SAME = 0.01  # how far, of the spread of all scores, a candidate's may be from what it was before


class Known:
    """The scores on one page. title: the search node in messages. judges: the names of those that score now. named: a
    recipe as it is kept."""

    def __init__(
        self, page: Page, title: str, judges: Collection[str], named: Callable[[Recipe], Recipe] = lambda recipe: recipe
    ):
        self.page = page
        self.title = title
        self.judges = set(judges)
        self.named = named
        self.has_passed_over = False

    def find(self, recipes: Sequence[Recipe], steps: int, race: Race | None = None) -> list[Candidate] | None:
        """A candidate, an entry per image, that was scored with so many steps, in this race if it was pruned.

        None for one on a path: what follows needs its latent, and latents are not kept. What refines an image needs
        that one's latent only if it runs, and then it is made again.
        """
        places = [_place(number, steps, race) for number in range(len(recipes))]
        entries = [self._find(recipe, place) for recipe, place in zip(recipes, places, strict=True)]
        found = [seen for seen in entries if seen is not None]
        if len(found) < len(recipes):
            return None
        if recipes[0].path is None or recipes[0].is_refined:
            return found
        if not self.has_passed_over:
            self.has_passed_over = True
            logging.info(
                "%s: an earlier run has scored the beginning of this search. It runs again, because what follows on a "
                "path needs the latents, and only scores are kept.",
                self.title,
            )
        return None

    def add(self, recipe: Recipe, number: int, seen: Candidate, steps: int, race: Race | None = None) -> None:
        """Keep what became of image `number` of a candidate."""
        place = _place(number, steps, race)
        self.page.add(replace(seen, recipe=self.named(recipe)), failed_place(place) if seen.failed else place)

    def _find(self, recipe: Recipe, place: tuple) -> Candidate | None:
        recipe = self.named(recipe)
        seen = self.page.find(recipe, place)
        if seen is not None and seen.scores.keys() == self.judges:
            return seen
        return self.page.find(recipe, failed_place(place))

    def forget(self) -> None:
        """Drop everything, and say so: a winner of an earlier run does not have its score any more."""
        logging.warning(
            "%s: the best candidate had another score in an earlier run than it has now, so what was kept is of no "
            "use: something before the sampler or in the verifier has changed or is random. All candidates run again.",
            self.title,
        )
        self.page.forget()


def failed_place(place: Place) -> tuple:
    """Where a candidate that failed is kept: ComfyUI started with other options may make it well."""
    return ("failed", place, start_options())


def is_same(before: Mapping[str, float], now: Mapping[str, float], all_seen: Sequence[Candidate]) -> bool:
    """Whether a candidate's scores, by verifier, are what they were; up to rounding, seen against how they spread."""
    return before.keys() == now.keys() and all(
        math.isclose(before[name], now[name], rel_tol=SAME, abs_tol=SAME * _range(name, all_seen)) for name in now
    )


def _range(name: str, all_seen: Sequence[Candidate]) -> float:
    scores = [seen.scores[name] for seen in all_seen if not seen.failed]
    return max(scores) - min(scores)


def _place(number: int, steps: int, race: Race | None) -> tuple:
    return (number, steps) if race is None else (number, steps, race.starts, race.cuts)
