"""Other positive conditionings that candidates may be drawn with: a prompt said in several ways.

What takes the place of the user's own is the text alone; areas, masks, ControlNets, guidance and whatever else hangs on
the user's positive conditioning stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import comfy.sampler_helpers
import comfy.samplers
import torch
from torch import Tensor

from ..records.recipe import Recipe
from .conditioning import Conds, fix_batch
from .variety import Varied, varied

POSITIVE = "positive"
WORDED = (
    "A seed alone does not give the image of a candidate with another wording: write the recipe's wording as the "
    "prompt, or use Replay Noise with the recipe and the same positives."
)


WORDED_IN_LOOPS = (
    "A seed alone does not give the image of a candidate with another wording: its wording, in the recipe, has to be "
    "the prompt."
)


class Variant(NamedTuple):
    """A wording, and what a text encoder of ComfyUI makes of it (CONDITIONING)."""

    text: str
    conditioning: list[Any]


class Wordings:
    """Of one search, by their texts; "" is the user's own. Raises ValueError for two conditionings of one text."""

    def __init__(self, variants: Sequence[Variant]):
        self.variants = {variant.text: variant.conditioning for variant in variants}
        if len(self.variants) < len(variants) or "" in self.variants:
            raise ValueError("the texts of positives have to differ, and none may be empty.")

    @property
    def texts(self) -> tuple[str, ...]:
        return ("", *self.variants)

    def conds(self, own: Conds, text: str) -> Conds:
        """The guider's conditioning with this text. Raises ValueError where there is no one text that it could replace,
        or the text is none of these."""
        if not text:
            return own
        if text not in self.variants:
            raise ValueError(
                f"the recipe's wording {text!r} is none of the positives. Connect the Prompt Variants that the search "
                'had; or write that wording as the prompt, and take "wording" out of the recipe.'
            )
        positive = own.get(POSITIVE, [])
        if len(positive) != 1:
            raise ValueError(
                f"positives take the place of one positive conditioning, and this sampler has {len(positive)} (areas, "
                "or several that were combined). Take the positives off the search, or combine nothing."
            )
        said = comfy.sampler_helpers.convert_cond(self.variants[text])
        return {**own, POSITIVE: [{**positive[0], **one} for one in said]}

    def encoded(self, own: list[Any], text: str) -> list[Any]:
        """A CONDITIONING with this text. Raises ValueError as `conds` does."""
        if not text:
            return own
        if len(own) != 1:
            raise ValueError(
                f"positives take the place of one positive conditioning, and what is connected to `positive` is "
                f"{len(own)} (areas, or several that were combined). Take the positives off, or combine nothing."
            )
        ((_, kept),) = own
        return [[said, {**kept, **more}] for said, more in self.variants[text]]

    def check(self, own: Conds) -> None:
        """Raises ValueError when they can not take the place of this sampler's positive."""
        for text in self.variants:
            self.conds(own, text)

    def named(self, recipe: Recipe) -> Recipe:
        """With what the wording was encoded to, as scores of it are kept: another text encoder gives other images."""
        if not recipe.wording:
            return recipe
        digest = hashlib.sha256()
        for tensor in _tensors(self.variants[recipe.wording]):
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return recipe._replace(wording=f"{recipe.wording} {digest.hexdigest()[:16]}")


class Worded(NamedTuple):
    """Conditioning for the rows of one wording. conds: None for that which the guider has. varied: see variety.py."""

    conds: Conds | None
    varied: Varied | None


class Said:
    """What the rows of a call are drawn with. texts: of each row. worded: by text; the first is what the guider has."""

    def __init__(self, texts: Sequence[str], worded: dict[str, Worded]):
        self.texts = texts
        self.worded = worded

    def of(self, rows: Tensor) -> Worded:
        """Of rows that are drawn with the same."""
        return self.worded[self.texts[int(rows[0])]]

    def in_order(self, rows: Tensor) -> Tensor:
        """Those of one wording after another."""
        if len(self.worded) < 2:
            return rows
        order = list(self.worded)
        return torch.stack(sorted(rows, key=lambda row: order.index(self.texts[int(row)])))

    def first(self, rows: Tensor) -> Tensor:
        """The first of these rows, as many as are drawn with the same."""
        texts = [self.texts[row] for row in rows.tolist()]
        return rows[: next((at for at, text in enumerate(texts) if text != texts[0]), len(rows))]


def say(guider: Any, trajectories: Any, starting: Sequence[Sequence[Recipe]], ready: Any, seed: int | None) -> Said:
    """Conditioning of each wording of the candidates, made ready as the host has made the guider's.

    ready: noise, latent image and mask, as the host has them. seed: as the sampler was given it.
    """
    noise, latent, mask = ready
    given = {"noise": noise, "device": noise.device, "latent_image": latent, "denoise_mask": mask, "seed": seed}
    given["latent_shapes"] = trajectories.call.extra.get("latent_shapes")
    sigmas = trajectories.stretches.sigmas
    texts = [recipe.wording for recipes in starting for recipe in recipes]
    found = {texts[0]: Worded(None, varied(guider.conds, starting, sigmas))}
    for text in dict.fromkeys(texts[1:]):
        if text in found:
            continue
        conds = comfy.samplers.process_conds(guider.inner_model, conds=trajectories.conds_of(text), **given)
        fix_batch(conds, len(starting[0]))
        found[text] = Worded(conds, varied(conds, starting, sigmas))
    return Said(texts, found)


def _tensors(value: Any) -> list[Tensor]:
    """All that there are in a conditioning, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return [tensor for part in parts for tensor in _tensors(part)]
