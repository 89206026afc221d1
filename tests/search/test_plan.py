"""What a search node was set to: which of its inputs say what a candidate is worth, and which only what is tried."""

from __future__ import annotations

import importlib
from dataclasses import fields, replace
from typing import Any

import pytest

from noise_search.search.methods import registered
from noise_search.search.methods.checks import SettingError
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.plan import Limits, Plan, which_noises

JUDGING = {"model", "vae", "verifier", "prompt", "frames"}


def search_nodes() -> list[Any]:
    return importlib.import_module("noise_search.nodes.searches").registered()


@pytest.mark.usefixtures("comfy")
def test_every_input_of_a_search_node_either_judges_or_says_what_is_tried() -> None:
    assert not JUDGING & which_noises()
    for node in search_nodes():
        names = {given.id for given in node.define_schema().inputs}
        assert names - JUDGING <= which_noises(), node
        assert names >= JUDGING, node


@pytest.mark.usefixtures("comfy")
def test_a_node_has_an_input_for_every_setting_of_its_method() -> None:
    assert {node.METHOD for node in search_nodes()} == set(registered().values())
    for node in search_nodes():
        given = [one.id for one in [*node.settings(), *node.latest()]]
        assert given == [field.name for field in fields(node.METHOD)], node


def test_drafts_and_finalists_are_planned() -> None:
    plan = Plan("a search", RandomSearch(10), Limits(search_steps=5))
    assert plan.total_steps(20) == 10 * 5 + 3 * 20
    assert plan.total_steps(5) == 10 * 5, "as many steps as the sampler has are no drafts"


def test_small_searches_run_fewer_finalists() -> None:
    plan = Plan("a search", RandomSearch(64), Limits(search_steps=5))
    assert plan.finalists(20) == 3 and plan.total_steps(20) == 64 * 5 + 4 * 20
    assert replace(plan, method=RandomSearch(63)).finalists(20) == 2


@pytest.mark.parametrize("name", ["max_seconds", "batch_size", "patience", "search_steps"])
def test_a_limit_below_nothing_is_none(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} is -1, but it has to be at least 0"):
        Limits(**{name: -1})
