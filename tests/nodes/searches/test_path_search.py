"""The levels of a path search as one choice."""

from __future__ import annotations

import importlib

import pytest

pytestmark = pytest.mark.usefixtures("comfy")
GIVEN = {"paths": 2, "branches": 2, "start": 0.5, "forward": 0.2, "backward": 0.4}


@pytest.mark.parametrize(
    ("chosen", "levels"),
    [
        ({"levels": "late"}, (0.11, 0.78, 0.81)),
        ({"levels": "early"}, (0.7, 0.1, 0.3)),
        ({"levels": "custom"}, (0.5, 0.2, 0.4)),
        ({}, (0.5, 0.2, 0.4)),  # a workflow from before there was the choice
    ],
)
def test_the_choice_decides_the_levels(chosen: dict[str, str], levels: tuple[float, float, float]) -> None:
    node = importlib.import_module("noise_search.nodes.searches.path_search").PathSearch
    method = node.method(**GIVEN, **chosen)
    assert (method.start, method.forward, method.backward) == levels
    assert (method.paths, method.branches) == (2, 2)
