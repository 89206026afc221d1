"""What every verifier looks like to the rest of the pack, and how one is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Verifier(Protocol):
    """Judges images. Any object with these three members is a verifier; nothing has to be imported or inherited.

    name: shown in reports and error messages.
    needs_prompt: whether it judges by a text. A search without one takes the sampler's; elsewhere that is an error.
    """

    name: str
    needs_prompt: bool

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Score each image; higher is better.

        images: [B, H, W, 3], float in 0..1, on any device.
        prompts: B texts.
        Returns [B], float. Loads its own weights through ComfyUI's model management when it has any.
        """
        ...


@runtime_checkable
class Ensemble(Verifier, Protocol):
    """A verifier made of several, whose score of a candidate depends on which others it is judged with.

    Whoever judges candidates one after another asks each of `parts` for its score of every image, once, keeps these
    numbers, and calls `combine` over all candidates again whenever some were added. Combined scores of different calls
    can not be compared. `parts` says what to ask, `combine` how it counts; the functions of that name in this module
    do the same for any verifier.

    parts: verifiers by name. held_out: names of those that are recorded but do not count.
    """

    parts: dict[str, Verifier]
    held_out: frozenset[str]

    def combine(self, scores: dict[str, list[float]]) -> list[float]:
        """One number per candidate, from each part's numbers for the same candidates; higher is better.

        A candidate that no part puts below another never comes out below it: see `contenders`.
        """
        ...


@runtime_checkable
class NeedsPrediction(Verifier, Protocol):
    """A verifier that also looks at what the model predicted on the way: the x0 prediction at a low noise level.

    level: flow time in 0..1 (sigma / (1 + sigma) for models with sigmas); the prediction is that of the last step which
    starts at this level or above it.
    """

    level: float

    def score_with_prediction(self, images: Tensor, predictions: Tensor, prompts: list[str]) -> Tensor:
        """Scores [B] as `score`; predictions: [B, H, W, 3], those of the same candidates, decoded."""
        ...


@runtime_checkable
class ChecksPrompts(Verifier, Protocol):
    """A verifier that can not judge by every prompt, and says so before anything is made."""

    def check_prompt(self, prompt: str) -> None:
        """Raises ValueError that says what is wrong with the prompt and what to do."""
        ...


Details = list[dict[str, Any]]  # of one image, see Detailed


@runtime_checkable
class Detailed(Verifier, Protocol):
    """A verifier that judges an image part by part: words, requirements. It is asked for both at once."""

    def score_with_details(self, images: Tensor, prompts: list[str]) -> tuple[Tensor, list[Details]]:
        """Scores [B] as `score`; and of each image its parts, as plain JSON values.

        Each part has `text`, what it is; `score`, higher is better; `holds`, whether it is as it should be; and
        whatever else a report should have, such as a `box`.
        """
        ...


class Said(NamedTuple):
    """What a verifier says of one image. details: none of one that is not Detailed."""

    score: float
    details: Details = []


SLOWEST_FIRST = ("coarse", "fine", "fast")


@runtime_checkable
class Paced(Verifier, Protocol):
    """A verifier that says how candidates are best pruned by its scores of x0 predictions. Others have the pace "fine".

    pace: "fast" when its early scores are good: more start and fall sooner. "coarse" when a score takes as long as some
    steps of the sampler: it is asked less often. It is a property of the verifier and not measured in the search,
    because seconds differ from run to run and the same seed has to give the same winner.
    """

    pace: str


@runtime_checkable
class OfVideos(Verifier, Protocol):
    """A verifier that judges how the frames of a video follow each other, and so sees all of them together."""

    def score_videos(self, videos: Tensor, prompts: list[str]) -> tuple[Tensor, list[Details]]:
        """Scores [B], and the parts of each as in `Detailed`; videos: [B, frames, H, W, 3], float in 0..1."""
        ...


MEAN, WORST = "mean", "worst"


@runtime_checkable
class OverFrames(Verifier, Protocol):
    """A verifier of images that says what a video is worth by it: the mean over its frames, as of others, or the worst.

    over_frames: MEAN or WORST.
    """

    over_frames: str


class VerifierError(RuntimeError):
    """A verifier failed, or answered with something that is not a score for each image."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


def known(verifier: object, title: str) -> Verifier:
    """The verifier, once it is known to be one; title names the node in errors."""
    if not isinstance(verifier, Verifier):
        raise VerifierError(
            f"{title}: the verifier input holds a {type(verifier).__name__}, without name, needs_prompt or score(). "
            "Connect the VERIFIER output of a verifier loader."
        )
    try:
        pace(verifier)
    except VerifierError as error:
        raise VerifierError(f"{title}: {error}") from None
    return verifier


def require(verifier: object, prompt: str, title: str) -> Verifier:
    """The verifier, once it is known to be one and to have the prompt it needs; title names the node in errors."""
    judge = known(verifier, title)
    if judge.needs_prompt and not prompt.strip():
        raise VerifierError(
            f"{title}: {judge.name} judges how well an image fits a text, but the prompt is empty. "
            "Write the prompt it should judge by, usually the same as the positive prompt."
        )
    check_prompt(judge, prompt, title)
    return judge


def check_prompt(verifier: Verifier, prompt: str, title: str) -> None:
    """Raises VerifierError when one of the verifier's `parts` can not judge by this prompt; title names the node."""
    for name, part in parts(verifier).items():
        if isinstance(part, ChecksPrompts):
            try:
                part.check_prompt(prompt)
            except ValueError as error:
                raise VerifierError(f"{title}: {name}: {error}") from None


