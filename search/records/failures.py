"""Why a candidate has no image that can be judged, in words, and when the whole search has failed with its candidates.

Reasons are short clauses; the board in the browser translates them (web/texts_*.js).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .candidate import Candidate

SAMPLER_NAN = "the sampler gave NaN or infinite values"
VAE_NAN = "the VAE gave NaN or infinite values"
LOOP_NAN = "the loop gave an image with NaN or infinite values"
ONE_COLOR = "the image came out in one single color"
HINTS = {
    SAMPLER_NAN: "; without a search the image would be black. Try a lower CFG, another sampler, or the model in a "
    "higher precision.",
    VAE_NAN: ", as some do in half precision. Try another VAE, or start ComfyUI with --fp32-vae.",
    LOOP_NAN: ", as networks and VAEs do in half precision. Try a lower CFG, or start ComfyUI with --fp32-vae.",
    ONE_COLOR: ", as nodes give it that put black in the place of NaN. Try a lower CFG, another VAE, or --fp32-vae.",
}
ALL_OF = 8  # when so many have run and all have failed, the search ends early
MOST_NAMED = 12


class CandidatesFailed(RuntimeError):
    """So many candidates have failed that there is nothing to choose from."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


def summary(candidates: Sequence[Candidate]) -> str:
    """How many have failed, why, and which; empty when none has."""
    by_reason: dict[str, list[int]] = {}
    for one in candidates:
        if one.failed:
            by_reason.setdefault(one.failed, []).append(one.index)
    if not by_reason:
        return ""
    count = sum(map(len, by_reason.values()))
    reasons = "; ".join(f"{reason} for {_names(indices)}" for reason, indices in by_reason.items())
    return f"{count} of {len(candidates)} candidates failed: {reasons}"


def hopeless(candidates: Sequence[Candidate]) -> bool:
    """Whether a search that goes on would only meet more of the same: the first that ran have all failed."""
    return len(candidates) >= ALL_OF and all(one.failed for one in candidates)


def failure(candidates: Sequence[Candidate], image: str = "") -> str | None:
    """Why a search that has ended has failed: it has no image to give, or the image without search and most of the
    others have failed. None when it has not. image: added to a candidate's name.

    What was stopped on the way because its preview could not be decoded might have come out, and is not counted.
    """
    ran = [one for one in candidates if one.repeats is not None] or list(candidates)  # drafts can not win
    first = next((one for one in ran if one.is_baseline), None)
    lost = [one for one in ran if one.failed and (one.stopped_at_step is None or one.failed == SAMPLER_NAN)]
    is_most = first in lost and 2 * (len(lost) - 1) > len(ran) - 1
    failed = [one for one in ran if one.failed]
    if not failed or not (is_most or not any(one.is_finished for one in ran)):
        return None
    worst = first if first is not None and first.failed else failed[0]
    number = worst.index if worst.repeats is None else worst.repeats
    told = f"{worst.failed} for candidate {number}{image}{HINTS.get(worst.failed, '.')}"
    return f"{told} {summary(candidates)}."


def _names(indices: Sequence[int]) -> str:
    if len(indices) == 1:
        return f"candidate {indices[0]}"
    shown = ", ".join(map(str, indices[:MOST_NAMED]))
    return f"candidates {shown}" + (f" and {len(indices) - MOST_NAMED} more" if len(indices) > MOST_NAMED else "")
