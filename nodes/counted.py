"""Counting through lists of batches: what an index means, and what a list holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeVar

import torch
from comfy.nested_tensor import NestedTensor

T = TypeVar("T")


class CountedIndex(int):
    """An index that counts the items of a list of batches one by one. sizes: how many items each batch had."""

    sizes: tuple[int, ...]

    def __new__(cls, value: int, sizes: Sequence[int]) -> CountedIndex:
        made = super().__new__(cls, value)
        made.sizes = tuple(sizes)
        return made


def only(title: str, name: str, values: Sequence[T], what_to_do: str) -> T:
    """The one value of an input that takes one, on a node that takes lists as a whole. Raises ValueError for others."""
    if len(values) == 1:
        return values[0]
    raise ValueError(f"{title}: {name} holds a list of {len(values)}, and this node takes one. {what_to_do}")


def batch_size(value: Any) -> int:
    """How many items a list entry holds: a batch of images, masks or latents counts its items, anything else is one."""
    if isinstance(value, torch.Tensor) and value.ndim >= 3:
        return len(value)
    if isinstance(value, dict) and isinstance(value.get("samples"), torch.Tensor):
        return len(value["samples"])
    return 1


def made_at_once(value: Any) -> int:
    """How many images a list entry belongs to: as batch_size, and in audio and in latents of several parts as well."""
    if isinstance(value, dict):
        samples = value.get("samples", value.get("waveform"))
        if isinstance(samples, NestedTensor):
            return len(samples.unbind()[0])
        if isinstance(samples, torch.Tensor):
            return len(samples)
    return batch_size(value)


def item(batch: Any, index: int) -> Any:
    """Item `index` of a batch, as a batch of one."""
    if isinstance(batch, torch.Tensor):
        return batch[index : index + 1]
    count = made_at_once(batch)
    return {key: _part(value, index, count) for key, value in batch.items()}


def place(index: int, sizes: Sequence[int]) -> tuple[int, int] | None:
    """The batch that an index falls into, and the place there; None beyond the end."""
    ends = list(accumulate(sizes))
    entry = next((entry for entry, end in enumerate(ends) if index < end), None)
    return None if entry is None or index < 0 else (entry, index - ends[entry] + sizes[entry])


def _part(value: Any, index: int, count: int) -> Any:
    if isinstance(value, NestedTensor):
        parts = value.unbind()
        return NestedTensor([_part(part, index, count) for part in parts])
    return value[index : index + 1] if isinstance(value, (torch.Tensor, list)) and len(value) == count else value
