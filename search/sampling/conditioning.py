"""What the host prepared for the user's batch, for the rows of several candidates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

SEEDED_CONDITIONING = (  # conditioning into which the host mixes noise from the sampler's seed
    "unclip_conditioning",
    "noise_augmentation",
    "minimax_visual_cond_noise_aug",
    "minimax_audio_cond_noise_aug",
)

Conds = dict[str, list[dict[str, Any]]]


def tile(rows: Tensor | None, count: int) -> Tensor | None:
    """[B, ...] for each of `count` candidates, [count * B, ...]."""
    return rows if rows is None else rows.repeat(count, *[1] * (rows.ndim - 1))


def fix_batch(conds: dict[str, list[dict[str, Any]]], items: int) -> None:
    """Bring conditioning that differs by item to one entry an item, so that tiling it fits every candidate."""
    for cond in (cond for conds_of in conds.values() for cond in conds_of):
        fixed = {
            name: value.process_cond(batch_size=items, area=None) if _batch_of(value) not in (1, items) else value
            for name, value in cond.get("model_conds", {}).items()
        }
        cond["model_conds"] = fixed
        if _masks_of(cond) > 1:
            cond["mask"] = tile(cond["mask"][:items], max(items // _masks_of(cond), 1))


@contextmanager
def conditioning_of(guider: comfy.samplers.CFGGuider, items: Tensor, by_item: Conds | None = None) -> Iterator[None]:
    """Conditioning that differs by item, for rows of these items, while the block runs. by_item: not the guider's."""
    conds = guider.conds
    picked = conds if by_item is None else by_item
    guider.conds = {name: [_rows_of(cond, items) for cond in group] for name, group in picked.items()}
    try:
        yield
    finally:
        guider.conds = conds


def by_row(cond: dict[str, Any], count: int, items: int) -> dict[str, Any]:
    """A copy of conditioning that differs by item, as one entry per row of `count` candidates."""
    rows = torch.arange(count * items) % items
    return _rows_of(cond, rows)


def _rows_of(cond: dict[str, Any], items: Tensor) -> dict[str, Any]:
    picked = {}
    model_conds = cond.get("model_conds", {})
    if any(_batch_of(value) > 1 for value in model_conds.values()):
        picked["model_conds"] = {name: _pick(value, items) for name, value in model_conds.items()}
    if _masks_of(cond) > 1:
        picked["mask"] = cond["mask"][items.to(cond["mask"].device)]
    return {**cond, **picked}


def _masks_of(cond: dict[str, Any]) -> int:
    return cond["mask"].shape[0] if "mask" in cond else 1


def _pick(value: Any, items: Tensor) -> Any:
    if _batch_of(value) == 1:
        return value
    data = value.cond
    picked = [part[items.to(part.device)] for part in (data if isinstance(data, list) else [data])]
    return value._copy_with(picked if isinstance(data, list) else picked[0])


def _batch_of(value: Any) -> int:
    """How many items a host's COND object holds entries for; 1 when it is the same for all."""
    data = getattr(value, "cond", None)
    tensors = data if isinstance(data, list) else [data]
    return max((tensor.shape[0] for tensor in tensors if isinstance(tensor, Tensor) and tensor.ndim > 0), default=1)


def depends_on_batch(cond: dict[str, Any], hints: int) -> bool:
    """Whether a candidate's conditioning comes out differently beside other candidates: then it runs alone.

    hints: how many hint images a ControlNet may have, when not one.
    """
    return any(key in cond for key in SEEDED_CONDITIONING) or _hint_images(cond.get("control")) not in (1, hints)


def _hint_images(control: Any) -> int:
    """The largest number of hint images in a chain of ControlNets."""
    most = 1
    while control is not None:
        hint = getattr(control, "cond_hint_original", None)
        most = max(most, 1 if hint is None else hint.shape[0])
        control = getattr(control, "previous_controlnet", None)
    return most
