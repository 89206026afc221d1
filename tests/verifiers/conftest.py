"""No verifier turns to a network, whatever it is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import no_network


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    with no_network.watched():
        yield
