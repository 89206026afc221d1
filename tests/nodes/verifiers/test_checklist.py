"""The node of the Checklist Verifier."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from node_calls import call
from small_models import Brightness
from small_vlm import small_vlm

pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture(autouse=True)
def folder(comfy: Any) -> None:
    """The node offers what is in models/verifiers, which the pack makes known when it is loaded."""
    importlib.import_module("noise_search.verifiers.files").register()


def verifier(**given: Any) -> Any:
    return call("ChecklistVerifier", **given)[0]


def test_requirements_are_the_lines_that_people_write() -> None:
    made = verifier(requirements="- a cat\n\nIs it night?", clip=small_vlm())
    assert (made.requirements, made.lines, made.needs_prompt) == (["a cat", "Is it night?"], [], False)


def test_other_verifiers_have_their_floors_in_order() -> None:
    one, two = Brightness(), Brightness()
    made = verifier(verifiers={"verifier0": one, "verifier1": None, "verifier2": two}, floors="0.8; -0.5")
    assert [(line.verifier, line.floor) for line in made.lines] == [(one, 0.8), (two, -0.5)]
    assert verifier(verifiers={"verifier0": one}).lines[0].floor == 0.5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Checklist Verifier: there are no requirements"),
        ({"requirements": " \n- \n"}, "Checklist Verifier: there are no requirements"),
        ({"requirements": "a cat"}, "Checklist Verifier: connect a CLIP that looks at images"),
        ({"verifiers": {"verifier0": Brightness()}, "floors": "high"}, "floors are numbers with commas"),
        ({"verifiers": {"verifier0": Brightness()}, "floors": "1, 2"}, "2 floors for 1 other verifiers"),
        ({"verifiers": {"verifier0": "clip"}}, "Checklist Verifier: the verifier input holds a str"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        verifier(**given)
