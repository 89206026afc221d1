"""What an index into lists of batches means."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("comfy")


def counted() -> Any:
    return importlib.import_module("noise_search.nodes.counted")


def nested(*shapes: tuple[int, ...]) -> Any:
    parts = [torch.rand(shape) for shape in shapes]
    return importlib.import_module("comfy.nested_tensor").NestedTensor(parts)


def test_a_counted_index_is_a_number_like_any_other() -> None:
    index = counted().CountedIndex(3, [2, 2])
    assert index == 3
    assert isinstance(index, int)
    assert (str(index), json.dumps([index]), [*"abcd"][index]) == ("3", "[3]", "d")
    assert index.sizes == (2, 2)


@pytest.mark.parametrize(
    ("index", "place"), [(0, (0, 0)), (1, (0, 1)), (2, (2, 0)), (4, (2, 2)), (5, None), (-1, None)]
)
def test_the_batch_that_an_index_falls_into(index: int, place: tuple[int, int] | None) -> None:
    assert counted().place(index, [2, 0, 3]) == place


@pytest.mark.parametrize("values", [[], ["a", "b"], ["a", "a"]])
def test_a_list_where_one_is_meant_is_refused_with_what_to_do(values: list[str]) -> None:
    with pytest.raises(ValueError, match=f"^Node: text holds a list of {len(values)}, .* takes one. Do this.$"):
        counted().only("Node", "text", values, "Do this.")
    assert counted().only("Node", "text", ["a"], "Do this.") == "a"


@pytest.mark.parametrize(
    ("value", "size", "at_once"),
    [
        (torch.zeros(3, 4, 4, 3), 3, 3),
        (torch.zeros(3, 4, 4), 3, 3),
        (torch.zeros(5), 1, 1),
        ({"samples": torch.zeros(2, 16, 5, 4, 4)}, 2, 2),
        ({"waveform": torch.zeros(2, 2, 100), "sample_rate": 44100}, 1, 2),
        ([["conditioning", {}], ["more", {}]], 1, 1),
        ("text", 1, 1),
    ],
    ids=["images", "masks", "sigmas", "video", "audio", "conditioning", "text"],
)
def test_how_many_there_are_in_a_list_entry(value: Any, size: int, at_once: int) -> None:
    assert (counted().batch_size(value), counted().made_at_once(value)) == (size, at_once)


def test_an_item_of_a_latent_of_several_parts() -> None:
    latent = {"samples": nested((2, 16, 3, 4, 4), (2, 8, 20)), "noise_mask": torch.rand(2, 1, 8, 8), "kind": "av"}
    assert counted().made_at_once(latent) == 2
    item = counted().item(latent, 1)
    whole = latent["samples"].unbind()
    for part, of_all in zip(item["samples"].unbind(), whole, strict=True):
        assert torch.equal(part, of_all[1:])
    assert torch.equal(item["noise_mask"], latent["noise_mask"][1:])
    assert item["kind"] == "av"


def test_an_item_of_audio() -> None:
    audio = {"waveform": torch.rand(3, 2, 100), "sample_rate": 44100}
    item = counted().item(audio, 2)
    assert torch.equal(item["waveform"], audio["waveform"][2:])
    assert item["sample_rate"] == 44100
