"""The pack's socket types, and the inputs that several nodes have."""

from comfy_api.latest import io

CATEGORY = "noise search"

Verifier = io.Custom("VERIFIER")
Search = io.Custom("SEARCH")

MAX_SEED = 0xFFFFFFFFFFFFFFFF


def prompt_input() -> io.String.Input:
    return io.String.Input(
        "prompt",
        multiline=True,
        default="",
        tooltip="What the verifier judges the images by, usually the same text as the positive prompt. "
        "It does not change what is generated.",
    )
