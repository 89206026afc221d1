"""Which draw a noise is recognised as, and which NOISE objects can be asked for other seeds."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from foreign_noises import (
    DrawnBefore,
    Frozen,
    ImageSeeds,
    Mixed,
    Named,
    Pyramid,
    Seedless,
    Stateful,
    Uniform,
    Variation,
    host_draw,
)

pytestmark = pytest.mark.usefixtures("comfy")
SHAPE = (2, 4, 8, 8)
LATENT = {"samples": torch.zeros(SHAPE)}


@pytest.fixture
def draws(comfy: ModuleType) -> Any:
    return importlib.import_module("noise_search.search.sampling.draws")


@pytest.mark.parametrize("noise", [Pyramid(7), Uniform(7), Variation(7), ImageSeeds(7, 3)])
def test_a_noise_that_its_seed_decides_can_be_asked(draws: Any, noise: Any) -> None:
    draw = draws.ask(noise, noise.generate_noise(LATENT), 7, LATENT)
    assert draw.kind == type(noise).__name__
    before = noise.seed
    noise.seed = 12
    expected = noise.generate_noise(LATENT)
    noise.seed = before
    assert torch.equal(draw(12), expected)
    assert noise.seed == 7, "the user's object stays as it is"


@pytest.mark.parametrize("noise", [Frozen(7), Named(7)])
def test_objects_that_do_not_change_are_asked_as_copies(draws: Any, noise: Any) -> None:
    draw = draws.ask(noise, noise.generate_noise(LATENT), 7, LATENT)
    assert torch.equal(draw(12), type(noise)(12).generate_noise(LATENT))
    assert noise.seed == 7


def test_an_interrupt_ends_the_look_for_places(draws: Any) -> None:
    management = importlib.import_module("comfy.model_management")
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        draws.find_places(torch.rand(1, 4, 8, 8), 7, [(1, 4, 8, 8)], torch.float32)


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (Stateful(7), "Stateful, asked again, gives another noise than the sampler was given"),
        (DrawnBefore(7, SHAPE), "the seed of DrawnBefore does not decide its noise"),
        (Mixed(Pyramid(7), Pyramid(8)), "Mixed can not be asked for another seed"),
        (Seedless(), "Seedless has no seed"),
    ],
)
def test_others_can_not_and_it_is_said_why(draws: Any, noise: Any, reason: str) -> None:
    assert draws.ask(noise, noise.generate_noise(LATENT), 7, LATENT).startswith(reason)


def test_a_noise_near_another_is_not_a_kind_of_its_own(draws: Any) -> None:
    objects = importlib.import_module("noise_search.search.sampling.noise_objects")
    near = objects.NoiseNear(Seeded(7), 3, 0.9)
    assert "does not decide" in draws.ask(near, near.generate_noise(LATENT), 7, LATENT)


class Seeded:
    """ComfyUI's own."""

    def __init__(self, seed: int):
        self.seed = seed

    def generate_noise(self, latent: dict[str, Any]) -> Any:
        return host_draw(latent["samples"], self.seed)


def test_a_noise_that_is_another_one_than_the_samplers(draws: Any) -> None:
    assert isinstance(draws.ask(Pyramid(7), Pyramid(7, 2).generate_noise(LATENT), 7, LATENT), str)


def test_what_an_object_does_to_the_latent_stays_with_it(draws: Any) -> None:
    class Careless(Pyramid):
        def generate_noise(self, latent: dict[str, Any]) -> Tensor:
            latent["samples"].fill_(5)
            return super().generate_noise(latent)

    latent = {"samples": torch.zeros(SHAPE)}
    draws.drawn(Careless(1), latent)
    assert not latent["samples"].any()


@pytest.mark.parametrize("places", [[0], [5, 2], [63], [64], [1000, 3, 1000], [4095]])
@pytest.mark.parametrize("shape", [(4, 8, 8), (3, 5, 7), (16, 1, 8, 8)])
def test_places_in_a_large_batch_are_found(draws: Any, places: list[int], shape: tuple[int, ...]) -> None:
    samples = torch.zeros(len(places), *shape)
    given = host_draw(samples, 7, places)
    assert draws.find_places(given, 7, [samples.shape], given.dtype) == places


def test_a_noise_that_is_nowhere_in_the_batch(draws: Any) -> None:
    given = torch.ones(2, 4, 8, 8)
    assert not draws.find_places(given, 7, [given.shape], given.dtype)


def test_places_are_looked_for_no_longer_than_some_seconds(draws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "MOST_NUMBERS", 256 * 100)
    for place, found in ((99, [99]), (100, None)):
        given = host_draw(torch.zeros(1, 4, 8, 8), 7, [place])
        assert draws.find_places(given, 7, [given.shape], given.dtype) == found
    monkeypatch.setattr(draws, "MOST_NUMBERS", 1)
    given = host_draw(torch.zeros(1, 4, 8, 8), 7, [63])
    assert draws.find_places(given, 7, [given.shape], given.dtype) == [63]