def ask(verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str]) -> list[float]:
    """The verifier's scores, one finite number per image.

    images: [B, H, W, 3], float in 0..1. prompts: B texts. name_of: what to call image i in an error.
    Raises VerifierError, naming verifier and image, from whatever the verifier raised.
    """
    names = names_of(len(images), name_of)
    values = _numbers(verifier, _answer(verifier, verifier.score, images, prompts, names), names)
    return _checked(verifier, values, images, name_of)


def ask_for_details(
    verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str]
) -> list[Said]:
    """As `ask`, with the details of a verifier that has them."""
    if not isinstance(verifier, Detailed):
        return [Said(score) for score in ask(verifier, images, prompts, name_of)]
    names = names_of(len(images), name_of)
    answer = _answer(verifier, verifier.score_with_details, images, prompts, names)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise VerifierError(f"{verifier.name} returned no pair of scores and details for {names}.")
    scores = _checked(verifier, _numbers(verifier, answer[0], names), images, name_of)
    if len(answer[1]) != len(images) or not all(map(_are_details, answer[1])):
        raise VerifierError(
            f"{verifier.name} returned details for {names} that are not, for each image, a list of parts with text, "
            "score and holds, as plain JSON values."
        )
    return [Said(score, details) for score, details in zip(scores, answer[1], strict=True)]


def _checked(verifier: Verifier, values: Tensor, images: Tensor, name_of: Callable[[int], str]) -> list[float]:
    """The scores, once they are a finite number for each image."""
    names = names_of(len(images), name_of)
    if len(values) != len(images):
        raise VerifierError(f"{verifier.name} returned {len(values)} scores for {len(images)} images ({names}).")
    for index, value in enumerate(values.tolist()):
        if not torch.isfinite(values[index]):
            raise VerifierError(f"{verifier.name} returned {value} for {name_of(index)}, which is not a score.")
    return values.tolist()


def names_of(count: int, name_of: Callable[[int], str]) -> str:
    """What to call all of `count` images in an error."""
    first, last = name_of(0), name_of(count - 1)
    return first if first == last else f"{first} to {last}"


def parts(verifier: Verifier) -> dict[str, Verifier]:
    """What to ask about every image, by name: the verifier, or those it is made of."""
    return dict(verifier.parts) if isinstance(verifier, Ensemble) else {verifier.name: verifier}


def pace(verifier: Verifier) -> str:
    """The slowest that any of its `parts` asks for; held-out ones too, because they are asked as often."""
    return min(map(_own_pace, parts(verifier).values()), key=SLOWEST_FIRST.index, default="fine")


def judges_videos(verifier: Verifier) -> bool:
    """Whether one of its `parts` judges the frames of a video together, and not one by one."""
    return any(isinstance(part, OfVideos) or over_frames(part) == WORST for part in parts(verifier).values())


def over_frames(verifier: Verifier) -> str:
    """MEAN or WORST, see OverFrames."""
    return verifier.over_frames if isinstance(verifier, OverFrames) else MEAN


def combine(verifier: Verifier, scores: dict[str, list[float]]) -> list[float]:
    """One number per candidate, from what each of `parts` said of the same candidates.

    One that has minus infinity, because there was no image to judge, keeps it, and counts for nothing among the others.
    """
    if not isinstance(verifier, Ensemble):
        return list(scores[verifier.name])
    count = max(map(len, scores.values()))
    judged = [at for at in range(count) if all(values[at] > -math.inf for values in scores.values())]
    combined = [-math.inf] * count
    if judged:
        among = {name: [values[at] for at in judged] for name, values in scores.items()}
        for at, score in zip(judged, verifier.combine(among), strict=True):
            combined[at] = score
    return combined


def contenders(verifier: Verifier, scores: dict[str, list[float]]) -> list[int]:
    """The candidates that may still turn out best when others are added: of each, no other is better or the same in
    all that counts (of equal ones the first). Only their latents need to be kept."""
    ignored = verifier.held_out if isinstance(verifier, Ensemble) else frozenset()
    points = list(zip(*(values for name, values in scores.items() if name not in ignored)))
    return [index for index in range(len(points)) if not _is_beaten(index, points)]


def _own_pace(verifier: Verifier) -> str:
    own = verifier.pace if isinstance(verifier, Paced) else "fine"
    if own not in SLOWEST_FIRST:
        raise VerifierError(f"{verifier.name} has the pace {own!r}; it has to be one of {', '.join(SLOWEST_FIRST)}.")
    return own


def _is_beaten(index: int, points: list[tuple[float, ...]]) -> bool:
    own = points[index]
    return any(
        all(theirs >= ours for theirs, ours in zip(other, own)) and (other != own or at < index)
        for at, other in enumerate(points)
        if at != index
    )


def _numbers(verifier: Verifier, answer: object, names: str) -> Tensor:
    """The answer as a flat float tensor on the CPU."""
    try:
        values = torch.as_tensor(answer).detach().flatten()
        if values.is_complex():
            raise TypeError("complex numbers have no order")
        return values.float().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise VerifierError(
            f"{verifier.name} returned a {type(answer).__name__} for {names}, which is not a number for each image "
            f"({error})."
        ) from error


def _are_details(details: Any) -> bool:
    try:
        json.dumps(details, allow_nan=False)
        return isinstance(details, list) and all(
            isinstance(part["text"], str) and isinstance(part["holds"], bool) and math.isfinite(part["score"])
            for part in details
        )
    except (ValueError, TypeError, KeyError):
        return False


def _answer(verifier: Verifier, method: Callable[..., Any], images: Tensor, prompts: list[str], names: str) -> Any:
    try:
        return method(images, prompts)
    except Exception as error:
        raise VerifierError(f"{verifier.name} failed on {names}: {type(error).__name__}: {error}") from error
