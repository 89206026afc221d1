"""The loader nodes themselves: what they build from their inputs, and what they refuse."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from small_inception import inception_weights

IDS = {
    f"{name}Verifier"
    for name in (
        *("CLIPScore", "Aesthetic", "ImageReward", "PickScore", "HPS", "Class", "FeatureConsistency", "Reference"),
        *("Distribution", "VLM", "Checklist", "Text", "Ensemble"),
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
    ],
)
def test_what_an_ensemble_refuses(settings: dict[str, Any], message: str) -> None:
    error = module("verifiers.base").VerifierError
    with pytest.raises(error, match=message):
        loaders()["EnsembleVerifier"].execute(**({"verifiers": {"verifier0": Level("up")}} | settings))


def test_a_vlm_without_a_model_says_what_to_connect() -> None:
    with pytest.raises(ValueError, match=r"connect a CLIP that looks at images"):
        loaders()["VLMVerifier"].execute(ask="probability of yes")


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Distribution Verifier's node, with a network and statistics of two kinds in models/verifiers."""
    folder_paths = importlib.import_module("folder_paths")
    extensions = folder_paths.folder_names_and_paths["verifiers"][1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "verifiers", ([str(tmp_path)], extensions))
    monkeypatch.delitem(folder_paths.filename_list_cache, "verifiers", raising=False)
    torch.save(inception_weights(thinner=16), tmp_path / "thin.pth")
    for name, width in (("fitting", 128), ("other", 64)):
        numpy.savez(tmp_path / f"{name}.npz", mu=numpy.zeros(width), sigma=numpy.eye(width))
    return loaders()["DistributionVerifier"]


def made(node: Any, **given: Any) -> Any:
    """The verifier that the node makes."""
    values = {"model": ["thin.pth"], "measure": ["FID"], "images": [torch.rand(2, 20, 30, 3)]}
    return node.execute(**({name: value for name, value in (values | given).items() if value is not None})).args[0]


def test_a_set_of_images_of_several_sizes_and_statistics_from_a_file(distribution: Any) -> None:
    verifier = made(
        distribution, images=[torch.rand(2, 20, 30, 3), torch.rand(1, 40, 20, 3)], statistics=["fitting.npz"]
    )
    assert verifier.others.features.shape == (3, 128)
    assert verifier.score(torch.rand(2, 24, 24, 3), ["", ""]).shape == (2,)


def test_inception_score_needs_no_reference(distribution: Any) -> None:
    assert made(distribution, measure=["Inception Score"]).score(torch.rand(2, 24, 24, 3), ["", ""]).shape == (2,)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "choose an .npz file or a folder of images, or connect reference images"),
        ({"images": None}, "Distribution Verifier: no set to join. Connect images, or name the folder"),
        ({"statistics": ["other.npz"]}, "are of 64 features, but the Inception network has 128"),
        (
            {"statistics": ["fitting.npz"], "reference_images": [torch.rand(2, 20, 30, 3)]},
            "Distribution Verifier: statistics, reference_folder or reference_images: only one can be the reference",
        ),
        ({"reference_images": [torch.rand(1, 20, 30, 3)]}, "Reference statistics need at least 2 images"),
        ({"set_folder": ["../elsewhere"]}, "Invalid file path"),
        ({"reference_folder": ["gone"]}, "2 images or more .* has 0"),
    ],
)
def test_what_the_distribution_verifier_refuses(distribution: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(distribution, **settings)


def test_a_folder_named_over_a_wire_is_read_at_every_run(distribution: Any) -> None:
    fingerprints = [distribution.fingerprint_inputs(set_folder=[name]) for name in (None, None, "set", "set")]
    assert fingerprints[0] != fingerprints[1]
    assert fingerprints[2] == fingerprints[3]


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("ReferenceVerifier", {"model": ["a", "b"], "references": []}),
        ("ReferenceVerifier", {"model": ["a"], "references": [], "compare": ["mean", "nearest"]}),
        ("DistributionVerifier", {"model": ["a"], "measure": ["FID", "Inception Score"]}),
        ("DistributionVerifier", {"model": ["a"], "measure": ["FID"], "set_folder": ["one", "two"]}),
        ("DistributionVerifier", {"model": ["a"], "measure": ["FID"], "reference_folder": ["one", "two"]}),
    ],
)
def test_a_list_of_settings_is_refused_where_all_images_make_one_verifier(name: str, lists: dict[str, Any]) -> None:
    several = next(setting for setting, values in lists.items() if len(values) == 2)
    with pytest.raises(ValueError, match=f"Verifier: {several} holds a list of 2, .* use a node for each"):
        loaders()[name].execute(**lists)
