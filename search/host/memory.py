"""Work that is done with as much at once as fits in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import comfy.model_management

CHUNK = 16  # images in one question to a verifier, latents in one to a VAE
OutOfMemory = comfy.model_management.OOM_EXCEPTION  # one that ends a node makes the host free its models
Piece = TypeVar("Piece")  # what is made of one part of the work


def in_chunks(work: Callable[[slice], Piece], count: int, alone: Callable[[int], str]) -> list[Piece]:
    """What `work` makes of each part of 0..count, in order. Parts are halved when memory runs out.

    Raises OutOfMemory when one does not fit even alone. alone: what there is no memory for then.
    """
    made: list[Piece] = []
    at, chunk = 0, CHUNK
    while at < count:
        comfy.model_management.throw_exception_if_processing_interrupted()
        part = slice(at, min(at + chunk, count))
        done = _try(work, part, alone)
        if done is None:
            chunk = (part.stop - at) // 2
            continue
        made.append(done)
        at = part.stop
    return made


def unload() -> None:
    """Free the GPU for others while nothing is computed; models are loaded again when they are needed."""
    comfy.model_management.unload_all_models()
    comfy.model_management.soft_empty_cache()


def too_little(what: str, error: BaseException) -> Exception:
    """The error for work that can not be made any smaller, from the one it ended with."""
    return OutOfMemory(
        f"not enough memory for {what}. Make the image smaller, or close what else uses the memory. ({error})"
    )


def is_oom(error: BaseException) -> bool:
    """Whether memory has run out, also behind an error that was made of that."""
    return any(map(comfy.model_management.is_oom, (error, error.__cause__)))


def _try(work: Callable[[slice], Piece], part: slice, alone: Callable[[int], str]) -> Piece | None:
    """None when several at once were too many for the memory."""
    try:
        return work(part)
    except Exception as error:
        if not is_oom(error):
            raise
        if part.stop - part.start == 1:
            raise too_little(alone(part.start), error.__cause__ or error) from error
    comfy.model_management.soft_empty_cache(force=True)
    return None
