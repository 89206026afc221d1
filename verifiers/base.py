"""What every verifier looks like to the rest of the pack."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

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
