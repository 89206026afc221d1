"""Weights as fp16 safetensors, with what the training was in the file's metadata."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).parent / "weights"
MODEL_FILE = FOLDER / "shapes.safetensors"
VERIFIER_FILE = FOLDER / "shapes_verifier.safetensors"
WORDS_FILE = FOLDER / "words.safetensors"


def save_weights(path: Path, model: nn.Module, metadata: dict) -> None:
    """Write the parameters in half precision; `metadata` is stored as JSON under the key "training"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={"training": json.dumps(metadata)})


def load_weights(path: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """The tensors whose name starts with `prefix`, without it, in float32."""
    with safe_open(path, framework="pt") as file:
        return {
            name.removeprefix(prefix): file.get_tensor(name).float() for name in file.keys() if name.startswith(prefix)
        }


def training_metadata(path: Path) -> dict:
    """How the weights came about."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["training"])
