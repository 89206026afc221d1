"""Limits of the search nodes that came over a wire, past what the host checks."""

from __future__ import annotations

from typing import Any

import pytest

from node_calls import NODE_ID, call
from small_models import Brightness, SmallVAE, small_model

pytestmark = pytest.mark.usefixtures("comfy")
METHODS = {
    "RandomSearch": {"candidates": 4},
    "ZeroOrderSearch": {"iterations": 2, "neighbors": 2, "cosine": 0.9},
    "PathSearch": {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4},
}
BELOW = "but it has to be at least 0"
WHOLE = "but it has to be a whole number"
ODD = {
    "negative seconds": ({"max_seconds": -1.0}, f"max_seconds is -1.0, {BELOW}"),
    "no seconds": ({"max_seconds": float("nan")}, f"max_seconds is nan, {BELOW}"),
    "a text": ({"max_seconds": "long"}, "max_seconds is 'long', but it has to be a number"),
    "a negative batch": ({"batch_size": -1}, f"batch_size is -1, {BELOW}"),
    "half a batch": ({"batch_size": 1.5}, f"batch_size is 1.5, {WHOLE}"),
    "half a step": ({"search_steps": 1.5}, f"search_steps is 1.5, {WHOLE}"),
    "nothing": ({"frames": None}, f"frames is None, {WHOLE}"),
}


@pytest.mark.parametrize("node", METHODS)
@pytest.mark.parametrize(("limit", "message"), ODD.values(), ids=ODD)
def test_a_limit_that_is_none_is_refused_by_name(node: str, limit: dict[str, Any], message: str) -> None:
    inputs = {"model": small_model("EPS"), "vae": SmallVAE(), "verifier": Brightness(), "prompt": ""}
    with pytest.raises(ValueError, match=rf"Search \(node {NODE_ID}\): {message}") as raised:
        call(node, **(inputs | METHODS[node] | limit))
    assert type(raised.value) is ValueError, "people would read the module path of any class of ours"


@pytest.mark.parametrize("node", ["RandomSearch", "ZeroOrderSearch"])
def test_negative_patience_is_refused_by_name(node: str) -> None:
    inputs = {"model": small_model("EPS"), "vae": SmallVAE(), "verifier": Brightness(), "prompt": ""}
    with pytest.raises(ValueError, match=f"patience is -1, {BELOW}"):
        call(node, **(inputs | METHODS[node]), patience=-1)


def test_a_cosine_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Noise Candidates: cosine is nan; it has to be from 0 to 1"):
        call("NoiseCandidates", seed=0, count=2, cosine=float("nan"))
