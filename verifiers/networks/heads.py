"""Heads of aesthetic predictors: from an image's unit vector to one number.

A file of weights has the layers with weights, by their numbers in the authors' nn.Sequential. An activation has none,
and leaves a number free just as a dropout does. So what lies at the free numbers is known of published heads only,
which are recognised by the numbers and widths of their layers. Of others somebody has to say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from comfy.ops import cast_to_input
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import Weights
from .towers import fill, linear, parameter

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
CHOICES = ("auto", "none", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
OF_A_TOWER = re.compile(r"(^|\.)(vision_model|visual_projection|text_model|text_projection|visual|logit_scale)(\.|$)")
OF_A_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
EPS = 1e-5  # PyTorch's own, which no file tells


class HeadError(ValueError):
    """Weights that are no head, or a head that can not be scored; says why."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


class Untold(HeadError):
    """A head of which the weights do not tell what lies between its layers; says what to do."""

    __module__ = "builtins"


class Layer(NamedTuple):
    """A layer with weights. name: its number, or what else its authors call it."""

    name: str
    kind: str  # linear or norm
    inside: int
    out: int


@dataclass(frozen=True)
class Plan:
    """A head's layers in order, and the activations: after which of them, and which."""

    about: str
    layers: tuple[Layer, ...]
    after: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = []
        for layer in self.layers:
            parts.append(f"linear {layer.inside} to {layer.out}" if layer.kind == "linear" else "batch norm")
            parts += [self.after[layer.name]] if layer.name in self.after else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Published:
    """A head as its authors' code has it. layers: all of the nn.Sequential, with the width that each gives; a layer of
    another name has it in front. inside, prefix: the width it takes and what its names begin with, where these are
    needed to tell it from others."""

    about: str
    layers: str
    inside: int | None = None
    prefix: str | None = None

    def plan(self, prefix: str, layers: Sequence[Layer]) -> Plan | None:
        """The plan of these layers, when they are of this head."""
        named: list[tuple[str, str, int]] = []
        after: dict[str, str] = {}
        for number, part in enumerate(self.layers.split(", ")):
            name, _, what = part.rpartition(":")
            kind, _, out = what.partition(" ")
            if kind in ("linear", "norm"):
                named.append((name or str(number), kind, int(out)))
            elif kind in ACTIVATIONS:
                after[named[-1][0]] = kind
        same = named == [(layer.name, layer.kind, layer.out) for layer in layers]
        fits = self.inside in (None, layers[0].inside) and (self.prefix is None or prefix.endswith(f"{self.prefix}."))
        return Plan(self.about, tuple(layers), after) if same and fits else None


PUBLISHED = (
    Published(
        "LAION's improved predictor",
        "linear 1024, dropout, linear 128, dropout, linear 64, dropout, linear 16, linear 1",
    ),
    Published(
        "LAION's improved predictor with ReLU",
        "linear 1024, relu, dropout, linear 128, relu, dropout, linear 64, relu, dropout, linear 16, relu, linear 1",
    ),
    Published(
        "Waifu Scorer",
        "linear 2048, relu, norm 2048, dropout, linear 512, relu, norm 512, dropout, linear 256, relu, norm 256, "
        "dropout, linear 128, relu, norm 128, dropout, linear 32, relu, linear 1",
    ),
    Published(
        "Aesthetic Predictor V2.5",
        "linear 1024, dropout, linear 128, dropout, linear 64, dropout, linear 16, dropout, linear 1",
        inside=1152,
        prefix="scoring_head",
    ),
    Published(
        "Waifu Diffusion's classifier",
        "fc1:linear 256, relu, fc2:linear 128, relu, fc3:linear 1, sigmoid",
        inside=512,
    ),
)


class BatchNorm(nn.Module):
    """As it is after training: by the mean and variance that were recorded."""

    def __init__(self, weights: Weights, name: str):
        super().__init__()
        self.running_mean, self.running_var = (
            parameter(weights, f"{name}.{part}") for part in ("running_mean", "running_var")
        )
        self.weight = parameter(weights, f"{name}.weight") if f"{name}.weight" in weights else None
        self.bias = parameter(weights, f"{name}.bias") if f"{name}.bias" in weights else None

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = cast_to_input(self.running_mean, x), cast_to_input(self.running_var, x)
        weight, bias = (None if part is None else cast_to_input(part, x) for part in (self.weight, self.bias))
        return F.batch_norm(x, mean, variance, weight, bias, eps=EPS)


class Head(nn.Module):
    """The layers of a plan in a row. weights: by layer, such as 0.weight."""

    def __init__(self, weights: Weights, plan: Plan):
        super().__init__()
        self.plan = plan
        self.layers = nn.ModuleDict(
            {
                layer.name: linear(weights, layer.name) if layer.kind == "linear" else BatchNorm(weights, layer.name)
                for layer in plan.layers
            }
        )
        fill(self.layers, weights)

    @property
    def inside(self) -> int:
        """How many numbers the vectors have that it judges."""
        return self.plan.layers[0].inside

    def forward(self, x: Tensor) -> Tensor:
        """[B, inside] -> [B, 1]."""
        for name, layer in self.layers.items():
            x = layer(x)
            x = ACTIVATIONS[self.plan.after[name]](x) if name in self.plan.after else x
        return x


