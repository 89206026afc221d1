"""The setting `frames` of the search nodes: how many frames of a video are judged."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from node_calls import NODE_ID, call, node_class
from small_models import Brightness, SmallVAE, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
NODES = {
    "RandomSearch": {"candidates": 2},
    "ZeroOrderSearch": {"iterations": 1, "neighbors": 1, "cosine": 0.9},
    "PathSearch": {"paths": 1, "branches": 1, "start": 0.5, "forward": 0.2, "backward": 0.6},
}


def frames_seen(node: str, length: int, **given: Any) -> set[int]:
    """How many frames a question to the verifier had, for one candidate at a time of a video of that many."""
    verifier = Brightness()
    vae = SmallVAE(16, dims=3)
    model = small_model("FLOW", channels=16, dims=3)
    patched, _ = call(node, model=model, vae=vae, verifier=verifier, prompt="", batch_size=1, **NODES[node], **given)
    sample(patched, latent={"samples": torch.zeros(1, 16, length, 4, 4)}, steps=4)
    return set(verifier.asked)


@pytest.mark.parametrize("node", list(NODES))
def test_so_many_frames_are_judged(node: str) -> None:
    assert frames_seen(node, 5, frames=3) == {3}


def test_eight_when_nothing_is_said_and_all_for_0() -> None:
    assert frames_seen("RandomSearch", 11) == {8}
    assert frames_seen("RandomSearch", 11, frames=0) == {11}
    assert frames_seen("RandomSearch", 5) == {5}


@pytest.mark.parametrize("node", list(NODES))
def test_less_than_none_is_refused(node: str) -> None:
    with pytest.raises(ValueError, match=rf"\(node {NODE_ID}\): frames is -1, but it has to be at least 0"):
        frames_seen(node, 5, frames=-1)


@pytest.mark.parametrize("node", list(NODES))
def test_it_came_later_so_it_is_optional_and_behind_what_was_there(node: str) -> None:
    inputs = node_class(node).define_schema().inputs
    required = [entry.id for entry in inputs if not entry.optional]
    assert "frames" in [entry.id for entry in inputs[len(required) :]]
