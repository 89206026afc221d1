"""Networks whose weights ComfyUI loads, offloads and unloads, like those of its own models."""

from __future__ import annotations

from typing import Generic, TypeVar

import comfy.model_management
import comfy.model_patcher
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Managed(Generic[Network]):
    """A network that is on the device whenever `ready` has been called, and wherever the host put it otherwise.

    whole: load it whole or not at all; for networks that are not made of comfy.ops, which the host can not split.
    """

    def __init__(self, network: Network, whole: bool = False):
        self.whole = whole
        network.eval().requires_grad_(False)
        self.patcher = comfy.model_patcher.ModelPatcher(
            network,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.text_encoder_offload_device(),
        )

    @property
    def network(self) -> Network:
        """Wherever it is now."""
        return self.patcher.model

    @property
    def device(self) -> torch.device:
        return self.patcher.load_device

    def ready(self, memory: float = 0.0) -> Network:
        """The network, loaded; memory: bytes that computing needs beside the weights."""
        comfy.model_management.load_models_gpu([self.patcher], memory_required=int(memory), force_full_load=self.whole)
        return self.network
