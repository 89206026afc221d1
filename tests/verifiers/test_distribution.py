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
from PIL import Image

from reference_inputs import features, images
from small_inception import inception_weights

pytestmark = pytest.mark.usefixtures("comfy")
REFERENCES = json.loads((Path(__file__).parents[1] / "fixtures" / "references.json").read_text())
DISTANCES = REFERENCES["distances"]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"noise_search.verifiers.{name}")


@pytest.fixture(scope="module")
def network() -> Any:
    """The published network's shapes with drawn weights."""
    return module("networks.inception").Inception(inception_weights()).eval()


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


def inception_score(logits: torch.Tensor) -> float:
    """By what each image contributes, the others being the rest of the set."""
    ours = [
        module("distribution").divergences(logits[at : at + 1], torch.cat([logits[:at], logits[at + 1 :]]))
        for at in range(len(logits))
    ]
    return float(torch.cat(ours).mean().exp())


def test_divergences_make_the_published_inception_score() -> None:
    assert [inception_score(one) for one in sets()] == pytest.approx(DISTANCES["inception_score"], rel=1e-3)


def test_divergence_is_an_image_s_term_of_the_score() -> None:
    logits = sets()[0]
    whole = logits.softmax(-1).mean(0)
    terms = [(one.softmax(-1) * (one.log_softmax(-1) - whole.log())).sum() for one in logits]
    ours = [
        module("distribution").divergences(logits[at : at + 1], torch.cat([logits[:at], logits[at + 1 :]]))
        for at in (0, 7)
    ]
    torch.testing.assert_close(torch.cat(ours), torch.stack([terms[0], terms[7]]))


def look(pictures: torch.Tensor) -> Any:
    """Features and logits without a network: what the picture's colours say."""
    means = pictures.mean((1, 2))
    return module("distribution").Seen(means, 20 * means)


def pictures(count: int, brightness: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    colours = brightness + 0.1 * torch.randn(count, 1, 1, 3, generator=generator)
    return colours.expand(-1, 4, 4, -1)


def plain(level: float) -> torch.Tensor:
    return torch.full((1, 4, 4, 3), level)


def verifier(method: str, others: torch.Tensor, reference: torch.Tensor | None = None) -> Any:
    distribution = module("distribution")
    known = None if reference is None else distribution.statistics(look(reference).features)
    return distribution.Distribution(look, method, look(others), known)


def test_an_image_that_brings_the_set_nearer_to_the_reference_is_better() -> None:
    judge = verifier("FID", pictures(6, 0.4), pictures(50, 0.6, 1))
    scores = judge.score(torch.cat([plain(0.1), plain(0.7)]), ["", ""])
    assert scores[1] > 0 > scores[0]


def test_the_score_is_by_how_much_fid_falls() -> None:
    distribution, reference = module("distribution"), pictures(50, 0.6, 1)
    others, one = pictures(6, 0.4), plain(0.5)
    before, after = (
        distribution.frechet_distance(look(images).features, distribution.statistics(look(reference).features))
        for images in (others, torch.cat([others, one]))
    )
    assert verifier("FID", others, reference).score(one, [""])[0] == pytest.approx(before - after, rel=1e-5)


def test_a_set_that_begins_empty_is_judged_from_its_first_image_on() -> None:
    """The first is worth minus its FID, so all scores so far add up to minus the FID of the set."""
    distribution, reference = module("distribution"), pictures(50, 0.6, 1)
    known = distribution.statistics(look(reference).features)
    total, made = 0.0, pictures(4, 0.5, 2)
    for count in range(4):
        total += verifier("FID", made[:count], reference).score(made[count : count + 1], [""])[0]
        assert total == pytest.approx(-distribution.frechet_distance(look(made[: count + 1]).features, known), rel=1e-4)
    alone = look(made[:1]).features.double()[0]
    distance = (alone - known.mean).square().sum() + known.covariance.trace()
    assert distribution.frechet_distance(look(made[:1]).features, known) == pytest.approx(distance.item())


def test_what_the_set_lacks_contributes_most() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).expand(5, 4, 4, 3)
    blue = torch.tensor([0.0, 0.0, 1.0]).expand(1, 4, 4, 3)
    scores = verifier("Inception Score", red).score(torch.cat([red[:1], blue]), ["", ""])
    assert scores[1] > scores[0]


