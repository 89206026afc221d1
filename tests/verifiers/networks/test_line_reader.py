"""The line reader, with its published weights: the characters and their probabilities of EasyOCR's code."""

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
def reader() -> Any:
    weights = module("files").read(real_weights.path(real_weights.READER))
    return module("networks.line_reader").Reader(weights).eval()


def line() -> torch.Tensor:
    left, top, right, bottom = REFERENCES["line"]
    levels = numpy.asarray(Image.open(FIXTURES / "sign.png").convert("RGB")).astype(numpy.float32)
    grey = levels[top:bottom, left:right].mean(-1).repeat(2, 0).repeat(2, 1)
    return torch.from_numpy(grey)[None, None] / 255


@torch.inference_mode()
def test_probabilities_are_those_of_the_published_code(reader: Any) -> None:
    likely, classes = reader(line())[0].max(-1)
    assert classes.tolist() == REFERENCES["classes"]
    assert likely.tolist() == pytest.approx(REFERENCES["log_p"], abs=1e-3)


def test_every_weight_of_the_file_is_used(reader: Any) -> None:
    weights = module("files").read(real_weights.path(real_weights.READER))
    assert {f"module.{name}" for name in reader.state_dict()} == set(weights)
    assert reader.classes == 97


@torch.inference_mode()
def test_lines_of_a_batch_do_not_know_of_each_other(reader: Any) -> None:
    alone = reader(line())
    together = reader(torch.cat([torch.rand(1, 1, 64, line().shape[-1]), line()]))
    assert torch.allclose(alone[0], together[1], atol=1e-4)
