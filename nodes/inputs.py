"""Inputs that several nodes share, and the node's name in front of what is wrong with a setting."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from comfy_api.latest import io

from ..search.methods.checks import SettingError
from ..search.plan import FEW_FINALISTS, FINALISTS, SMALL
from ..search.records.recipe import Recipe
from ..search.records.recipe_text import RecipeError, parse_recipes
from ..search.records.target import HOLDS, Target
from ..verifiers.base import Detailed, Ensemble, Verifier, parts

MAX_SEED = 0xFFFFFFFFFFFFFFFF
FRAMES = 8  # of a video that a verifier sees by default
MOST_KEPT = 64


@contextmanager
def named(title: str) -> Iterator[None]:
    """A wrong setting becomes a ValueError that begins with the node: ComfyUI shows people the class of an error, and a
    class of ours with its whole module path. A wrong recipe is a RecipeError, which begins so as well."""
    try:
        yield
    except SettingError as error:
        raise ValueError(f"{title}: {error}") from error
    except RecipeError as error:
        raise RecipeError(f"{title}: {error}") from error


def prompt_input(tooltip: str) -> io.String.Input:
    return io.String.Input("prompt", multiline=True, default="", tooltip=tooltip)


def patience_input() -> io.Int.Input:
    return io.Int.Input(
        "patience",
        default=0,
        min=0,
        max=10_000,
        optional=True,
        advanced=True,
        tooltip="Stop when this many candidates in a row brought nothing better. 0 never does.",
    )


def frames_input() -> io.Int.Input:
    return io.Int.Input(
        "frames",
        default=FRAMES,
        min=0,
        max=10_000,
        optional=True,
        advanced=True,
        tooltip="For video: how many frames the verifier sees, evenly spaced from the first to the last. A candidate's "
        "score is their mean. 0 shows it all of them. Images have one.",
    )


def search_steps_input() -> io.Int.Input:
    return io.Int.Input(
        "search_steps",
        default=0,
        min=0,
        max=10_000,
        optional=True,
        advanced=True,
        tooltip=f"Search on fewer steps than the sampler's: candidates are drafts of so many steps, and the best "
        f"{FINALISTS} ({FEW_FINALISTS} where they cost less than {SMALL} images together) and the image without search "
        "run again on all steps and are judged again. 0 gives every "
        "candidate all steps. At equal cost drafts find less than looks ahead.",
    )


def keep_input() -> io.Int.Input:
    return io.Int.Input(
        "keep",
        default=1,
        min=1,
        max=MOST_KEPT,
        optional=True,
        advanced=True,
        tooltip="How many finished latents to hold, good ones that look different, so that Search Report gives out any "
        "of them without running again. In main memory, for each image of a batch: 0.3 to 1 MB each for an image of "
        "1024 x 1024, a few to some tens of MB for a video. The report says how much. Drafts (search_steps) hold "
        "those that ran again in full.",
    )


def target_input(more: str = "") -> io.String.Input:
    return io.String.Input(
        "target",
        default="",
        optional=True,
        tooltip="Stop as soon as a finished candidate is good enough, which then wins: a score, such as 0.9; or "
        f'"{HOLDS}", with a verifier that says so for each (Checklist, Text). Empty: never. Fewer candidates '
        f"side by side stop sooner.{more}",
    )


def read_target(given: Any) -> Target | None:
    """What people have written, or what came over a wire. Raises SettingError."""
    text = str(given).strip()
    if not text:
        return None
    if text.lower() == HOLDS:
        return Target()
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise SettingError(f'target is {text!r}, but it has to be a score, such as 0.9, or "{HOLDS}"; or empty.')
    return Target(score)


def read_recipe(text: str) -> Recipe | None:
    """None for an empty text. Raises RecipeError for one that is not the recipe of one image."""
    if not text.strip():
        return None
    recipes = parse_recipes(text)
    if len(recipes) > 1:
        raise RecipeError(
            f"there are {len(recipes)} recipes in `refine`, but it goes on from one image. Give the recipe of one."
        )
    return recipes[0]


def check_target(target: Target | None, verifier: Verifier) -> None:
    """Raises SettingError for a target that no candidate could ever be seen to reach by this verifier."""
    if target is None:
        return
    if target.score is None:
        ignored = verifier.held_out if isinstance(verifier, Ensemble) else ()
        if not any(isinstance(part, Detailed) for name, part in parts(verifier).items() if name not in ignored):
            raise SettingError(
                f'target is "{HOLDS}", but {verifier.name} gives a number only. Use a Checklist Verifier or a Text '
                "Verifier, or a score as the target."
            )
    elif isinstance(verifier, Ensemble):
        raise SettingError(
            f"target is {target.score:g}, but the scores of an ensemble compare candidates with each other, so none is "
            "good enough by itself. Use one verifier, or leave target empty."
        )
