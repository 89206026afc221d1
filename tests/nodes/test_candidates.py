"""Noise Candidates and Select Candidate: the explicit form."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from node_calls import call

pytestmark = pytest.mark.usefixtures("comfy")

LATENT = {"samples": torch.zeros(2, 4, 8, 8)}


def random_noise(seed: int) -> Any:
    return importlib.import_module("comfy_extras.nodes_custom_sampler").Noise_RandomNoise(seed)


def nested(*parts: Tensor) -> Any:
    return importlib.import_module("comfy.nested_tensor").NestedTensor(list(parts))


def cosines(a: Tensor, b: Tensor) -> list[float]:
    return torch.nn.functional.cosine_similarity(a.flatten(1).double(), b.flatten(1).double()).tolist()


def select(candidates: list[Any], index: int) -> Any:
    return call("SelectCandidate", candidates=candidates, index=[index])[0]


def test_noises_and_seeds_are_those_of_consecutive_seeds() -> None:
    noises, seeds = call("NoiseCandidates", seed=5, count=3)
    assert seeds == [5, 6, 7] == [noise.seed for noise in noises]
    for noise, seed in zip(noises, seeds, strict=True):
        assert torch.equal(noise.generate_noise(LATENT), random_noise(seed).generate_noise(LATENT))


def test_seeds_stay_where_a_browser_can_hold_them() -> None:
    assert call("NoiseCandidates", seed=2**50 - 1, count=3)[1] == [2**50 - 1, 0, 1]
    assert call("NoiseCandidates", seed=2**64 - 1, count=2)[1] == [2**64 - 1, 0]


@pytest.mark.parametrize("count", [0, -1])
def test_no_candidates_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        call("NoiseCandidates", seed=5, count=count)


def test_with_a_pivot_candidate_0_is_the_pivot() -> None:
    pivot = random_noise(99)
    noises, seeds = call("NoiseCandidates", seed=5, count=3, pivot=pivot, cosine=0.9)
    assert noises[0] is pivot
    assert seeds == [5, 6, 7]


@pytest.mark.parametrize("cosine", [0.0, 0.5, 0.95, 1.0])
def test_neighbours_have_the_cosine_and_the_norm_of_the_pivot_in_every_item(cosine: float) -> None:
    noises, _ = call("NoiseCandidates", seed=5, count=3, pivot=random_noise(99), cosine=cosine)
    pivot, *neighbours = (noise.generate_noise(LATENT) for noise in noises)
    for neighbour in neighbours:
        assert neighbour.shape == pivot.shape
        assert cosines(neighbour, pivot) == pytest.approx([cosine] * 2, abs=1e-5)
        assert neighbour.flatten(1).norm(dim=1).tolist() == pytest.approx(pivot.flatten(1).norm(dim=1).tolist())


def test_neighbours_differ_from_each_other_and_replay() -> None:
    def drawn(seed: int) -> list[Tensor]:
        noises, _ = call("NoiseCandidates", seed=seed, count=4, pivot=random_noise(99), cosine=0.5)
        return [noise.generate_noise(LATENT) for noise in noises]

    first, again, other = drawn(5), drawn(5), drawn(6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], first[2])
    assert torch.equal(first[2], other[1]), "a direction belongs to its seed, not to its place"


def test_the_items_of_a_batch_go_different_ways() -> None:
    pivot = random_noise(99)
    neighbour = call("NoiseCandidates", seed=5, count=2, pivot=pivot, cosine=0.0)[0][1]
    moved = neighbour.generate_noise(LATENT)
    assert abs(cosines(moved[:1], moved[1:])[0]) < 0.3


def test_the_steps_of_a_neighbour_are_as_random_as_the_pivots() -> None:
    """Ancestral samplers draw from the noise's seed: only the start may differ."""
    noises, _ = call("NoiseCandidates", seed=5, count=3, pivot=random_noise(99))
    assert [noise.seed for noise in noises] == [99, 99, 99]


def test_a_neighbour_of_a_neighbour() -> None:
    near = call("NoiseCandidates", seed=5, count=2, pivot=random_noise(99), cosine=0.9)[0][1]
    noises, _ = call("NoiseCandidates", seed=50, count=2, pivot=near, cosine=0.8)
    pivot, neighbour = (noise.generate_noise(LATENT) for noise in noises)
    assert cosines(pivot, neighbour) == pytest.approx([0.8, 0.8], abs=1e-5)


