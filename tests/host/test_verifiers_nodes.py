"""The loader nodes themselves: what they build from their inputs, and what they refuse."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

IDS = {
    f"{name}Verifier"
    for name in (
        *("CLIPScore", "Aesthetic", "ImageReward", "PickScore", "HPS", "Class", "FeatureConsistency", "Reference"),
        *("Distribution", "VLM", "Ensemble"),
    )
}


@pytest.fixture(autouse=True)
def on_load(pack: Any) -> None:
    """What the pack does when ComfyUI has loaded it."""
    module("verifiers.files").register()


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.{name}")


def loaders() -> dict[str, Any]:
    return {node.define_schema().node_id: node for node in module("nodes").NODES if "Verifier" in node.__name__}


class Level:
    """The mean of the image, times a factor."""

    needs_prompt = False

    def __init__(self, name: str, factor: float = 1.0):
        self.name, self.factor = name, factor

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return self.factor * images.flatten(1).mean(1)


def test_every_loader_is_there_with_one_verifier_as_output() -> None:
    assert set(loaders()) >= IDS
    for name in IDS:
        schema = loaders()[name].define_schema()
        assert schema.category == "noise search/verifiers"
        assert [output.io_type for output in schema.outputs] == ["VERIFIER"]
        assert "verifier" in " ".join(schema.search_aliases)


def test_an_ensemble_from_its_inputs() -> None:
    execute = loaders()["EnsembleVerifier"].execute
    judges = {"verifier0": Level("up"), "verifier1": Level("down", -1.0), "verifier2": None}
    ensemble = execute(verifiers=judges, combine="rank mean", weights="2, 1", held_out=Level("out")).args[0]
    assert list(ensemble.parts) == ["up", "down", "out"]
    assert ensemble.held_out == {"out"}
    scores = ensemble.score(torch.stack([torch.zeros(2, 2, 3), torch.ones(2, 2, 3)]), ["", ""])
    assert scores.tolist() == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"weights": "1, a lot"}, "weights are numbers with commas"),
        ({"weights": "1, 2"}, "1 verifiers needs as many weights, but was given 2"),
        ({"held_out": object()}, "Ensemble Verifier: the verifier input holds a object"),
        ({"verifiers": {}}, "at least one verifier"),
    ],
)
def test_what_an_ensemble_refuses(settings: dict[str, Any], message: str) -> None:
    error = module("verifiers.base").VerifierError
    with pytest.raises(error, match=message):
        loaders()["EnsembleVerifier"].execute(**({"verifiers": {"verifier0": Level("up")}} | settings))


def test_a_vlm_without_a_model_says_what_to_connect() -> None:
    with pytest.raises(ValueError, match=r"connect a CLIP that looks at images"):
        loaders()["VLMVerifier"].execute(ask="probability of yes")
