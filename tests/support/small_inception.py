"""The Inception network of FID with few channels and drawn weights, in the names of the published file."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from reference_inputs import draw

REFERENCES = Path(__file__).parents[1] / "fixtures" / "references.json"
CLASSES, FEATURES = 1008, 2048


def inception_weights(thinner: int = 1) -> dict[str, Tensor]:
    """thinner: divides the numbers of channels, 16 at most; 1 gives the published shapes."""
    kernels = json.loads(REFERENCES.read_text())["inception"]["kernels"]
    shapes = {"fc.weight": [CLASSES, FEATURES // thinner], "fc.bias": [CLASSES]}
    for key, (out, inside, *kernel) in kernels.items():
        channels = [out // thinner, inside if inside == 3 else inside // thinner]
        norm = key.replace("conv.weight", "bn")
        shapes |= {key: [*channels, *kernel]}
        shapes |= {f"{norm}.{part}": channels[:1] for part in ("weight", "bias", "running_mean", "running_var")}
    return {name: draw(name, shape) for name, shape in shapes.items()}
