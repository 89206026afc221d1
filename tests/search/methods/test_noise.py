"""Noises: neighbours on the sphere, and which seed a candidate has."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from noise_search.search.methods.noise import candidate_seed, neighbor

SHAPES = [(16,), (4, 8, 8), (1, 4, 8, 8), (16, 3, 8, 8), (2, 4, 3, 8, 8)]
ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=generator(seed)).to(dtype)


def cosine_of(a: Tensor, b: Tensor) -> float:
    a, b = a.double().flatten(), b.double().flatten()
    return float(a @ b / (a.norm() * b.norm()))


@given(st.sampled_from(SHAPES), st.floats(-1, 1), st.integers(0, 2**63 - 1), st.floats(1e-3, 1e3))
def test_a_neighbour_has_the_pivots_norm_and_exactly_the_cosine(
    shape: tuple[int, ...], cosine: float, seed: int, scale: float
) -> None:
    pivot = noise(*shape) * scale
    near = neighbor(pivot, cosine, generator(seed))
    assert near.shape == pivot.shape
    assert near.dtype == pivot.dtype
    assert float(near.double().norm()) == pytest.approx(float(pivot.double().norm()), rel=1e-6)
    assert cosine_of(near, pivot) == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_a_neighbour_keeps_dtype_norm_and_cosine_as_far_as_the_dtype_can_tell(dtype: torch.dtype) -> None:
    pivot = noise(4, 32, 32, dtype=dtype)
    near = neighbor(pivot, 0.9, generator())
    assert near.dtype == dtype
    assert float(near.double().norm()) == pytest.approx(float(pivot.double().norm()), rel=ROUNDING[dtype])
    assert cosine_of(near, pivot) == pytest.approx(0.9, abs=ROUNDING[dtype])


def test_a_pivot_that_is_not_contiguous() -> None:
    pivot = noise(8, 8, 4).movedim(-1, 0)
    assert torch.equal(neighbor(pivot, 0.9, generator()), neighbor(pivot.contiguous(), 0.9, generator()))


def test_no_noise_has_no_neighbours() -> None:
    assert torch.equal(neighbor(torch.zeros(4, 8, 8), 0.9, generator()), torch.zeros(4, 8, 8))


def test_cosine_1_is_the_pivot_itself() -> None:
    pivot = noise(4, 8, 8)
    assert torch.allclose(neighbor(pivot, 1.0, generator()), pivot, atol=1e-6)


def test_a_seed_replays_its_neighbour() -> None:
    pivot = noise(4, 8, 8)
    assert torch.equal(neighbor(pivot, 0.9, generator(5)), neighbor(pivot, 0.9, generator(5)))
    assert not torch.equal(neighbor(pivot, 0.9, generator(5)), neighbor(pivot, 0.9, generator(6)))


def test_one_seed_gives_one_direction_at_every_cosine() -> None:
    pivot = noise(4, 8, 8)
    far, close = (neighbor(pivot, cosine, generator(5)) - cosine * pivot for cosine in (0.1, 0.9))
    assert cosine_of(far, close) == pytest.approx(1, abs=1e-6)


def test_the_pivot_is_left_alone() -> None:
    pivot = noise(4, 8, 8)
    before = pivot.clone()
    neighbor(pivot, 0.5, generator())
    assert torch.equal(pivot, before)


def test_a_neighbour_of_a_noise_is_distributed_as_noise() -> None:
    pivot = noise(64, 64, 4)
    near = neighbor(pivot, 0.5, generator(9))
    assert float(near.mean()) == pytest.approx(0, abs=0.03)
    assert float(near.std()) == pytest.approx(float(pivot.std()), abs=0.02)
    kurtosis = float(((near - near.mean()) / near.std()).pow(4).mean())
    assert kurtosis == pytest.approx(3, abs=0.2)


def test_neighbours_of_one_pivot_share_no_direction() -> None:
    pivot, draw = noise(64, 64, 4), generator(2)
    directions = [neighbor(pivot, 0.0, draw) for _ in range(4)]
    for index, one in enumerate(directions):
        assert cosine_of(one, pivot) == pytest.approx(0, abs=1e-6)
        assert all(abs(cosine_of(one, other)) < 0.03 for other in directions[:index])


@given(st.integers(0, 2**50 - 1), st.integers(0, 10_000))
def test_seeds_that_a_browser_can_hold_stay_so(seed: int, index: int) -> None:
    assert 0 <= candidate_seed(seed, index) < 2**50


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000))
def test_every_seed_is_one_that_the_host_accepts(seed: int, index: int) -> None:
    assert 0 <= candidate_seed(seed, index) < 2**64


@given(st.integers(0, 2**64 - 1))
def test_candidate_0_has_the_seed_itself_and_no_two_share_one(seed: int) -> None:
    seeds = [candidate_seed(seed, index) for index in range(100)]
    assert seeds[0] == seed
    assert len(set(seeds)) == 100


@pytest.mark.parametrize(
    ("seed", "index", "expected"),
    [
        (7, 3, 10),
        (2**50 - 1, 1, 0),
        (2**50 - 2, 3, 1),
        (2**50, 1, 2**50 + 1),
        (2**64 - 1, 1, 0),
        (2**64 - 2, 1, 0),
        (2**64 - 3, 1, 2**64 - 2),
        (2**64 - 3, 2, 0),
    ],
)
def test_seeds_count_up_and_wrap(seed: int, index: int, expected: int) -> None:
    assert candidate_seed(seed, index) == expected
