"""How ComfyUI was started."""

from __future__ import annotations

import importlib

import pytest

pytestmark = pytest.mark.usefixtures("comfy")


def test_options_that_are_on_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    starting = importlib.import_module("noise_search.search.host.starting")
    before = starting.start_options()
    assert "cpu" in before and "fp32_vae" not in before
    monkeypatch.setattr(starting.args, "fp32_vae", True)
    assert starting.start_options() == sorted([*before, "fp32_vae"])
