"""The published files' names and shapes at full size, without weights: every tensor finds its place."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytestmark = pytest.mark.usefixtures("comfy")
PUBLISHED = json.loads((Path(__file__).parents[1] / "fixtures" / "published_shapes.json").read_text())


def module(name: str) -> ModuleType:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def expanded(name: str) -> dict[str, Tensor]:
    """{"blocks.{}.weight": [2, [4]]} -> blocks.0.weight and blocks.1.weight, on the meta device."""
    weights = {}
    for pattern, shape in PUBLISHED[name].items():
        many = "{}" in pattern
        names = [pattern.replace("{}", str(number)) for number in range(shape[0])] if many else [pattern]
        weights |= {key: torch.empty(shape[1] if many else shape, device="meta") for key in names}
    return weights


def loaded(monkeypatch: pytest.MonkeyPatch, weights: dict[str, Tensor], load: Callable[[Path], Any]) -> Any:
    if "logit_scale" in weights:
        weights["logit_scale"] = torch.tensor(4.6)
    monkeypatch.setattr(module("files"), "read", lambda path: dict(weights))
    return load(Path("/nowhere/model.safetensors"))


def assert_all_used(network: nn.Module, weights: dict[str, Tensor], but: tuple[str, ...]) -> None:
    """The network has as many numbers as the file, less those of the names that start with `but`."""
    expected = sum(value.numel() for key, value in weights.items() if not key.startswith(but))
    assert sum(value.numel() for value in network.state_dict().values()) == expected


def test_hps(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = expanded("hps")
    verifier = loaded(monkeypatch, weights, module("hps").load)
    towers = verifier.model.managed.patcher.model
    assert_all_used(towers, weights, ("logit_scale", "attn_mask"))
    assert (len(towers.image.blocks), towers.image.blocks[0].attn.heads, towers.image.size) == (32, 16, 224)
    assert (len(towers.text.blocks), towers.text.blocks[0].attn.heads, towers.text.length) == (24, 16, 77)


def test_image_reward() -> None:
    weights = expanded("image_reward")
    image_reward = module("image_reward")
    network = image_reward.Network(image_reward.named(weights))
    unused = ("blip.vision_proj", "blip.text_proj", "blip.text_encoder.embeddings.position_ids")
    assert_all_used(network, weights, unused)
    assert (len(network.image.blocks), network.image.blocks[0].attn.heads, network.image.size) == (24, 16, 224)
    assert (len(network.text.blocks), network.text.blocks[0].cross.heads) == (12, 12)
    assert (len(network.head.layers), network.head.plan.after) == (5, {})


CLIP_L = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
CLIP_H = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16}
SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}


def transformers_weights(name: str, config: Any) -> dict[str, Tensor]:
    """Of transformers' own class, with the buffers that older files have too."""
    transformers = importlib.import_module("transformers")
    with torch.device("meta"):
        weights = dict(getattr(transformers, name)(config).state_dict())
    if name == "CLIPModel":
        weights |= {f"{part}.embeddings.position_ids": torch.empty(1, 77) for part in ("text_model", "vision_model")}
    return weights


def test_clip_vit_l(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = importlib.import_module("transformers")
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    vision = CLIP_L | {"patch_size": 14}
    weights = transformers_weights(
        "CLIPModel", transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=768)
    )
    verifier = loaded(monkeypatch, weights, module("clip_score").load)
    towers = verifier.model.managed.patcher.model
    unused = ("logit_scale", "text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
    assert_all_used(towers, weights, unused)
    assert (towers.image.blocks[0].attn.heads, towers.text.blocks[0].attn.heads, towers.image.size) == (16, 12, 224)
    assert towers.image.blocks[0].mlp.activation.__name__ == "quick_gelu"


def test_pickscore(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = importlib.import_module("transformers")
    text = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24}
    vision = CLIP_H | {"patch_size": 14}
    weights = transformers_weights(
        "CLIPModel", transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=1024)
    )
    verifier = loaded(monkeypatch, weights, module("pickscore").load)
    towers = verifier.model.managed.patcher.model
    assert (towers.image.blocks[0].attn.heads, towers.text.blocks[0].attn.heads) == (16, 16)
    assert towers.image.blocks[0].mlp.activation.__name__ == "gelu"
    assert verifier.factor == pytest.approx(99.48, abs=0.01)


def test_siglip_so400m(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = importlib.import_module("transformers")
    clip = module("networks.clip")
    monkeypatch.setattr(clip, "folder_tokenizer", lambda folder, title: None)
    config = transformers.SiglipConfig(
        text_config=SO400M | {"projection_size": 1152}, vision_config=SO400M | {"patch_size": 14, "image_size": 384}
    )
    weights = transformers_weights("SiglipModel", config)
    model = loaded(monkeypatch, weights, lambda path: clip.load(path, "test"))
    towers = model.managed.patcher.model
    assert_all_used(towers, weights, ("logit_",))
    assert (towers.image.blocks[0].attn.heads, towers.text.blocks[0].attn.heads) == (16, 16)
    assert (model.pipeline.size, model.pipeline.fit, towers.text.length) == (378, "squash", 64)


def as_saved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gated MLP of DINOv2 as files have it; transformers 5 splits it when it loads one."""
    weights = {key.replace("down_proj", "weights_out"): value for key, value in weights.items() if "up_proj" not in key}
    for key in [key for key in weights if "gate_proj" in key]:
        value = weights.pop(key)
        weights[key.replace("gate_proj", "weights_in")] = value.new_empty(2 * len(value), *value.shape[1:])
    return weights


@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters"])
@pytest.mark.parametrize("gated", [False, True])
def test_dino(monkeypatch: pytest.MonkeyPatch, gated: bool, kind: str) -> None:
    transformers = importlib.import_module("transformers")
    clip = module("networks.clip")
    size = {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24} if gated else {}
    config = getattr(transformers, f"{kind}Config")(**size, image_size=518, patch_size=14, use_swiglu_ffn=gated)
    weights = as_saved(transformers_weights(f"{kind}Model", config))
    model = loaded(monkeypatch, weights, lambda path: clip.load(path, "test", text=False))
    tower = model.managed.patcher.model.image
    assert_all_used(tower, weights, ("embeddings.mask_token",))
    assert (tower.blocks[0].attn.heads, tower.size, model.pipeline.size) == (24 if gated else 12, 518, 224)


@pytest.mark.parametrize("numbers, relu", [((0, 2, 4, 6, 7), False), ((0, 3, 6, 9, 11), True), ((), False)])
def test_aesthetic_heads(numbers: tuple[int, ...], relu: bool) -> None:
    """The improved predictor, its form with ReLU, and the linear one."""
    widths = (768, 1024, 128, 64, 16, 1)
    shapes = {f"layers.{number}.weight": [widths[at + 1], widths[at]] for at, number in enumerate(numbers)}
    shapes = shapes or {"weight": [1, 768]}
    shapes |= {key.replace("weight", "bias"): shape[:1] for key, shape in shapes.items()}
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    head = module("networks.heads").read(state)
    assert len(head.layers) == max(len(numbers), 1)
    assert head.plan.after == (dict.fromkeys(("0", "3", "6", "9"), "relu") if relu else {})
