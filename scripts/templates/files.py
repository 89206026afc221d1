"""The published files that the templates load."""

from __future__ import annotations

from reading_files import DETECTOR, READER

from .builder import Model

HUB = "https://huggingface.co"
COMFY = f"{HUB}/Comfy-Org"

ARCHIVED = (DETECTOR, READER)
"""In models/verifiers, out of archives: notes say where they come from, and nothing can offer to download them."""

SD15 = Model(
    "v1-5-pruned-emaonly-fp16.safetensors",
    f"{COMFY}/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
    "checkpoints",
)
SDXL = Model(
    "sd_xl_base_1.0.safetensors",
    f"{HUB}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
    "checkpoints",
)

FLUX = Model("flux1-dev.safetensors", f"{COMFY}/flux1-dev/resolve/main/flux1-dev.safetensors", "diffusion_models")
CLIP_L = Model(
    "clip_l.safetensors",
    f"{HUB}/comfyanonymous/flux_text_encoders/resolve/main/clip_l.safetensors",
    "text_encoders",
)
T5 = Model(
    "t5xxl_fp16.safetensors",
    f"{HUB}/comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp16.safetensors",
    "text_encoders",
)

Z_IMAGE = Model(
    "z_image_turbo_bf16.safetensors",
    f"{COMFY}/z_image_turbo/resolve/main/split_files/diffusion_models/z_image_turbo_bf16.safetensors",
    "diffusion_models",
)
QWEN3_4B = Model(
    "qwen_3_4b.safetensors",
    f"{COMFY}/z_image_turbo/resolve/main/split_files/text_encoders/qwen_3_4b.safetensors",
    "text_encoders",
)
FLUX_VAE = Model("ae.safetensors", f"{COMFY}/z_image_turbo/resolve/main/split_files/vae/ae.safetensors", "vae")

QWEN_IMAGE = Model(
    "qwen_image_2512_fp8_e4m3fn.safetensors",
    f"{COMFY}/Qwen-Image_ComfyUI/resolve/main/split_files/diffusion_models/qwen_image_2512_fp8_e4m3fn.safetensors",
    "diffusion_models",
)
QWEN_IMAGE_LIGHTNING = Model(
    "Qwen-Image-2512-Lightning-4steps-V1.0-fp32.safetensors",
    f"{HUB}/lightx2v/Qwen-Image-2512-Lightning/resolve/main/Qwen-Image-2512-Lightning-4steps-V1.0-fp32.safetensors",
    "loras",
)
QWEN25_VL = Model(
    "qwen_2.5_vl_7b_fp8_scaled.safetensors",
    f"{COMFY}/Qwen-Image_ComfyUI/resolve/main/split_files/text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors",
    "text_encoders",
)
QWEN_VAE = Model(
    "qwen_image_vae.safetensors",
    f"{COMFY}/Qwen-Image_ComfyUI/resolve/main/split_files/vae/qwen_image_vae.safetensors",
    "vae",
)

KREA2 = Model(
    "krea2_turbo_fp8_scaled.safetensors",
    f"{COMFY}/Krea-2/resolve/main/diffusion_models/krea2_turbo_fp8_scaled.safetensors",
    "diffusion_models",
)
QWEN3_VL = Model(
    "qwen3vl_4b_fp8_scaled.safetensors",
    f"{COMFY}/Krea-2/resolve/main/text_encoders/qwen3vl_4b_fp8_scaled.safetensors",
    "text_encoders",
)

WAN = Model(
    "wan2.1_t2v_1.3B_fp16.safetensors",
    f"{COMFY}/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors",
    "diffusion_models",
)
UMT5 = Model(
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    f"{COMFY}/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    "text_encoders",
)
WAN_VAE = Model(
    "wan_2.1_vae.safetensors",
    f"{COMFY}/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/vae/wan_2.1_vae.safetensors",
    "vae",
)

IMAGE_REWARD = Model(
    "ImageReward/ImageReward.pt",
    f"{HUB}/zai-org/ImageReward/resolve/main/ImageReward.pt",
    "verifiers",
    f"[vocab.txt]({HUB}/google-bert/bert-base-uncased/resolve/main/vocab.txt)",
)
DINO = Model(
    "dinov2-base/model.safetensors",
    f"{HUB}/facebook/dinov2-base/resolve/main/model.safetensors",
    "verifiers",
    f"[config.json]({HUB}/facebook/dinov2-base/resolve/main/config.json) and "
    f"[preprocessor_config.json]({HUB}/facebook/dinov2-base/resolve/main/preprocessor_config.json)",
)
HPS = Model("HPS_v2.1_compressed.pt", f"{HUB}/xswu/HPSv2/resolve/main/HPS_v2.1_compressed.pt", "verifiers")
PICKSCORE = Model(
    "PickScore_v1/model.safetensors",
    f"{HUB}/yuvalkirstain/PickScore_v1/resolve/main/model.safetensors",
    "verifiers",
    f"[config.json]({HUB}/yuvalkirstain/PickScore_v1/resolve/main/config.json)",
)
CLIP_SCORE = Model(
    "clip-vit-large-patch14/model.safetensors",
    f"{HUB}/openai/clip-vit-large-patch14/resolve/main/model.safetensors",
    "verifiers",
    f"[config.json]({HUB}/openai/clip-vit-large-patch14/resolve/main/config.json)",
)
