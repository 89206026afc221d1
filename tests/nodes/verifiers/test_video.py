"""The nodes that judge videos, in searches of videos."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import torch

from node_calls import call
from noise_search.verifiers.ensemble import Ensemble
from small_models import Brightness, SmallVAE, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
LATENT = torch.zeros(1, 16, 5, 4, 4)


@pytest.fixture(autouse=True)
def folder(comfy: Any) -> None:
    """The loaders offer what is in models/verifiers, which the pack makes known when it is loaded."""
    importlib.import_module("noise_search.verifiers.files").register()


def ran(verifier: Any, latent: torch.Tensor = LATENT, **given: Any) -> dict[str, Any]:
    model = small_model("FLOW", channels=16, dims=3)
    patched, search = call(
        "RandomSearch", model=model, vae=SmallVAE(16, dims=3), verifier=verifier, prompt="", candidates=6, **given
    )
    sample(patched, latent={"samples": latent}, steps=6)
    return json.loads(json.dumps(search.runs[0].reports[0].to_dict()))


def worst(verifier: Any) -> Any:
    return call("WorstFrame", verifier=verifier)[0]


def moves() -> Any:
    return call("VideoMotionVerifier")[0]


def test_the_worst_frame_is_at_most_the_mean() -> None:
    mean, least = ran(Brightness()), ran(worst(Brightness()))
    pairs = list(zip(least["candidates"], mean["candidates"], strict=True))
    assert all(one["score"] < other["score"] for one, other in pairs)


def test_a_bypassed_loader_bypasses_it_too() -> None:
    assert worst(None) is None


def test_what_is_no_verifier_is_an_error_with_its_name() -> None:
    with pytest.raises(RuntimeError, match=r"Worst Frame: the verifier input holds a dict"):
        worst({})


def test_motion_is_judged_on_all_frames_and_told_in_parts() -> None:
    report = ran(moves(), frames=2)
    for candidate in report["candidates"]:
        assert 0 < candidate["score"] < 1
        parts = candidate["details"]["video motion"]
        assert [part["text"] for part in parts] == ["steady", "smooth", "moving"]


@pytest.mark.parametrize("given", [{}, {"pruning": "progressive"}, {"pruning": "look ahead"}], ids=str)
def test_both_together_count_in_every_kind_of_search(given: dict[str, str]) -> None:
    report = ran(Ensemble([worst(Brightness()), moves()]), **given)
    assert all(set(one["scores"]) == {"brightness", "video motion"} for one in report["candidates"])


def test_an_image_has_no_motion_and_that_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"video motion failed on candidate 0.*at least 3"):
        ran(moves(), LATENT[:, :, :1])
