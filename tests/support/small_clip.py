"""Names and shapes of a small CLIP in transformers' names, and of published models at full size."""

from __future__ import annotations

VISION = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
Shapes = dict[str, list[int]]


def clip_shapes(
    vision: int = 128, vision_layers: int = 2, text: int = 64, text_layers: int = 2, size: int = 56, patch: int = 14,
    projection: int = 48, words: int = 49408,
) -> Shapes:  # fmt: skip
    """CLIPModel of transformers."""
    tokens = (size // patch) ** 2 + 1
    return {
        "logit_scale": [],
        "vision_model.embeddings.class_embedding": [vision],
        "vision_model.embeddings.patch_embedding.weight": [vision, 3, patch, patch],
        "vision_model.embeddings.position_embedding.weight": [tokens, vision],
        **norm("vision_model.pre_layrnorm", vision),
        **norm("vision_model.post_layernorm", vision),
        **blocks("vision_model.encoder.layers", vision, vision_layers),
        "visual_projection.weight": [projection, vision],
        "text_model.embeddings.token_embedding.weight": [words, text],
        "text_model.embeddings.position_embedding.weight": [77, text],
        **blocks("text_model.encoder.layers", text, text_layers),
        **norm("text_model.final_layer_norm", text),
        "text_projection.weight": [projection, text],
    }


def blocks(prefix: str, width: int, layers: int) -> Shapes:
    shapes: Shapes = {}
    for layer in range(layers):
        name = f"{prefix}.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= linear(f"{name}.self_attn.{part}", width, width)
        shapes |= linear(f"{name}.mlp.fc1", width, 4 * width) | linear(f"{name}.mlp.fc2", 4 * width, width)
        shapes |= norm(f"{name}.layer_norm1", width) | norm(f"{name}.layer_norm2", width)
    return shapes


def linear(name: str, inside: int, out: int) -> Shapes:
    return {f"{name}.weight": [out, inside], f"{name}.bias": [out]}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": [width], f"{name}.bias": [width]}
