"""Where in a prompt a seed was set."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("comfy")


def found(nodes: dict[str, dict[str, Any]], seed: int = 20) -> tuple[str, str] | None:
    module = importlib.import_module("noise_search.search.host.seeds")
    return module.seed_input({name: {"inputs": inputs} for name, inputs in nodes.items()}, "1", seed)


def test_it_is_the_samplers_own() -> None:
    assert found({"1": {"steps": 20, "seed": 20, "model": ["2", 0]}, "2": {"seed": 20}}) == ("1", "seed")


def test_or_of_the_node_that_gives_it() -> None:
    assert found({"1": {"steps": 20, "seed": ["12:5", 0]}, "12:5": {"value": 20}}) == ("12:5", "value")
    noise = {"1": {"noise": ["2", 0], "guider": ["3", 0]}, "2": {"noise_seed": 20}, "3": {"seed": 20}}
    assert found(noise) == ("2", "noise_seed")
    assert found({"1": {"flow": ["2", 0], "patience": 20}, "2": {"seed": 20}}) == ("2", "seed")


def test_elsewhere_it_is_not_guessed() -> None:
    assert found({"1": {"steps": 20, "seed": 21}}) is None
    assert found({"1": {"seed": ["2", 0]}, "2": {"a": 10, "b": 10}}) is None
    assert found({"1": {"seed": ["1", 0]}}) is None
    assert found({}) is None
    assert found({"1": {"seed": True}}, seed=1) is None
