"""One set of names for the weights of all families, and how to tell a family by its own names."""

from __future__ import annotations

import re

from torch import Tensor

from ..files import Weights
from .towers import below

Rules = tuple[tuple[str, str], ...]

WRAPPERS = ("module.", "_orig_mod.", "model.", "clip.", "clip_model.")  # of training code around a whole model

TRANSFORMERS_BLOCK: Rules = (
    (r"encoder\.layers\.", "blocks."),
    (r"layer_norm([12])\.", r"norm\1."),
    (r"self_attn\.([qkv])_proj\.", r"attn.\1."),
    (r"self_attn\.out_proj\.", "attn.out."),
)
TRANSFORMERS: Rules = (
    (r"^vision_model\.", "image."),
    (r"^text_model\.", "text."),
    (r"^visual_projection\.", "image.projection."),
    (r"^text_projection\.", "text.projection."),
    *TRANSFORMERS_BLOCK,
    (r"^image\.embeddings\.class_embedding$", "image.class_token"),
    (r"^image\.embeddings\.patch_embedding\.", "image.patch."),
    (r"embeddings\.position_embedding\.weight$", "position"),
    (r"^text\.embeddings\.token_embedding\.", "text.token."),
    (r"^image\.pre_layrnorm\.", "image.norm_pre."),
    (r"^image\.post_layernorm\.", "image.norm_post."),
    (r"^text\.final_layer_norm\.", "text.norm_post."),
    (r"^text\.head\.", "text.projection."),
    (r"^image\.head\.attention\.in_proj_(weight|bias)$", r"image.pool.attn.qkv.\1"),
    (r"^image\.head\.attention\.out_proj\.", "image.pool.attn.out."),
    (r"^image\.head\.layernorm\.", "image.pool.norm."),
    (r"^image\.head\.", "image.pool."),
)
OPEN_CLIP: Rules = (
    (r"^visual\.", "image."),
    (r"^(transformer|token_embedding|positional_embedding|ln_final|text_projection)", r"text.\1"),
    (r"transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"attn\.in_proj_(weight|bias)$", r"attn.qkv.\1"),
    (r"attn\.out_proj\.", "attn.out."),
    (r"mlp\.c_fc\.", "mlp.fc1."),
    (r"mlp\.c_proj\.", "mlp.fc2."),
    (r"^image\.conv1\.", "image.patch."),
    (r"^image\.class_embedding$", "image.class_token"),
    (r"positional_embedding$", "position"),
    (r"^text\.token_embedding\.", "text.token."),
    (r"^image\.ln_pre\.", "image.norm_pre."),
    (r"^image\.ln_post\.", "image.norm_post."),
    (r"^text\.ln_final\.", "text.norm_post."),
    (r"^image\.proj$", "image.projection"),
    (r"^text\.text_projection$", "text.projection"),
    (r"^text\.text_projection\.", "text.projection."),
)
DINO: Rules = (
    (r"^(dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.cls_token$", "class_token"),
    (r"^embeddings\.position_embeddings$", "position"),
    (r"^embeddings\.register_tokens$", "registers"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch."),
    (r"^encoder\.layer\.", "blocks."),
    (r"attention\.attention\.query\.", "attn.q."),
    (r"attention\.attention\.key\.", "attn.k."),
    (r"attention\.attention\.value\.", "attn.v."),
    (r"attention\.output\.dense\.", "attn.out."),
    (r"attention\.([qkv])_proj\.", r"attn.\1."),  # transformers 5, in memory
    (r"attention\.o_proj\.", "attn.out."),
    (r"layer_scale([12])\.lambda1$", r"scale\1"),
    (r"^layernorm\.", "norm_post."),
)
TIMM: Rules = (
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "position"),
    (r"^patch_embed\.proj\.", "patch."),
    (r"\battn\.proj\.", "attn.out."),
    (r"^norm\.", "norm_post."),
    (r"^attn_pool\.latent$", "pool.probe"),
    (r"^attn_pool\.(q|kv)\.", r"pool.attn.\1."),
    (r"^attn_pool\.proj\.", "pool.attn.out."),
    (r"^attn_pool\.", "pool."),
)


def from_transformers(state: Weights) -> Weights:
    """CLIPModel, SiglipModel and towers of them."""
    return split_qkv(renamed(state, TRANSFORMERS))


def from_open_clip(state: Weights) -> Weights:
    """open_clip's own names, which OpenAI's CLIP and HPS share. Projections are stored for x @ P."""
    weights = split_qkv(renamed(state, OPEN_CLIP))
    for name in ("image.projection", "text.projection"):
        if name in weights:
            weights[f"{name}.weight"] = weights.pop(name).T
    return weights


def from_open_clip_siglip(state: Weights) -> Weights:
    """SigLIP in open_clip: timm's image tower and open_clip's text tower."""
    text = {key: value for key, value in from_open_clip(state).items() if not key.startswith("image.")}
    return text | {f"image.{key}": value for key, value in from_timm(below(state, "visual.trunk")).items()}


def from_dino(state: Weights) -> Weights:
    """Dinov2Model or Dinov2ForImageClassification of transformers, or these with registers."""
    return _without_batch(renamed(state, DINO))


def from_timm(state: Weights) -> Weights:
    """timm's VisionTransformer, which the image towers of BLIP and of open_clip's SigLIP are."""
    return _without_batch(split_qkv(renamed(state, TIMM)))


def _without_batch(weights: Weights) -> Weights:
    """Class token [1, 1, W], position and registers [1, N, W] as [W] and [N, W]."""
    shapes = {"class_token": (-1,)}
    shapes |= {name: weights[name].shape[1:] for name in ("position", "registers") if name in weights}
    return {key: value.reshape(shapes[key]) if key in shapes else value for key, value in weights.items()}


def renamed(state: Weights, rules: Rules) -> Weights:
    return {_rename(key, rules): value for key, value in state.items()}


def _rename(key: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def split_qkv(weights: Weights) -> Weights:
    """Query, key and value of a joint projection, as views of it."""
    split: dict[str, Tensor] = {}
    for key, value in weights.items():
        if match := re.fullmatch(r"(.*\battn\.)(qkv|kv)\.(weight|bias)", key):
            parts = zip(match[2], value.chunk(len(match[2])))
            split |= {f"{match[1]}{part}.{match[3]}": x for part, x in parts}
        else:
            split[key] = value
    return split


def unwrapped(state: Weights) -> Weights:
    """Without what training code puts before every name of a whole model."""
    prefix = next((wrapper for wrapper in WRAPPERS if all(key.startswith(wrapper) for key in state)), None)
    return state if prefix is None else unwrapped({key[len(prefix) :]: value for key, value in state.items()})


def family(state: Weights) -> str | None:
    """Which family's names these are: transformers, open_clip, open_clip_siglip, dino, or None."""
    if any(key.startswith(("vision_model.", "text_model.")) for key in state):
        return "transformers"
    if "visual.trunk.attn_pool.latent" in state:
        return "open_clip_siglip"
    if "visual.conv1.weight" in state or "transformer.resblocks.0.attn.in_proj_weight" in state:
        return "open_clip"
    if any(re.search(r"encoder\.layer\.0\.layer_scale1", key) for key in state):
        return "dino"
    return None


def towers(state: Weights) -> Weights:
    """Weights named image.* and text.*, with logit_scale; empty when the family is not known."""
    match family(state):
        case "transformers":
            return from_transformers(state)
        case "open_clip":
            return from_open_clip(state)
        case "open_clip_siglip":
            return from_open_clip_siglip(state)
        case "dino":
            return {f"image.{key}": value for key, value in from_dino(state).items()}
    return {}
