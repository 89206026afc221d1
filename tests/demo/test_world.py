"""Pictures: the same for the same seed, and as their caption says."""

import numpy as np

from noise_search.demo.scene import SIZE
from noise_search.demo.world import EXTENT, GAP, RADII, Example, random_example


def examples(count: int, seed: int) -> list[Example]:
    rng = np.random.default_rng(seed)
    return [random_example(rng) for _ in range(count)]


def test_same_seed_same_pictures() -> None:
    first, again, other = examples(5, 1), examples(5, 1), examples(5, 2)
    assert [example.caption for example in first] == [example.caption for example in again]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again))
    assert not all(np.array_equal(a.image, b.image) for a, b in zip(first, other))


def test_pictures_are_what_the_network_expects() -> None:
    image = examples(1, 0)[0].image
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8


def test_shapes_stay_apart_and_inside() -> None:
    for _, scene, _ in examples(100, 3):
        for index, a in enumerate(scene.shapes):
            assert GAP <= min(a.x, a.y) - EXTENT * a.radius
            assert max(a.x, a.y) + EXTENT * a.radius <= SIZE - GAP
            for b in scene.shapes[:index]:
                assert max(abs(a.x - b.x), abs(a.y - b.y)) >= EXTENT * (a.radius + b.radius)


def test_sizes_are_as_the_caption_says() -> None:
    for _, scene, caption in examples(100, 4):
        sizes = [group.size for group in caption.groups for _ in range(group.count)]
        for shape, size in zip(scene.shapes, sizes):
            low, high = RADII[size]
            assert low <= shape.radius <= high
