"""The images of a folder."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.usefixtures("comfy")


def pictures() -> Any:
    return importlib.import_module("noise_search.verifiers.pictures")


def save(path: Path, level: int = 100, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path)
    return path


def test_images_are_listed_by_name_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.WEBP"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "d.png")
    assert [path.name for path in pictures().listed(tmp_path)] == ["a.jpg", "b.png", "c.WEBP"]
    assert pictures().listed(tmp_path / "missing") == []


def test_the_state_changes_with_the_images_only(tmp_path: Path) -> None:
    states = [pictures().state(tmp_path)]
    save(tmp_path / "a.png")
    states.append(pictures().state(tmp_path))
    save(tmp_path / "b.png")
    states.append(pictures().state(tmp_path))
    os.utime(tmp_path / "a.png", (1, 1))
    states.append(pictures().state(tmp_path))
    assert len(set(states)) == 4
    (tmp_path / "notes.txt").write_text("no image")
    pictures().read(tmp_path / "a.png")
    assert pictures().state(tmp_path) == states[-1]


def test_neighbours_of_one_size_come_together(tmp_path: Path) -> None:
    sizes = {"a": (6, 4), "b": (6, 4), "c": (6, 4), "d": (4, 4), "e": (6, 4)}
    paths = [save(tmp_path / f"{name}.png", 10 * at, size) for at, (name, size) in enumerate(sizes.items())]
    batches = list(pictures().batches(paths, 2))
    assert [batch.shape for batch in batches] == [(2, 4, 6, 3), (1, 4, 6, 3), (1, 4, 4, 3), (1, 4, 6, 3)]
    levels = torch.cat([batch[:, 0, 0, 0] for batch in batches]) * 255
    torch.testing.assert_close(levels, torch.tensor([0.0, 10.0, 20.0, 30.0, 40.0]))
    assert list(pictures().batches([], 2)) == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_every_kind_of_image_has_three_channels(tmp_path: Path, mode: str) -> None:
    assert torch.equal(pictures().read(save(tmp_path / "a.png", 51, mode=mode)), torch.full((4, 6, 3), 0.2))


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<html>")
    with pytest.raises(ValueError, match=r"a\.png can not be read as an image .* Remove it from the folder"):
        pictures().read(tmp_path / "a.png")
    whole = save(tmp_path / "b.png", size=(300, 300)).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"b\.png can not be read as an image"):
        pictures().read(tmp_path / "b.png")


def test_an_image_with_16_bits_is_refused_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(numpy.full((4, 6), 40000, dtype=numpy.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png has more than 8 bits a channel"):
        pictures().read(tmp_path / "a.png")