def test_nothing_diverges_from_an_empty_set() -> None:
    scores = verifier("Inception Score", pictures(0, 0.5)).score(pictures(3, 0.5), [""] * 3)
    torch.testing.assert_close(scores, torch.zeros(3, dtype=scores.dtype))


def test_fid_without_a_reference_is_refused() -> None:
    with pytest.raises(ValueError, match=r"choose an \.npz file or a folder of images, or connect reference images"):
        verifier("FID", pictures(3, 0.5))


def test_statistics_of_another_network_are_refused() -> None:
    distribution = module("distribution")
    others = distribution.statistics(features(1, 30))
    with pytest.raises(ValueError, match="are of 48 features, but the Inception network has 3"):
        distribution.Distribution(look, "FID", look(pictures(3, 0.5)), others)


@pytest.fixture(scope="module")
def thin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "thin.pth"
    torch.save(inception_weights(thinner=16), path)
    return path


def test_images_of_any_sizes_are_looked_at_in_batches(thin_file: Path) -> None:
    distribution = module("distribution")
    looker = distribution.Looker(distribution.load_network(thin_file))
    batches = [torch.rand(count, side, 40, 3) for count, side in ((2, 32), (1, 50))]
    seen = looker.all(batches)
    assert (seen.features.shape, seen.logits.shape) == ((3, 128), (3, 1008))
    torch.testing.assert_close(seen.features[2:], looker(batches[1]).features)
    assert [len(part) for part in looker.all([])] == [0, 0]


def save_all(folder: Path, images: torch.Tensor) -> None:
    folder.mkdir()
    for number, image in enumerate(images):
        levels = (image * 255).round().clamp(0, 255).byte().numpy()
        Image.fromarray(levels).save(folder / f"{number:03d}.png")


def test_statistics_of_a_folder_are_those_of_its_images(thin_file: Path, tmp_path: Path) -> None:
    distribution = module("distribution")
    shown = torch.rand(11, 20, 30, 3, generator=torch.Generator().manual_seed(0))
    save_all(tmp_path / "references", shown)
    made = distribution.folder_statistics(thin_file, tmp_path / "references", "a")
    looker = distribution.Looker(distribution.load_network(thin_file))
    expected = distribution.statistics(looker(shown).features)
    torch.testing.assert_close(made.mean, expected.mean, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(made.covariance, expected.covariance, rtol=1e-3, atol=1e-6)


def test_the_same_reference_folder_is_looked_at_once(
    thin_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = module("distribution")
    save_all(tmp_path / "references", torch.rand(3, 20, 30, 3))
    loaded: list[Path] = []
    load = distribution.load_network
    monkeypatch.setattr(distribution, "load_network", lambda path: (loaded.append(path), load(path))[1])
    made = [distribution.folder_statistics(thin_file, tmp_path / "references", state) for state in ("x", "x", "y")]
    assert made[0] is made[1] is not made[2]
    assert len(loaded) == 2


def test_a_folder_with_too_few_images_is_named(thin_file: Path, tmp_path: Path) -> None:
    save_all(tmp_path / "few", torch.rand(1, 20, 30, 3))
    with pytest.raises(ValueError, match=r"2 images or more \(PNG, JPG, WEBP\); .*few has 1"):
        module("distribution").folder_statistics(thin_file, tmp_path / "few", "z")


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
    (tmp_path / "half.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:100])
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("half", "empty"):
        with pytest.raises(errors, match=rf"{name}\.npz holds no FID statistics"):
            module("distribution").read_statistics(tmp_path / f"{name}.npz")
    numpy.savez(tmp_path / "odd.npz", mu=numpy.zeros(3), sigma=numpy.zeros((2, 2)))
    with pytest.raises(errors, match="mu has 3 numbers, but sigma is"):
        module("distribution").read_statistics(tmp_path / "odd.npz")


def test_another_network_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(module("files").WeightsError, match="is not the Inception network of FID"):
        module("distribution").load_network(tmp_path / "x.pth")
