"""The pack's socket types, and the inputs and outputs that several nodes share."""

from numbers import Integral, Real
from typing import Any

from comfy_api.latest import io

from ..search.plan import FINALISTS

CATEGORY = "noise search"

Verifier = io.Custom("VERIFIER")
Search = io.Custom("SEARCH")

MAX_SEED = 0xFFFFFFFFFFFFFFFF
FRAMES = 8  # of a video that a verifier sees by default


def prompt_input() -> io.String.Input:
    return io.String.Input(
        "prompt",
        multiline=True,
        default="",
        tooltip="What the verifier judges the images by, usually the same text as the positive prompt. "
        "It does not change what is generated.",
    )


def search_inputs(*own: io.Input) -> list[io.Input]:
    """What every search node takes, with its own settings in their place."""
    return [
        io.Model.Input("model", tooltip="The model to search with, with its LoRAs and other patches."),
        io.Vae.Input("vae", tooltip="Decodes the candidates for the verifier: the VAE that belongs to the model."),
        Verifier.Input("verifier", tooltip="Judges the candidates. Comes from a verifier loader."),
        prompt_input(),
        *own,
        io.Float.Input(
            "max_seconds",
            default=0.0,
            min=0.0,
            max=1_000_000.0,
            step=1.0,
            tooltip="Stop after about this many seconds with the best so far. 0 means no limit. "
            "At least one round of candidates always runs.",
        ),
        io.Int.Input(
            "batch_size",
            default=0,
            min=0,
            max=1024,
            tooltip="Candidates that run side by side. 0 chooses by free memory. More is faster on a GPU and "
            "needs more memory; it never changes which images are generated.",
        ),
    ]


def check_limits(title: str, max_seconds: float, batch_size: int, frames: int, search_steps: int) -> None:
    """Raises ValueError for a limit of a search node that is none."""
    at_least(title, max_seconds=(max_seconds, 0.0), batch_size=(batch_size, 0))
    at_least(title, frames=(frames, 0), search_steps=(search_steps, 0))


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


def search_outputs() -> list[io.Output]:
    return [
        io.Model.Output(display_name="model", tooltip="The model, searching. Goes into the sampler."),
        Search.Output(display_name="search", tooltip="What the search records. Goes into Search Report."),
    ]


def at_least(title: str, **values: tuple[Any, float]) -> None:
    """Raises ValueError for a value below its least, and for one that is no whole number where the least is one:
    at_least(title, candidates=(0, 1), max_seconds=(0.5, 0.0))."""
    for name, (value, least) in values.items():
        if not isinstance(value, Integral if isinstance(least, int) else Real):
            kind = "whole number" if isinstance(least, int) else "number"
            raise ValueError(f"{title}: {name} is {value!r}, but it has to be a {kind}.")
        if not value >= least:
            raise ValueError(f"{title}: {name} is {value}, but it has to be at least {least}.")
