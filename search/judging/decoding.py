"""From latents to images, with the user's VAE: any object with a `decode` that VAE Decode could use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import comfy.utils
import torch
from torch import Tensor

from ...verifiers.base import names_of
from ..host.memory import in_chunks, is_oom
from ..records.failures import SAMPLER_NAN, VAE_NAN
from .flaws import not_finite

NameOf = Callable[[int], str]
MOST_OF_AN_ERROR = 200  # letters, in a reason


class DecodeError(RuntimeError):
    """Latents that the VAE can not make into images, whatever they are."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


class Decoded(NamedTuple):
    """images: [rows, frames, H, W, 3], float in 0..1, finite; frames is 1 unless it is a video. rows: which latents
    they come from, in order. failed: why the others have none. takes_one: whether the VAE has failed on several at once
    and not on each of them alone."""

    images: Tensor
    rows: list[int]
    failed: dict[int, str]
    takes_one: bool = False

    def of(self, rows: list[int]) -> Tensor:
        """Some of the images."""
        return self.images if rows == self.rows else self.images[[self.rows.index(row) for row in rows]]


def decode(vae: Any, latents: Tensor, shapes: Sequence[Sequence[int]], name_of: NameOf) -> Decoded:
    """Images of latents, and why some have none: NaN or infinite values in the latent or in the image.

    latents: [N, ...], as a sampler gives them out. shapes: those of the sampler's latent; of several (video with audio)
    the first is decoded. name_of: what to call latent i in an error.
    Raises DecodeError, naming latents, when the VAE fails on all that it is given or gives something else than images.
    """
    failed = dict.fromkeys(not_finite(latents), SAMPLER_NAN)
    sound = [row for row in range(len(latents)) if row not in failed]
    latent = comfy.utils.unpack_latents(latents, shapes)[0]

    def work(part: slice) -> Decoded:
        return _decode(vae, latent, sound[part], name_of)

    parts = in_chunks(work, len(sound), lambda at: f"the VAE to decode {name_of(sound[at])} alone")
    images = [part.images for part in parts if part.rows]
    for part in parts:
        failed |= part.failed
    return Decoded(
        torch.cat(images) if len(images) > 1 else images[0] if images else torch.empty(0, 1, 1, 1, 3),
        [*chain.from_iterable(part.rows for part in parts)],
        failed,
        any(part.takes_one for part in parts),
    )


def _decode(vae: Any, latent: Tensor, rows: list[int], name_of: NameOf) -> Decoded:
    """Some rows at once; what does not come out is tried again alone, as it would be without a search."""
    try:
        images = _ask(vae, latent[rows], names_of(len(rows), lambda at: name_of(rows[at])))
    except DecodeError as error:
        if len(rows) == 1 or is_oom(error):
            raise
        return _one_by_one(vae, latent, rows, name_of, error)
    wrong = not_finite(images)
    if not wrong:
        return Decoded(images, rows, {})
    again = {} if len(rows) == 1 else {rows[at]: _alone(vae, latent, rows[at], name_of) for at in wrong}
    mended = {row: image for row, image in again.items() if isinstance(image, Tensor)}
    failed = {rows[at]: VAE_NAN for at in wrong if rows[at] not in mended}
    kept = [at for at, row in enumerate(rows) if row not in failed]
    whole = torch.cat([mended.get(rows[at], images[at : at + 1]) for at in kept]) if mended else images[kept]
    return Decoded(whole, [rows[at] for at in kept], failed)


def _one_by_one(vae: Any, latent: Tensor, rows: list[int], name_of: NameOf, error: DecodeError) -> Decoded:
    """Raises the error that several had together when none of them comes out alone."""
    alone = {row: _alone(vae, latent, row, name_of) for row in rows}
    images = {row: image for row, image in alone.items() if isinstance(image, Tensor)}
    failed = {row: reason for row, reason in alone.items() if isinstance(reason, str)}
    if not images:
        raise error
    return Decoded(torch.cat([*images.values()]), [*images], failed, takes_one=not failed)


def _alone(vae: Any, latent: Tensor, row: int, name_of: NameOf) -> Tensor | str:
    """The image [1, frames, H, W, 3] of one latent, or why there is none."""
    try:
        image = _ask(vae, latent[[row]], name_of(row))
    except DecodeError as error:
        if is_oom(error):
            raise
        return _reason(error)
    return VAE_NAN if not_finite(image) else image


def _ask(vae: Any, latent: Tensor, names: str) -> Tensor:
    """What the VAE makes of latents [N, ...], as [N, frames, H, W, 3]. names: of the latents in an error."""
    try:
        images = vae.decode(latent)
    except Exception as error:
        raise DecodeError(f"the VAE failed on {names}: {type(error).__name__}: {error}") from error
    if not isinstance(images, Tensor):
        raise DecodeError(
            f"the VAE gave a {type(images).__name__} for {names}, not a tensor of images [batch, height, width, "
            "channels] as VAE Decode needs. Connect another VAE."
        )
    shape = list(images.shape)
    if images.ndim == 4:  # one image each, or the frames of one video
        images = images.unsqueeze(0 if len(latent) == 1 else 1)
    if images.ndim != 5 or len(images) != len(latent) or 0 in shape or shape[-1] < 3:
        raise DecodeError(
            f"the VAE gave values of shape {shape} for {names}, not an image for each. "
            "Connect the VAE that belongs to the model."
        )
    return images[..., :3].float()


def _reason(error: DecodeError) -> str:
    """What is kept of an error as the reason why a candidate failed."""
    if error.__cause__ is None:
        return "the VAE gave no image"
    text = " ".join(f"the VAE failed with {type(error.__cause__).__name__}: {error.__cause__}".split())
    return text if len(text) <= MOST_OF_AN_ERROR else f"{text[:MOST_OF_AN_ERROR]}..."
