"""A workflow of a stranger in the front end: what it says of a search is shown as text, or left out."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

from frontend import Frontend
from layout import ROOT

WORKFLOW = json.loads((ROOT / "tests/fixtures/saved/search.json").read_text())
NODE = next(str(node["id"]) for node in WORKFLOW["nodes"] if node["type"] == "RandomSearch")
MARKUP = "<img src=x onerror='window.ran = true'><script>window.ran = true</script>"
GOOD = {
    "node": NODE,
    "board": MARKUP,
    "best": {"index": 3, "score": 0.5, "recipe": {"seed": MARKUP, "moves": MARKUP}},
    "baseline": {"score": MARKUP},
    "nfe": {"total": 40},
    "candidates": 4,
}
ODD_TEXT = {"toString": 1}
HOSTILE = [
    None,
    7,
    MARKUP,
    [],
    {},
    {"node": NODE},
    GOOD | {"node": 7},
    GOOD | {"node": MARKUP},
    GOOD | {"node": [NODE]},
    GOOD | {"board": ODD_TEXT},
    GOOD | {"best": None},
    GOOD | {"best": {"index": MARKUP}},
    GOOD | {"best": {"index": ODD_TEXT}},
    GOOD | {"baseline": None},
    GOOD | {"nfe": {"total": MARKUP}},
    GOOD | {"candidates": ODD_TEXT},
]


def opened(page: Frontend, winners: Any, name: str) -> Any:
    """The saved results on the search node of a workflow that says it has these winners."""
    page.load(WORKFLOW | {"extra": WORKFLOW["extra"] | {"noise_search": winners}}, name)
    return page.page.locator(".noise-search.saved")


def test_what_a_stranger_s_workflow_says_of_a_search_is_text(page: Frontend) -> None:
    shown = opened(page, [*HOSTILE, GOOD], "a stranger's")
    expect(shown).to_have_count(1)
    assert json.loads(shown.locator("textarea").input_value()) == GOOD["best"]["recipe"]
    assert shown.locator("img, script").count() == 0
    for number, winners in enumerate((7, {"0": GOOD}, HOSTILE)):
        expect(opened(page, winners, f"another stranger's {number}")).to_have_count(0)
    assert page.page.evaluate("() => window.ran") is None
