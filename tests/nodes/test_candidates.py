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


def select(candidates: list[Any], index: int, **given: Any) -> Any:
    return call("SelectCandidate", candidates=candidates, index=[index], **given)[0]


def best(index: int, *sizes: int) -> Any:
    """As best_index of Verifier Score, for a list of batches of so many images."""
    return importlib.import_module("noise_search.nodes.counted").CountedIndex(index, sizes)


def images(*sizes: int) -> list[Tensor]:
    return [torch.rand(size, 4, 4, 3) for size in sizes]


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


MADE_WITH = {
    "seeds": [5, 6, 7, 8],
    "noises": [object() for _ in range(4)],
    "prompts": ["a", "b", "c", "d"],
    "conditionings": [[[torch.zeros(1, 8, 4), {}]] for _ in range(4)],
    "models": [object() for _ in range(4)],
    "sigmas": [torch.linspace(1, 0, 5) for _ in range(4)],
    "latents of one": [{"samples": torch.zeros(1, 4, 8, 8)} for _ in range(4)],
    "masks of one": [torch.zeros(1, 4, 4) for _ in range(4)],
}


@pytest.mark.parametrize("kind", MADE_WITH)
def test_of_what_batches_were_made_with_it_is_the_entry_of_the_image(kind: str) -> None:
    candidates = MADE_WITH[kind]
    for index, entry in enumerate([0, 0, 1, 1, 2, 2, 3, 3]):
        assert select(candidates, best(index, 2, 2, 2, 2)) is candidates[entry]
        assert select(candidates, index, counted_in=images(2, 2, 2, 2)) is candidates[entry]


def test_batches_of_several_sizes() -> None:
    assert [select([5, 6, 7], best(index, 1, 3, 2)) for index in range(6)] == [5, 6, 6, 6, 7, 7]


def test_one_seed_of_one_batch() -> None:
    assert select([5], best(3, 4)) == 5


def test_lists_of_single_images_are_as_ever() -> None:
    seeds = list(range(5, 13))
    assert [select(seeds, best(index, *[1] * 8)) for index in range(8)] == seeds
    assert select(seeds, best(6, 8)) == 11, "all in one batch"
    batch = torch.rand(8, 4, 4, 3)
    assert torch.equal(select([batch], best(6, *[1] * 8)), batch[6:7])


def test_the_batches_themselves_are_cut() -> None:
    batches = images(2, 3)
    latents = [{"samples": torch.rand(2, 4, 8, 8)}, {"samples": torch.rand(3, 4, 8, 8)}]
    assert torch.equal(select(batches, best(3, 2, 3)), batches[1][1:2])
    assert torch.equal(select(latents, best(3, 2, 3))["samples"], latents[1]["samples"][1:2])


def test_sound_and_latents_of_several_parts_are_cut_with_their_images() -> None:
    sounds = [{"waveform": torch.rand(2, 2, 100), "sample_rate": 44100} for _ in range(2)]
    assert torch.equal(select(sounds, best(3, 2, 2))["waveform"], sounds[1]["waveform"][1:])
    latents = [{"samples": nested(torch.rand(2, 16, 2, 4, 4), torch.rand(2, 8, 20))} for _ in range(2)]
    chosen = select(latents, best(2, 2, 2))["samples"].unbind()
    assert torch.equal(chosen[1], latents[1]["samples"].unbind()[1][:1])


def test_the_frames_of_a_video_belong_to_its_latent() -> None:
    videos = [{"samples": torch.rand(1, 16, 3, 8, 8)} for _ in range(3)]
    assert select(videos, best(10, 9, 9, 9)) is videos[1]


@pytest.mark.parametrize(
    ("candidates", "sizes"),
    [([5, 6, 7, 8], (4, 4)), ([5, 6], (1, 1, 1)), ([5, 6, 7], (2, 2)), (images(2, 2), (1, 1, 1))],
)
def test_a_list_that_does_not_fit_the_images_is_refused(candidates: list[Any], sizes: tuple[int, ...]) -> None:
    said = f"counts {sum(sizes)} images in {len(sizes)} batches, but candidates is a list of {len(candidates)}"
    with pytest.raises(ValueError, match=f"Select Candidate: .*{said}.* one entry for each batch"):
        select(candidates, best(1, *sizes))
    with pytest.raises(ValueError, match="one entry for each batch"):
        select(candidates, 1, counted_in=images(*sizes))


def test_batches_that_are_not_those_of_the_images_are_refused() -> None:
    with pytest.raises(ValueError, match="image 3 is in batch 1, of 2, but candidate 1 is a batch of 3"):
        select(images(3, 3), best(3, 2, 2))


def test_images_that_are_not_those_that_were_counted_are_refused() -> None:
    with pytest.raises(ValueError, match="counts 4 images, but counted_in holds 3"):
        select([5, 6], best(3, 2, 2), counted_in=images(1, 2))
    assert select([5, 6], best(3, 4), counted_in=images(2, 2)) == 6, "put together before they were scored"


def test_a_place_beyond_the_counted_images() -> None:
    with pytest.raises(ValueError, match="no candidate 4; the list of images holds 4"):
        select([5, 6], 4, counted_in=images(2, 2))


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_list_of_indices_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"Select Candidate: index holds a list of {count}.* Candidate for each"):
        call("SelectCandidate", candidates=[5, 6, 7], index=[0] * count)
