"""Which row of a sampler call is which candidate's image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Grid(NamedTuple):
    """Rows of one call: the images of the first candidate, then those of the second, and so on. images: of the user's
    batch. first: the number of the candidate in the first rows."""

    images: int
    first: int = 0

    def place(self, row: int) -> tuple[int, int]:
        """The image and the number of the candidate in a row."""
        return row % self.images, self.first + row // self.images

    def row(self, image: int, at: int) -> int:
        """Where an image of candidate `at` of this call is."""
        return at * self.images + image

    def of_image(self, image: int, rows: Iterable[int]) -> list[int]:
        """Those of the rows that are of this image."""
        return [row for row in rows if row % self.images == image]
