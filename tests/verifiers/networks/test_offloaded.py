"""Networks whose weights the host has left on another device: every weight is brought to where the images are."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import torch

from layout import ROOT
from reference_inputs import draw_all
from small_clip import VISION, clip_shapes
from small_inception import inception_weights

pytestmark = pytest.mark.usefixtures("comfy")
REFERENCES = json.loads((ROOT / "tests" / "fixtures" / "references.json").read_text())
META = torch.device("meta")  # stands for the device: it refuses weights from anywhere else


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def two_towers(shapes: dict[str, list[int]], activation: str = "gelu") -> Any:
    clip, towers = module("networks.clip"), module("networks.towers")
    style = towers.Style(2, activation)
    weights = module("networks.keys").towers(draw_all(shapes))
    return clip.TwoTowers(weights, style, towers.Style(1, activation), causal=True)


def siglip_shapes() -> dict[str, list[int]]:
    shapes = {key: shape for key, shape in clip_shapes(words=99).items() if "class_embedding" not in key}
    head = "vision_model.head"
    pool = {f"{head}.probe": [1, 1, 128], f"{head}.layernorm.weight": [128], f"{head}.layernorm.bias": [128]}
    pool |= {f"{head}.attention.in_proj_weight": [384, 128], f"{head}.attention.in_proj_bias": [384]}
    for part, (out, inside) in {"attention.out_proj": (128, 128), "mlp.fc1": (256, 128), "mlp.fc2": (128, 256)}.items():
        pool |= {f"{head}.{part}.weight": [out, inside], f"{head}.{part}.bias": [out]}
    return shapes | pool | {"vision_model.embeddings.position_embedding.weight": [16, 128]}


@pytest.fixture(params=[False, True], ids=["static memory", "dynamic memory"], autouse=True)
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With comfy-aimdo, as on NVIDIA cards, the host's layers have no weights before they are loaded."""
    monkeypatch.setattr("comfy.memory_management.aimdo_enabled", request.param)


@pytest.mark.parametrize("shapes", [clip_shapes(words=99), siglip_shapes()], ids=["clip", "siglip"])
def test_towers(shapes: dict[str, list[int]]) -> None:
    towers = two_towers(shapes)
    assert towers.image(torch.empty(2, 3, 56, 56, device=META)).device == META
    assert towers.image(torch.empty(2, 3, 70, 42, device=META)).device == META
    ids = torch.zeros(2, 77, dtype=torch.long, device=META)
    assert towers.text(ids, torch.zeros(2, dtype=torch.long, device=META)).device == META


def test_a_tower_with_registers() -> None:
    import transformers

    config = transformers.Dinov2WithRegistersConfig(**VISION, mlp_ratio=2)
    shapes = {
        key: list(value.shape) for key, value in transformers.Dinov2WithRegistersModel(config).state_dict().items()
    }
    weights, towers = module("networks.keys").from_dino(draw_all(shapes)), module("networks.towers")
    tower = towers.ImageTower(weights, towers.Style(2, "gelu"))
    towers.fill(tower, weights)
    assert tower(torch.empty(2, 3, 70, 42, device=META)).device == META


def test_inception() -> None:
    network = module("networks.inception").Inception(inception_weights(thinner=16)).eval()
    assert {output.device for output in network(torch.empty(2, 3, 60, 80, device=META))} == {META}


def test_image_reward() -> None:
    image_reward = module("image_reward")
    network = image_reward.Network(image_reward.named(draw_all(REFERENCES["image_reward"]["shapes"])))
    ids = torch.zeros(2, 35, dtype=torch.long, device=META)
    assert network(torch.empty(2, 3, 224, 224, device=META), ids, ids.bool()).device == META
