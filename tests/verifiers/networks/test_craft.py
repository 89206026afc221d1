"""CRAFT, with its published weights: the heat maps of its authors' code."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import real_weights
from layout import ROOT

pytestmark = pytest.mark.usefixtures("comfy")
FIXTURES = ROOT / "tests" / "fixtures"
REFERENCES = json.loads((FIXTURES / "text_references.json").read_text())


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


@pytest.fixture(scope="module")
def detector() -> Any:
    weights = module("files").read(real_weights.path(real_weights.DETECTOR))
    return module("networks.craft").Detector({key.removeprefix("module."): value for key, value in weights.items()})


def picture() -> torch.Tensor:
    levels = numpy.asarray(Image.open(FIXTURES / "sign.png").convert("RGB"))
    return torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def test_heat_maps_are_those_of_the_published_code(detector: Any) -> None:
    heat = detector.eval()(picture())[0]
    assert heat.shape == (2, 48, 80)
    for part, expected in zip(heat, REFERENCES["heat"], strict=True):
        assert part.flatten()[::41].tolist() == pytest.approx(expected, abs=1e-3)
    assert heat.amax() > 0.9


def test_every_weight_of_the_file_is_used(detector: Any) -> None:
    weights = module("files").read(real_weights.path(real_weights.DETECTOR))
    assert {f"module.{name}" for name in detector.state_dict()} == set(weights)
