"""The denoiser as a ComfyUI MODEL: a flow model on pixels, made of the host's own classes."""

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import torch
from torch import Tensor, nn

from .unet import UNet


class ShapesConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a model. Float32 throughout: the model is tiny, and the same everywhere."""

    unet_extra_config = {}
    sampling_settings = {"shift": 1.0, "multiplier": 1.0}
    latent_format = comfy.latent_formats.ChromaRadiance
    memory_usage_factor = 0.01
    supported_inference_dtypes = [torch.float32]


class HostUNet(UNet):
    """The UNet behind the signature that the host calls."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, **_) -> Tensor:
        return super().forward(x, timesteps, context)


def load_model(weights: dict[str, Tensor], network: type[nn.Module] = HostUNet) -> comfy.model_patcher.ModelPatcher:
    """A MODEL with the UNet's weights."""
    config = ShapesConfig({})
    config.set_inference_dtype(torch.float32, None)
    offload_device = comfy.model_management.unet_offload_device()
    model = comfy.model_base.BaseModel(
        config, model_type=comfy.model_base.ModelType.FLOW, device=offload_device, unet_model=network
    )
    model.load_model_weights(dict(weights))
    load_device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.ModelPatcher(model, load_device=load_device, offload_device=offload_device)


def load_vae() -> comfy.sd.VAE:
    """The host's pixel-space VAE: the model draws pixels, there is nothing to decode."""
    return comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})
