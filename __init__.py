"""ComfyUI Noise Search: spend more compute at sampling time, get a better image from the model you have."""

from .nodes import comfy_entrypoint

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
