"""A CLIP with ComfyUI's own Qwen3-VL, small and of random weights."""

from __future__ import annotations

import importlib
from typing import Any

import torch

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
EYE = {"hidden_size": 128, "intermediate_size": 128, "depth": 3, "deepstack_visual_indexes": [0, 1]}


def small_vlm() -> Any:
    qwen = importlib.import_module("comfy.text_encoders.qwen3vl")
    sd = importlib.import_module("comfy.sd")
    patcher = importlib.import_module("comfy.model_patcher").ModelPatcher
    before, qwen.QWEN3VL_VISION["qwen3vl_4b"] = qwen.QWEN3VL_VISION["qwen3vl_4b"], EYE
    torch.manual_seed(0)
    model = qwen.te(model_type="qwen3vl_4b")(
        device="cpu", dtype=torch.float32, model_options={"qwen3vl_4b_model_config": SMALL}
    )
    qwen.QWEN3VL_VISION["qwen3vl_4b"] = before
    for name, value in model.named_parameters():
        torch.nn.init.constant_(value, 1.0) if "norm" in name else torch.nn.init.normal_(value, std=0.1)
    clip = sd.CLIP(no_init=True)
    clip.cond_stage_model, clip.tokenizer = model, qwen.tokenizer("qwen3vl_4b")()
    clip.tokenizer_options = {}
    clip.patcher = patcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))
    return clip
