"""The images of a folder, as tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = ("PNG", "JPEG", "WEBP")  # whatever a file is called: others, such as EPS, PIL has a program read


def listed(folder: Path) -> list[Path]:
    """The image files right in the folder, by name; none when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def state(folder: Path) -> str:
    """Another one when images were added, removed or changed: a digest of their names, sizes and times."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in listed(folder)]
    return hashlib.sha1(repr(files).encode(), usedforsecurity=False).hexdigest()


def batches(paths: Iterable[Path], most: int) -> Iterator[Tensor]:
    """The images in order, [B, H, W, 3] in 0..1: neighbours of one size together, up to `most`."""
    for _, alike in groupby(map(read, paths), key=lambda image: image.shape):
        while batch := list(islice(alike, most)):
            yield torch.stack(batch)


def read(path: Path) -> Tensor:
    """[H, W, 3] in 0..1; without its alpha channel. Raises ValueError that names the file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"{path} has more than 8 bits a channel. Save it with 8.")
            levels = numpy.asarray(image.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} can not be read as an image ({error}). Remove it from the folder.") from error
    return torch.from_numpy(levels.copy()).float() / 255
