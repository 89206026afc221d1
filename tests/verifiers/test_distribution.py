"""FID and Inception Score: torch-fidelity's and torchmetrics' numbers, and what one image changes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
import torch

from reference_inputs import draw, features, images

pytestmark = pytest.mark.usefixtures("comfy")
REFERENCES = json.loads((Path(__file__).parents[1] / "fixtures" / "references.json").read_text())
DISTANCES = REFERENCES["distances"]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"noise_search.verifiers.{name}")


@pytest.fixture(scope="module")
def network() -> Any:
    """The published network's shapes with drawn weights."""
    shapes = {"fc.weight": [1008, 2048], "fc.bias": [1008]}
    for key, shape in REFERENCES["inception"]["kernels"].items():
        norm = key.replace("conv.weight", "bn")
        shapes |= {
            key: shape,
            **{f"{norm}.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")},
        }
    return module("inception").Inception({name: draw(name, shape) for name, shape in shapes.items()}).eval()


def test_the_network_is_torch_fidelity_s(network: Any) -> None:
    for number, image in enumerate(images()[:2]):
        with torch.inference_mode():
            outputs = network(image.movedim(-1, 0)[None].float())
        for output, name in zip(outputs, ("features", "logits")):
            expected = torch.tensor(REFERENCES["inception"][name][number])
            assert (output[0, :40] - expected).abs().max() < 1e-3 * expected.abs().max()


def sets() -> list[torch.Tensor]:
    return [features(1, 30).double(), features(2, 200).double(), features(3, 90).double()]


@pytest.mark.parametrize("published", ["fid", "fid_torchmetrics"])
def test_fid_is_the_published_one_for_small_and_large_sets(published: str) -> None:
    distribution = module("distribution")
    for number, (one, other) in enumerate([(0, 1), (2, 1), (1, 2)]):
        ours = distribution.frechet_distance(sets()[one], distribution.statistics(sets()[other]))
        assert ours == pytest.approx(DISTANCES[published][number], rel=1e-3)


def test_inception_score_is_the_published_one() -> None:
    ours = [module("distribution").inception_score(one) for one in sets()]
    assert ours == pytest.approx(DISTANCES["inception_score"], rel=1e-3)


def test_divergence_is_an_image_s_term_of_the_score() -> None:
    logits = sets()[0]
    whole = logits.softmax(-1).mean(0)
    terms = [(one.softmax(-1) * (one.log_softmax(-1) - whole.log())).sum() for one in logits]
    ours = [
        module("distribution").divergences(logits[at : at + 1], torch.cat([logits[:at], logits[at + 1 :]]))
        for at in (0, 7)
    ]
    torch.testing.assert_close(torch.cat(ours), torch.stack([terms[0], terms[7]]))
    assert torch.stack(terms).mean().exp() == pytest.approx(module("distribution").inception_score(logits))


class Means:
    """Features and logits without a network: what the picture's colours say."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked.append(len(pictures))
        means = pictures.mean((1, 2))
        return means, 20 * means


def pictures(count: int, brightness: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    colours = brightness + 0.1 * torch.randn(count, 1, 1, 3, generator=generator)
    return colours.expand(-1, 4, 4, -1)


def test_an_image_that_brings_the_set_nearer_to_the_reference_is_better() -> None:
    look = Means()
    verifier = module("distribution").Distribution(look, "FID", pictures(6, 0.4), pictures(50, 0.6, 1))
    dark, fitting = (torch.full((1, 4, 4, 3), level) for level in (0.1, 0.7))
    scores = verifier.score(torch.cat([dark, fitting]), ["", ""])
    assert scores[1] > 0 > scores[0]
    verifier.score(dark, [""])
    assert look.asked == [6, 50, 2, 1]


def test_what_the_set_lacks_contributes_most() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).expand(5, 4, 4, 3)
    verifier = module("distribution").Distribution(Means(), "Inception Score", red)
    blue = torch.tensor([0.0, 0.0, 1.0]).expand(1, 4, 4, 3)
    scores = verifier.score(torch.cat([red[:1], blue]), ["", ""])
    assert scores[1] > scores[0]


@pytest.mark.parametrize(
    "method, others, reference, message",
    [
        ("FID", 3, None, "choose an .npz file, or connect reference images"),
        ("FID", 1, 3, "FID is of a set: connect the images that a candidate joins, not 1"),
        ("Inception Score", 0, None, "Inception Score is of a set"),
    ],
)
def test_what_is_refused(method: str, others: int, reference: int | None, message: str) -> None:
    given = None if reference is None else pictures(reference, 0.5)
    with pytest.raises(ValueError, match=message):
        module("distribution").Distribution(Means(), method, pictures(others, 0.5), given)


def test_statistics_in_the_usual_npz_form(tmp_path: Path) -> None:
    distribution = module("distribution")
    made = distribution.statistics(sets()[1])
    numpy.savez(tmp_path / "reference.npz", mu=made.mean.numpy(), sigma=made.covariance.numpy())
    read = distribution.read_statistics(tmp_path / "reference.npz")
    torch.testing.assert_close(read.covariance, made.covariance)
    assert distribution.frechet_distance(sets()[0], read) == pytest.approx(DISTANCES["fid"][0], rel=1e-3)


def test_statistics_that_are_none_are_named(tmp_path: Path) -> None:
    errors = module("files").WeightsError
    numpy.savez(tmp_path / "other.npz", x=numpy.zeros(3))
    with pytest.raises(errors, match=r"other\.npz holds no FID statistics"):
        module("distribution").read_statistics(tmp_path / "other.npz")
    numpy.savez(tmp_path / "odd.npz", mu=numpy.zeros(3), sigma=numpy.zeros((2, 2)))
    with pytest.raises(errors, match="mu has 3 numbers, but sigma is"):
        module("distribution").read_statistics(tmp_path / "odd.npz")


def test_another_network_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(module("files").WeightsError, match="is not the Inception network of FID"):
        module("distribution").load_network(tmp_path / "x.pth")