def test_every_part_of_a_nested_latent_moves() -> None:
    latent = {"samples": nested(torch.zeros(1, 16, 2, 4, 4), torch.zeros(1, 8, 20))}
    noises, _ = call("NoiseCandidates", seed=5, count=2, pivot=random_noise(99), cosine=0.7)
    pivot, neighbour = (noise.generate_noise(latent).unbind() for noise in noises)
    assert [part.shape for part in neighbour] == [part.shape for part in pivot]
    for part, of_pivot in zip(neighbour, pivot, strict=True):
        assert cosines(part, of_pivot) == pytest.approx([0.7], abs=1e-5)


def test_a_pivot_without_noise_is_refused() -> None:
    empty = importlib.import_module("comfy_extras.nodes_custom_sampler").Noise_EmptyNoise()
    noises, _ = call("NoiseCandidates", seed=5, count=2, pivot=empty)
    with pytest.raises(ValueError, match="the pivot is empty"):
        noises[1].generate_noise(LATENT)


def test_an_image_of_a_list_is_the_very_same() -> None:
    images = [torch.rand(1, 4, 4, 3) for _ in range(3)]
    assert select(images, 1) is images[1]


def test_images_of_batches_count_one_by_one() -> None:
    one, two = torch.rand(3, 4, 4, 3), torch.rand(2, 8, 8, 3)
    assert torch.equal(select([one, two], 2), one[2:])
    assert torch.equal(select([one, two], 3), two[:1])


def test_masks_of_a_batch() -> None:
    masks = torch.rand(3, 4, 4)
    assert torch.equal(select([masks], 1), masks[1:2])


def test_a_latent_of_a_list_is_the_very_same() -> None:
    latents = [{"samples": torch.rand(1, 4, 8, 8)} for _ in range(2)]
    assert select(latents, 1) is latents[1]


def test_a_latent_of_a_batch_takes_its_mask_and_its_place_along() -> None:
    latent = {
        "samples": torch.rand(3, 4, 8, 8),
        "noise_mask": torch.rand(3, 1, 64, 64),
        "batch_index": [4, 7, 9],
        "downscale_ratio_spacial": 8,
    }
    chosen = select([latent], 1)
    assert torch.equal(chosen["samples"], latent["samples"][1:2])
    assert torch.equal(chosen["noise_mask"], latent["noise_mask"][1:2])
    assert chosen["batch_index"] == [7]
    assert chosen["downscale_ratio_spacial"] == 8
    assert latent["samples"].shape == (3, 4, 8, 8), "the input stays whole"


def test_a_mask_that_all_items_share_stays() -> None:
    mask = torch.rand(1, 1, 64, 64)
    assert select([{"samples": torch.rand(3, 4, 8, 8), "noise_mask": mask}], 2)["noise_mask"] is mask


def test_a_video_latent_is_cut_by_item_and_not_by_frame() -> None:
    latent = {"samples": torch.rand(2, 16, 3, 8, 8)}
    assert torch.equal(select([latent], 1)["samples"], latent["samples"][1:])


def test_a_nested_latent_is_one_candidate() -> None:
    latents = [{"samples": nested(torch.rand(2, 16, 2, 4, 4), torch.rand(2, 8, 20))} for _ in range(2)]
    assert select(latents, 1) is latents[1]


@pytest.mark.parametrize(
    "candidates",
    [
        [11, 22, 33],
        ["a", "b", "c"],
        [0.1, 0.2, 0.3],
        [torch.linspace(1, 0, 5) * scale for scale in (1.0, 2.0, 3.0)],
        [[["conditioning", {}]], [["other", {}]], [["third", {}]]],
        [{"waveform": torch.rand(2, 2, 100), "sample_rate": 44100} for _ in range(3)],
    ],
    ids=["ints", "strings", "floats", "sigmas", "conditioning", "audio"],
)
def test_anything_else_counts_as_one(candidates: list[Any]) -> None:
    assert select(candidates, 1) is candidates[1]


@pytest.mark.parametrize(
    ("candidates", "index", "held"),
    [
        ([1, 2, 3], 3, 3),
        ([torch.rand(2, 4, 4, 3), torch.rand(1, 4, 4, 3)], 3, 3),
        ([{"samples": torch.rand(2, 4)}], 9, 2),
    ],
)
def test_a_place_beyond_the_end_says_how_many_there_are(candidates: list[Any], index: int, held: int) -> None:
    with pytest.raises(ValueError, match=f"no candidate {index}; the list holds {held}, counted from 0"):
        select(candidates, index)


def test_a_negative_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no candidate -1; the list holds 2"):
        select([1, 2], -1)