def read(state: Weights, activation: str = "auto") -> Head:
    """The head in a file; weights of an image tower beside it are left out.

    activation: what lies between its layers, none where that is dropouts only; auto for what the published heads have.
    Raises HeadError, and Untold where activation can not be auto.
    """
    found = {key: value for key, value in state.items() if not OF_A_TOWER.search(key)}
    names = list(dict.fromkeys(key.rpartition(".")[0] for key in found))
    if not names:
        raise HeadError("there are no layers.")
    prefix = _prefix(names)
    short = {name: name[len(prefix) :] for name in names} if len(names) > 1 else {names[0]: "0"}
    weights = {f"{short[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in found.items()}
    return Head(weights, _plan(prefix, _in_a_row(_layer(name, weights) for name in short.values()), activation))


def _prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to a dot: model.layers. of model.layers.0 and model.layers.2."""
    prefix = names[0].rpartition(".")[0]
    while prefix and not all(name.startswith(f"{prefix}.") for name in names):
        prefix = prefix.rpartition(".")[0]
    return f"{prefix}." if prefix else ""


def _layer(name: str, weights: Weights) -> Layer:
    parts = {key.rpartition(".")[2]: value for key, value in weights.items() if key.rpartition(".")[0] == name}
    shapes = {part: list(value.shape) for part, value in parts.items()}
    if "weight" in parts and parts["weight"].ndim == 2:
        out, inside = parts["weight"].shape
        if shapes == {"weight": [out, inside], "bias": [out]} or shapes == {"weight": [out, inside]}:
            return Layer(name, "linear", inside, out)
    if "running_mean" in parts and "running_var" in parts and set(parts) <= set(OF_A_NORM):
        width = parts["running_mean"].numel()
        if all(shape == [width] for part, shape in shapes.items() if part != "num_batches_tracked"):
            return Layer(name, "norm", width, width)
    told = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
    raise HeadError(f"{name or 'what has no name'} ({told}) is neither a linear layer nor a batch norm.")


def _in_a_row(found: Iterable[Layer]) -> tuple[Layer, ...]:
    layers = tuple(found)
    if all(layer.name.isdecimal() for layer in layers):
        layers = tuple(sorted(layers, key=lambda layer: int(layer.name)))
    for one, next_ in pairwise(layers):
        if one.out != next_.inside:
            raise HeadError(f"{one.name} gives {one.out} numbers, but {next_.name} takes {next_.inside}.")
    if layers[-1].kind != "linear" or layers[-1].out != 1:
        raise HeadError(f"it gives {layers[-1].out} numbers, and a score is one, from a linear layer.")
    return layers


def _plan(prefix: str, layers: tuple[Layer, ...], activation: str) -> Plan:
    if len(layers) == 1:
        return Plan("a linear head", layers)
    if activation == "auto":
        plans = (published.plan(prefix, layers) for published in PUBLISHED)
        if plan := next((plan for plan in plans if plan is not None), None):
            return plan
    if not all(layer.name.isdecimal() for layer in layers):
        raise HeadError(f"its layers are called {', '.join(layer.name for layer in layers)}, which tells no order.")
    if activation == "auto":
        raise Untold(_question(layers))
    after = {} if activation == "none" else dict.fromkeys(_ends(layers), activation)
    return Plan("a head of its own", layers, after)


def _question(layers: tuple[Layer, ...]) -> str:
    told = ", ".join(f"{layer.name} {'linear' if layer.kind == 'linear' else 'batch norm'}" for layer in layers)
    free = [str(number) for one, next_ in pairwise(layers) for number in range(int(one.name) + 1, int(next_.name))]
    why = (
        f"What is at {', '.join(free)} has no weights: an activation or dropout"
        if free
        else "Whether there are activations between them is not in the file"
    )
    return (
        f"it is none of the published heads that are known, and a file does not tell all of one. Its layers are "
        f"{told}. {why}. Choose the activation of its authors' code in head_activation; none if it has dropouts only."
    )


def _ends(layers: tuple[Layer, ...]) -> list[str]:
    """The layers that an activation follows: of each linear layer and its norms the first with a free number behind it.
    Where no number is free at all, the activations are elsewhere in the authors' code: behind each linear layer."""
    free = {one.name for one, next_ in pairwise(layers) if int(next_.name) > int(one.name) + 1}
    if not free and any(layer.kind == "norm" for layer in layers):
        raise HeadError("it has no free number for an activation, before its batch norms or behind them.")
    if not free:
        return [layer.name for layer in layers[:-1]]
    ends: list[str] = []
    open_ = False
    for layer in layers[:-1]:
        open_ = open_ or layer.kind == "linear"
        if open_ and layer.name in free:
            ends.append(layer.name)
            open_ = False
    return ends
