"""CLIP-like models, whole or only their image tower: pictures and texts as unit vectors of one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import files
from ..files import Weights
from . import activations, keys
from .managed import Managed
from .pixels import HALF, IMAGENET_MEAN, IMAGENET_STD, Pipeline, from_preprocessor
from .tokens import Tokenizer, clip_tokenizer, folder_tokenizer, plain
from .towers import ImageTower, Style, TextTower, below, fill

CLIP_HEADS = {1280: 16, 1408: 16, 1664: 16, 1792: 16}  # by the image tower's width; others have 64 channels a head
SIGLIP_HEADS = {1152: 16, 1536: 16}  # of both towers
GEMMA_WORDS = 256_000  # SigLIP 2's vocabulary
CLIP, SIGLIP, DINO = ("quick_gelu", 1e-5), ("gelu_pytorch_tanh", 1e-6), ("gelu", 1e-6)
TANH_WIDTH = 1152
UNUSED = ("position_ids", "mask_token", "attn_mask", "image.classifier.weight", "image.classifier.bias")
PROMPTS_KEPT = 256
SUMS_PER_VALUE = 16  # tensors of the size of a block's input that are alive at a time


class TwoTowers(nn.Module):
    """The image tower, and the text tower where the weights have one."""

    def __init__(self, weights: Weights, image: Style, text: Style, causal: bool):
        super().__init__()
        self.image = ImageTower(below(weights, "image"), image)
        self.text = TextTower(below(weights, "text"), text, causal) if "text.token.weight" in weights else None
        fill(self, weights)


class Clip:
    """Embeds images and texts. Every distinct text is encoded once."""

    def __init__(self, towers: TwoTowers, pipeline: Pipeline, tokenizer: Tokenizer | None, scale: float):
        self.managed = Managed(towers)
        self.pipeline = pipeline
        self.tokenizer = tokenizer
        self.scale = scale
        self._texts: dict[str, Tensor] = {}

    @torch.inference_mode()
    def images(self, images: Tensor) -> Tensor:
        """Images [B, H, W, 3] in 0..1 -> unit vectors [B, D], float32 on the CPU."""
        tower = self.managed.ready(memory(self.managed.network.image, self.pipeline, images)).image
        return F.normalize(tower(self.pipeline(images, self.managed.device)), dim=-1).cpu()

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Texts -> unit vectors [B, D], float32 on the CPU."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._texts]:
            self._texts |= dict(zip(new, self._encode(new)))
        vectors = torch.stack([self._texts[text] for text in texts])
        self._texts = dict(list(self._texts.items())[-PROMPTS_KEPT:])
        return vectors

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return self.managed.network.image.width

    def _encode(self, texts: list[str]) -> Tensor:
        tower, tokenizer = self.managed.network.text, self.tokenizer
        if tower is None or tokenizer is None:
            raise RuntimeError("This model was loaded for images alone.")
        tokens = tokenizer(texts)
        self.managed.ready()
        if int(tokens.ids.max()) >= len(tower.token.weight):
            raise files.WeightsError(
                f"The tokenizer gives token {int(tokens.ids.max())}, but the model has {len(tower.token.weight)} "
                "of them. Put the tokenizer.json beside the weights that was published with them."
            )
        read_at = tokens.last if tower.causal else torch.full_like(tokens.last, -1)
        return F.normalize(tower(tokens.ids.to(self.managed.device), read_at), dim=-1).cpu()


def memory(tower: ImageTower, pipeline: Pipeline, images: Tensor) -> float:
    """Estimate in bytes of what embedding these images takes beside the weights."""
    side = pipeline.size // tower.patch.stride[0]
    return 4.0 * len(images) * (side * side * tower.patch.out_channels * SUMS_PER_VALUE + 3 * images[0].numel())


def load(
    path: Path, title: str, activation: str = "auto", pipeline: Pipeline | None = None, text: bool = True,
    openai: bool = False,
) -> Clip:  # fmt: skip
    """A CLIP, OpenCLIP, SigLIP or DINOv2 model from its file, and what lies beside that.

    activation: of a CLIP's blocks, not DINOv2's; auto reads it from the folder's config, else `activations.choose`
    finds it. openai: see there.
    pipeline: how images are prepared; None for what was published with the model. text: whether its text tower is
    needed.
    """
    state = keys.unwrapped(files.read(path))
    weights, family, config = checked(keys.towers(state), state, path, text), keys.family(state), files.config(path)
    image, words, causal = styles(weights, family, config)
    if activation == "auto" and causal and family != "dino" and not config.get("model_type"):
        open_clip = files.config(path, "open_clip_config.json")
        activation = activations.choose(path, title, weights, family, open_clip, openai)
    if activation != "auto" and family != "dino":
        image, words = (Style(style.heads, activation, style.eps) for style in (image, words))
    with files.whole(path):
        towers = TwoTowers(weights if text else images_only(weights), image, words, causal)
    refuse_strangers(path, towers, weights if text else images_only(weights))
    tokenizer = None if towers.text is None else _tokenizer(path, towers.text, family, title)
    scale = float(weights["logit_scale"].exp()) if "logit_scale" in weights else 1.0
    return Clip(towers, pipeline or published_pipeline(path, towers.image, family), tokenizer, scale)


def dino_with_head(path: Path, config: dict[str, Any]) -> tuple[Weights, Style, Pipeline]:
    """A Dinov2ForImageClassification: weights named image.* and classifier.*, its style and its pipeline."""
    state = files.read(path)
    weights = checked(keys.towers(state), state, path, text=False)
    if state.get("classifier.weight") is None:
        raise files.wrong(path, "a DINOv2 model with a linear head (classifier.weight)", state)
    weights |= {name: state[name] for name in ("classifier.weight", "classifier.bias")}
    style = styles(weights, "dino", config)[0]
    return weights, style, published_pipeline(path, ImageTower(below(weights, "image"), style), "dino")


def checked(weights: Weights, state: Weights, path: Path, text: bool) -> Weights:
    """The weights, when they are whole towers."""
    if "image.patch.weight" not in weights:
        if "text.token.weight" in weights and not images_only(weights):
            raise files.WeightsError(f"{path} has the text half of a CLIP model only. The whole model is needed.")
        raise files.wrong(path, "a CLIP, OpenCLIP, SigLIP or DINOv2 model", state)
    if "image.norm_post.weight" not in weights:
        raise files.wrong(path, "a model with a vision transformer (ResNets are not supported)", state)
    if weights["image.patch.weight"].ndim != 4:
        raise files.wrong(path, "a model of square images (this is a SigLIP 2 NaFlex model)", state)
    if "image.class_token" in weights and not {"image.norm_pre.weight", "image.blocks.0.scale1"} & weights.keys():
        raise files.wrong(path, "a model that is known (CLIPA is not supported)", state)
    if text and "text.token.weight" not in weights:
        raise files.WeightsError(
            f"{path} has the image half of a model only, and can not judge by a text. The whole model is needed."
        )
    return weights


def refuse_strangers(path: Path, towers: TwoTowers, weights: Weights) -> None:
    """Weights of the towers that ours have no place for mean another kind of model, whose scores would be wrong."""
    known = towers.state_dict()
    unknown = [key for key in weights if key.startswith(("image.", "text.")) and key not in known]
    if unknown := [key for key in unknown if not key.endswith(UNUSED)]:
        raise files.WeightsError(
            f"{path} is of a kind that is not supported: it has {', '.join(unknown[:3])}, which CLIP, SigLIP and "
            "DINOv2 do not have."
        )


def images_only(weights: Weights) -> Weights:
    return {key: value for key, value in weights.items() if key.startswith("image.")}


def styles(weights: Weights, family: str | None, config: dict[str, Any]) -> tuple[Style, Style, bool]:
    """Of the image tower and of the text tower, and whether the text tower sees only what came before.

    Without a config, CLIP's activation is not known here.
    """
    siglip = "image.class_token" not in weights
    default = DINO if family == "dino" else SIGLIP if siglip else CLIP
    if config.get("model_type"):
        image = _configured(config.get("vision_config") or config, default, 12)
        return image, _configured(config.get("text_config") or {}, default, 12 if siglip else 8), not siglip
    activation = default[0]
    if family == "open_clip_siglip" and len(weights["image.norm_post.weight"]) < TANH_WIDTH:
        activation = "gelu"  # timm's smaller ones
    of_image = SIGLIP_HEADS if siglip else {} if family == "dino" else CLIP_HEADS
    image = Style(_heads(weights, "image", of_image), activation, default[1])
    return image, Style(_heads(weights, "text", SIGLIP_HEADS if siglip else {}), activation, default[1]), not siglip


def _configured(config: dict[str, Any], default: tuple[str, float], heads: int) -> Style:
    """From a transformers config; what it leaves out has the value that transformers gives it."""
    return Style(
        config.get("num_attention_heads") or heads,
        config.get("hidden_act") or default[0],
        config.get("layer_norm_eps") or default[1],
    )


def _heads(weights: Weights, tower: str, table: dict[int, int]) -> int:
    norm = weights.get(f"{tower}.norm_post.weight")
    width = 64 if norm is None else len(norm)
    return table.get(width, max(width // 64, 1))


def published_pipeline(path: Path, tower: ImageTower, family: str | None) -> Pipeline:
    """How the model's publisher prepares images."""
    if family == "dino":
        default = Pipeline(224, short=256, mean=IMAGENET_MEAN, std=IMAGENET_STD, center="floor")
    elif tower.class_token is None:
        default = Pipeline(tower.size, "squash", mean=HALF, std=HALF)
    else:
        default = Pipeline(tower.size, center="round" if family == "open_clip" else "floor")
    preprocessor = files.config(path, "preprocessor_config.json")
    return (
        from_preprocessor(preprocessor, default)
        if preprocessor and not str(family).startswith("open_clip")
        else default
    )


def _tokenizer(path: Path, tower: TextTower, family: str | None, title: str) -> Tokenizer:
    words = len(tower.token.weight)
    if not tower.causal:
        prepare = str.lower if words == GEMMA_WORDS and family == "transformers" else plain
        return Tokenizer(folder_tokenizer(path.parent, title), tower.length, title, prepare)
    tokenizer = clip_tokenizer()
    if len(tokenizer) != words:
        raise files.WeightsError(
            f"{path} knows {words} tokens, and CLIP's tokenizer has {len(tokenizer)}: it was trained with another "
            "tokenizer, which is not supported."
        )
    return Tokenizer(tokenizer, tower.length, title)
