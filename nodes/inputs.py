"""Inputs that several nodes share, and the node's name in front of what is wrong with a setting."""

from collections.abc import Iterator
from contextlib import contextmanager

from comfy_api.latest import io

from ..search.methods.checks import SettingError
from ..search.plan import FINALISTS

MAX_SEED = 0xFFFFFFFFFFFFFFFF
FRAMES = 8  # of a video that a verifier sees by default


@contextmanager
def named(title: str) -> Iterator[None]:
    """A wrong setting becomes a ValueError that begins with the node: ComfyUI shows people the class of an error, and a
    class of ours with its whole module path."""
    try:
        yield
    except SettingError as error:
        raise ValueError(f"{title}: {error}") from error


def prompt_input(tooltip: str) -> io.String.Input:
    return io.String.Input("prompt", multiline=True, default="", tooltip=tooltip)


def patience_input() -> io.Int.Input:
    return io.Int.Input(
        "patience",
        default=0,
        min=0,
        max=10_000,
        optional=True,
        tooltip="Stop when this many candidates in a row brought nothing better. 0 never does.",
    )


def frames_input() -> io.Int.Input:
    return io.Int.Input(
        "frames",
        default=FRAMES,
        min=0,
        max=10_000,
        optional=True,
        tooltip="For video: how many frames the verifier sees, evenly spaced from the first to the last. A candidate's "
        "score is their mean. 0 shows it all of them. Images have one.",
    )


def search_steps_input() -> io.Int.Input:
    return io.Int.Input(
        "search_steps",
        default=0,
        min=0,
        max=10_000,
        optional=True,
        tooltip=f"Search on fewer steps than the sampler's: candidates are drafts of so many steps, and the best "
        f"{FINALISTS} and the image without search run again on all steps and are judged again. 0 gives every "
        "candidate all steps.",
    )
