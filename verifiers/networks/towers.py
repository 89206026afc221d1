"""The transformers behind CLIP, OpenCLIP, SigLIP, DINOv2 and BLIP: one image tower and one text tower.

Weights keep the type they have in the file; sums are in float32. What a tower consists of is read from the names and
shapes of its weights (`keys.py` gives all families the same names).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import comfy.ops
import torch
from comfy.ops import cast_to_input
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import Weights

ops = comfy.ops.manual_cast
META = torch.device("meta")


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "quick_gelu": quick_gelu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "gelu_fast": tanh_gelu,
    "gelu_new": tanh_gelu,
}


@dataclass(frozen=True)
class Style:
    """What the weights of a tower do not tell: heads, the activation in its blocks, and epsilon of its norms."""

    heads: int
    activation: str
    eps: float = 1e-5


def linear(weights: Weights, name: str) -> nn.Linear:
    out, inside = weights[f"{name}.weight"].shape
    return ops.Linear(inside, out, bias=f"{name}.bias" in weights, device=META)


def norm(weights: Weights, name: str, eps: float) -> nn.LayerNorm:
    return ops.LayerNorm(weights[f"{name}.weight"].shape[0], eps=eps, device=META)


def parameter(weights: Weights, name: str) -> nn.Parameter:
    return nn.Parameter(torch.empty(weights[name].shape, device=META), requires_grad=False)


def embedding(weights: Weights, name: str) -> nn.Embedding:
    words, width = weights[f"{name}.weight"].shape
    return ops.Embedding(words, width, device=META)


def count(weights: Weights, prefix: str) -> int:
    """Numbered parts below the prefix: count(w, "blocks") is 12 when the last is blocks.11."""
    below = {key[len(prefix) + 1 :].partition(".")[0] for key in weights if key.startswith(f"{prefix}.")}
    return len(below)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool = False, mask: Tensor | None = None) -> Tensor:
    """Attention of [B, N, W] in `heads` heads. mask: [B, 1, 1, keys] of bool, true where a key may be seen."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    return out.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Self-attention, or attention of x to `context`."""

    def __init__(self, weights: Weights, name: str, heads: int):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (linear(weights, f"{name}.{part}") for part in ("q", "k", "v", "out"))

    def forward(
        self, x: Tensor, context: Tensor | None = None, causal: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        context = x if context is None else context
        return self.out(attend(self.q(x), self.k(context), self.v(context), self.heads, causal, mask))


class MLP(nn.Module):
    def __init__(self, weights: Weights, name: str, activation: str):
        super().__init__()
        self.fc1, self.fc2 = linear(weights, f"{name}.fc1"), linear(weights, f"{name}.fc2")
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class GatedMLP(nn.Module):
    """SwiGLU, of DINOv2's largest model."""

    def __init__(self, weights: Weights, name: str):
        super().__init__()
        self.weights_in, self.weights_out = (
            linear(weights, f"{name}.{part}") for part in ("weights_in", "weights_out")
        )

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.weights_in(x).chunk(2, dim=-1)
        return self.weights_out(F.silu(gate) * value)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); DINOv2 scales both."""

    def __init__(self, weights: Weights, name: str, style: Style):
        super().__init__()
        self.norm1, self.norm2 = (norm(weights, f"{name}.{part}", style.eps) for part in ("norm1", "norm2"))
        self.attn = Attention(weights, f"{name}.attn", style.heads)
        gated = f"{name}.mlp.weights_in.weight" in weights
        self.mlp = GatedMLP(weights, f"{name}.mlp") if gated else MLP(weights, f"{name}.mlp", style.activation)
        scaled = f"{name}.scale1" in weights
        self.scale1 = parameter(weights, f"{name}.scale1") if scaled else None
        self.scale2 = parameter(weights, f"{name}.scale2") if scaled else None

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self._scaled(self.scale1, self.attn(self.norm1(x), causal=causal))
        return x + self._scaled(self.scale2, self.mlp(self.norm2(x)))

    @staticmethod
    def _scaled(scale: Tensor | None, x: Tensor) -> Tensor:
        return x if scale is None else x * cast_to_input(scale, x)


class AttentionPool(nn.Module):
    """SigLIP's pooling: one learned query attends to all patches."""

    def __init__(self, weights: Weights, name: str, style: Style):
        super().__init__()
        self.probe = parameter(weights, f"{name}.probe")
        self.attn = Attention(weights, f"{name}.attn", style.heads)
        self.norm = norm(weights, f"{name}.norm", style.eps)
        self.mlp = MLP(weights, f"{name}.mlp", style.activation)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.attn(cast_to_input(self.probe, x).expand(len(x), -1, -1), context=x)
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]


