"""What listens to the user's sampler step by step: it hears the winner's steps once, in order.

The progress and previews of a search go through ComfyUI's own listener, which only shows them. A listener of another
kind, which keeps what it hears or counts steps, hears nothing until the winner is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.nested_tensor
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ..host.strangers import is_known
from ..records.recipe import Recipe
from .call import SamplerCall

Step = tuple[Tensor, Tensor]  # x0, x [B, ...]


def is_kept(call: SamplerCall) -> bool:
    """Whether somebody wants to hear each step of the winner: a listener that is not ComfyUI's, or stands behind it."""
    return call.callback is not None and not is_known(call.callback, depth=1)


def shows(call: SamplerCall, total: int) -> Callable[[int, Tensor, Tensor], None]:
    """What shows the search's progress of so many steps, on the sampler's node with its preview."""
    if not is_kept(call):
        listener = call.callback
    else:
        plain = latent_preview.prepare_callback(call.guider.model_patcher, total)
        listener = plain if len(call.shapes) == 1 else _in_parts(plain, call.shapes)

    def show(step: int, x0: Tensor, x: Tensor) -> None:
        if listener is not None:
            listener(step, x0, x, total)

    return show


def tell(call: SamplerCall, way: Sequence[Step], x0: Tensor, latents: Tensor, total: int) -> None:
    """Let the listener hear of the winner: its way, or its last step where that is all that counts.

    way: the winner's steps. x0, latents: of its end [B, ...]. total: steps of the whole search.
    """
    if call.callback is None:
        return
    if not is_kept(call):  # the sampler node takes its last x0 from here
        call.callback(total - 1, x0.to(call.latent_image.device), latents, total)
        return
    device = call.guider.model_patcher.load_device
    for step, (predicted, x) in enumerate(way):
        call.callback(step, predicted.to(device), x.to(device), call.steps)


def least_steps(recipes: Sequence[Recipe], steps: int) -> int:
    """How many steps listeners hear at least of these winners: those of the schedule where a path's last stretch has
    fewer. A solver that makes fewer of its own (dpm_fast) does so without a search as well."""
    return steps if any(recipe.path is not None for recipe in recipes) else 0


def side_by_side(ways: Sequence[Sequence[Step]], least: int) -> list[Step]:
    """The ways of the winners of a batch as one, at least so many steps long.

    One that is shorter, as the last stretch of a path is, begins with its first step as often as it needs to.
    """
    if not all(ways):
        return []
    length = max(least, *map(len, ways))
    filled = [[*[way[0]] * (length - len(way)), *way] for way in ways]
    return [(torch.stack([x0 for x0, _ in step]), torch.stack([x for _, x in step])) for step in zip(*filled)]


def _in_parts(listener: Callable[..., None], shapes: Sequence[Any]) -> Callable[..., None]:
    """Of a latent of several parts, which samplers see as one, the listener hears the parts."""

    def listen(step: int, x0: Tensor, x: Tensor, total: int) -> None:
        parts = [comfy.nested_tensor.NestedTensor(comfy.utils.unpack_latents(one, shapes)) for one in (x0, x)]
        listener(step, *parts, total)

    return listen
