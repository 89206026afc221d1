"""A tiny text-to-image model and verifier, as a ComfyUI custom-node folder of its own."""


async def comfy_entrypoint():
    """Called by ComfyUI. The nodes are imported here, so that training and the oracle run without ComfyUI."""
    from .loaders import ShapesExtension

    return ShapesExtension()
