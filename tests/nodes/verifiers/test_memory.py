"""Two verifiers and a diffusion model with room for one of them: the host moves them, the search ends the same."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from reference_inputs import draw_all
from small_clip import clip_shapes
from small_models import best_report, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")
DEVICE = torch.device("cpu", 0)  # another device than "cpu" to the host, the same to torch
BALLAST = 1800


class Both:
    """The sum of two verifiers."""

    name, needs_prompt = "both", True

    def __init__(self, *verifiers: Any):
        self.verifiers = verifiers

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        return sum(verifier.score(images, prompts) for verifier in self.verifiers)


class Room:
    """Stands for the device's memory: `limit` bytes, less what the host has loaded."""

    def __init__(self, limit: float = 1e12):
        self.management = importlib.import_module("comfy.model_management")
        self.limit = limit
        self.most = 0.0
        self.loads: list[str] = []

    def used(self) -> float:
        here = [loaded for loaded in self.management.current_loaded_models if loaded.device == DEVICE]
        used = sum(loaded.model.loaded_size() for loaded in here if loaded.model is not None)
        self.most = max(self.most, used)
        return used

    def free(self, _device: Any = None, torch_free_too: bool = False) -> Any:
        free = self.limit - self.used()
        return (free, 0) if torch_free_too else free

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self.management, "get_torch_device", lambda: DEVICE)
        monkeypatch.setattr(self.management, "get_free_memory", self.free)
        monkeypatch.setattr(self.management, "minimum_inference_memory", lambda: 0)
        monkeypatch.setattr(self.management, "extra_reserved_memory", lambda: 0)
        load = self.management.LoadedModel.model_load

        def counted(loaded: Any, *arguments: Any, **options: Any) -> Any:
            if loaded.model.loaded_size() == 0:
                self.loads.append(type(loaded.model.model).__name__)
            result = load(loaded, *arguments, **options)
            self.used()
            return result

        monkeypatch.setattr(self.management.LoadedModel, "model_load", counted)


def diffusion_model() -> Any:
    model = small_model("FLOW")
    model.model.diffusion_model.ballast = nn.Linear(BALLAST, BALLAST)
    model.load_device, model.size = DEVICE, 0
    return model


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, limit: float) -> tuple[Any, Room, Any]:
    room = Room(limit)
    with monkeypatch.context() as patched:
        room.watch(patched)
        load = importlib.import_module("noise_search.verifiers.clip_score").load
        verifiers = Both(load(folder / "one.safetensors", "gelu"), load(folder / "two.safetensors", "quick_gelu"))
        files = importlib.import_module("noise_search.verifiers.files")
        patched.setattr(files, "read", lambda path: pytest.fail(f"{path} was read again"))
        found = search(diffusion_model(), candidates=5, verifier=verifiers, batch_size=2)
        sample(found.model, latent={"samples": torch.zeros(1, 4, 32, 32)})
        room.management.unload_all_models()
    return best_report(found), room, verifiers


def test_with_room_for_one_of_three_models_the_search_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, width in (("one", 64), ("two", 80)):
        safetensors.torch.save_file(draw_all(clip_shapes(text=width)), tmp_path / f"{name}.safetensors")
    roomy, plenty, _ = run(tmp_path, monkeypatch, 1e12)
    tight, scarce, verifiers = run(tmp_path, monkeypatch, 1.5 * plenty.most / 3)
    sizes = [verifier.model.managed.patcher.model_size() for verifier in verifiers.verifiers]
    assert scarce.most <= scarce.limit < sum(sizes) < plenty.most
    assert [c.score for c in tight.candidates] == pytest.approx([c.score for c in roomy.candidates], abs=1e-6)
    assert tight.best.index == roomy.best.index
    assert sorted(set(plenty.loads)) == sorted(set(scarce.loads)) == ["Small", "TwoTowers"]
    assert len(plenty.loads) == 3
    assert len(scarce.loads) > 6
