"""A tiny text-to-image model and verifier for ComfyUI: a search to try that needs no download and no GPU."""
