"""What every verifier looks like to the rest of the pack, and how one is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Verifier(Protocol):
    """Judges images. Any object with these three members is a verifier; nothing has to be imported or inherited.

    name: shown in reports and error messages.
    needs_prompt: whether an empty prompt is an error.
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


class VerifierError(RuntimeError):
    """A verifier failed, or answered with something that is not a score for each image."""


def require(verifier: object, prompt: str, title: str) -> Verifier:
    """The verifier, once it is known to be one and to have the prompt it needs; title names the node in errors."""
    if not isinstance(verifier, Verifier):
        raise VerifierError(
            f"{title}: the verifier input holds a {type(verifier).__name__}, without name, needs_prompt or score(). "
            "Connect the VERIFIER output of a verifier loader."
        )
    if verifier.needs_prompt and not prompt.strip():
        raise VerifierError(
            f"{title}: {verifier.name} judges how well an image fits a text, but the prompt is empty. "
            "Write the prompt it should judge by, usually the same as the positive prompt."
        )
    return verifier


def ask(verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str]) -> list[float]:
    """The verifier's scores, one finite number an image.

    images: [B, H, W, 3], float in 0..1. prompts: B texts. name_of: what to call image i in an error.
    Raises VerifierError, naming verifier and image, from whatever the verifier raised.
    """
    scores = _answer(verifier, images, prompts, name_of)
    values = torch.as_tensor(scores).detach().flatten().float().cpu()
    if len(values) != len(images):
        raise VerifierError(f"{verifier.name} returned {len(values)} scores for {len(images)} images.")
    for index, value in enumerate(values.tolist()):
        if not torch.isfinite(values[index]):
            raise VerifierError(f"{verifier.name} returned {value} for {name_of(index)}, which is not a score.")
    return values.tolist()


def _answer(verifier: Verifier, images: Tensor, prompts: list[str], name_of: Callable[[int], str]) -> Tensor:
    try:
        return verifier.score(images, prompts)
    except Exception as error:
        names = name_of(0) if len(images) == 1 else f"{name_of(0)} to {name_of(len(images) - 1)}"
        raise VerifierError(f"{verifier.name} failed on {names}: {type(error).__name__}: {error}") from error