class ImageTower(nn.Module):
    """A vision transformer. Registers are tokens without a place, between the class token and the patches."""

    def __init__(self, weights: Weights, style: Style):
        super().__init__()
        width, _, side, _ = weights["patch.weight"].shape
        self.patch = ops.Conv2d(3, width, side, stride=side, bias="patch.bias" in weights, device=META)
        self.class_token = parameter(weights, "class_token") if "class_token" in weights else None
        self.registers = parameter(weights, "registers") if "registers" in weights else None
        self.position = parameter(weights, "position")
        self.norm_pre = norm(weights, "norm_pre", style.eps) if "norm_pre.weight" in weights else None
        self.blocks = nn.ModuleList(Block(weights, f"blocks.{i}", style) for i in range(count(weights, "blocks")))
        self.norm_post = norm(weights, "norm_post", style.eps)
        self.pool = AttentionPool(weights, "pool", style) if "pool.probe" in weights else None
        self.projection = linear(weights, "projection") if "projection.weight" in weights else None

    @property
    def width(self) -> int:
        """How many numbers the vector of an image has."""
        return self.norm_post.weight.shape[0] if self.projection is None else self.projection.weight.shape[0]

    @property
    def size(self) -> int:
        """Side of the images it was trained on last."""
        return round(self._grid * self.patch.stride[0])

    @property
    def before_patches(self) -> int:
        """How many of the tokens are not of a patch."""
        return (self.class_token is not None) + (0 if self.registers is None else len(self.registers))

    @property
    def _grid(self) -> int:
        patches = len(self.position) - (self.class_token is not None)
        return round(patches**0.5)

    def tokens(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] -> the last block's tokens [B, N, W], normalised: class token, registers, patches."""
        return self.norm_post(self._blocks(pixels))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] -> one vector per image [B, D], not of unit length."""
        tokens = self.tokens(pixels)
        pooled = tokens[:, 0] if self.pool is None else self.pool(tokens)
        return pooled if self.projection is None else self.projection(pooled)

    def _blocks(self, pixels: Tensor) -> Tensor:
        patches = self.patch(pixels)
        x = patches.flatten(2).transpose(1, 2)
        if self.class_token is not None:
            x = torch.cat([cast_to_input(self.class_token, x).expand(len(x), 1, -1), x], dim=1)
        x = x + self._position(x, *patches.shape[2:])
        if self.registers is not None:
            registers = cast_to_input(self.registers, x).expand(len(x), -1, -1)
            x = torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)
        x = x if self.norm_pre is None else self.norm_pre(x)
        for block in self.blocks:
            x = block(x)
        return x

    def _position(self, x: Tensor, height: int, width: int) -> Tensor:
        """The learned positions [N, W]; for another grid than the trained one, interpolated as DINOv2 does, which is
        with antialias where it has registers."""
        position = cast_to_input(self.position, x)
        if (height, width) == (self._grid, self._grid):
            return position
        special, patches = position[: len(position) - self._grid**2], position[len(position) - self._grid**2 :]
        image = patches.T.reshape(1, -1, self._grid, self._grid)
        image = F.interpolate(image, size=(height, width), mode="bicubic", antialias=self.registers is not None)
        return torch.cat([special, image.flatten(2)[0].T])


class TextTower(nn.Module):
    """CLIP's text transformer: sees what came before, and is read at the end-of-text token. SigLIP's sees the whole
    text, and is read at the last token."""

    def __init__(self, weights: Weights, style: Style, causal: bool):
        super().__init__()
        self.token = embedding(weights, "token")
        self.position = parameter(weights, "position")
        self.blocks = nn.ModuleList(Block(weights, f"blocks.{i}", style) for i in range(count(weights, "blocks")))
        self.norm_post = norm(weights, "norm_post", style.eps)
        self.projection = linear(weights, "projection") if "projection.weight" in weights else None
        self.causal = causal

    @property
    def length(self) -> int:
        return len(self.position)

    def forward(self, ids: Tensor, read_at: Tensor) -> Tensor:
        """Token ids [B, length], and which token to read of each [B] -> [B, D], not of unit length."""
        x = self.token(ids, out_dtype=torch.float32)
        x = x + cast_to_input(self.position, x)
        for block in self.blocks:
            x = block(x, causal=self.causal)
        x = self.norm_post(x)[torch.arange(len(x), device=x.device), read_at]
        return x if self.projection is None else self.projection(x)


def below(weights: Weights, prefix: str) -> Weights:
    """The weights whose names start with the prefix and a dot, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in weights.items() if key.startswith(f"{prefix}.")}


def fill(network: nn.Module, weights: Weights) -> None:
    """Give a network made on the meta device its weights, without copying them. A missing one is a KeyError.

    Where ComfyUI manages memory dynamically, as by default on NVIDIA cards, its layers have no weights before that.
    """
    missing = network.load_state_dict(weights, strict=False, assign=True).missing_keys
    if missing:
        raise KeyError(missing[0])
