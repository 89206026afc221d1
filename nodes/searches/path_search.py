"""Search over paths as a patch on MODEL."""

from typing import Any

from comfy_api.latest import io

from ...search.methods.paths import cost, path_search
from ...search.patch import put_on
from ...search.plan import Plan
from ...verifiers.base import require
from ..types import (
    CATEGORY,
    FRAMES,
    at_least,
    check_limits,
    frames_input,
    search_inputs,
    search_outputs,
    search_steps_input,
)


class PathSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PathSearch",
            display_name="Path Search",
            category=CATEGORY,
            description="Searches on the way from noise to image: takes several images to a noise level, then again "
            "and again noises each in several ways, denoises it and keeps what the verifier likes best. Levels go from "
            "1 (noise) to 0 (image). The defaults are the paper's and begin near the end; start 0.7, forward 0.1, "
            "backward 0.3 begins early, where the composition is still open.",
            search_aliases=["search over paths", "noise search", "inference-time scaling", "renoise", "resample"],
            inputs=[
                *search_inputs(
                    io.Int.Input(
                        "paths", default=2, min=1, max=1024, tooltip="How many images are kept from turn to turn."
                    ),
                    io.Int.Input(
                        "branches", default=2, min=1, max=1024, tooltip="How many ways each is noised at every turn."
                    ),
                    _level("start", 0.11, "The level to denoise to before the first turn. 0.11 is nearly the image."),
                    _level("forward", 0.78, "How far each turn noises."),
                    _level(
                        "backward", 0.81, "How far each turn denoises; more than forward, or the search would not end."
                    ),
                ),
                frames_input(),
                search_steps_input(),
            ],
            outputs=search_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        vae: Any,
        verifier: Any,
        prompt: str,
        paths: int,
        branches: int,
        start: float,
        forward: float,
        backward: float,
        max_seconds: float = 0.0,
        batch_size: int = 0,
        frames: int = FRAMES,
        search_steps: int = 0,
    ) -> io.NodeOutput:
        title = f"Path Search (node {cls.hidden.unique_id})"
        at_least(title, paths=(paths, 1), branches=(branches, 1))
        check_limits(title, max_seconds, batch_size, frames, search_steps)
        _check_levels(title, start, forward, backward)
        settings = {"paths": paths, "branches": branches, "start": start, "forward": forward, "backward": backward}
        plan = Plan(
            title=title,
            node=cls.hidden.unique_id,
            name="paths",
            algorithm=lambda seed, *_: path_search(seed, **settings),
            trajectories=cost(**settings),
            batch_size=batch_size,
            max_seconds=max_seconds,
            frames=frames,
            search_steps=search_steps,
        )
        return io.NodeOutput(*put_on(model, plan, vae, require(verifier, prompt, title), prompt))


def _level(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.01, max=0.99, step=0.01, tooltip=tooltip)


def _check_levels(title: str, start: float, forward: float, backward: float) -> None:
    for name, level in (("start", start), ("forward", forward), ("backward", backward)):
        if not 0 < level < 1:
            raise ValueError(f"{title}: {name} is {level}, but a level lies between 0 (image) and 1 (noise).")
    if backward <= forward:
        raise ValueError(
            f"{title}: backward ({backward}) has to be more than forward ({forward}); otherwise every turn would end "
            "as noisy as it began, and the search would never reach an image."
        )
    if start + forward > 1:
        raise ValueError(
            f"{title}: start ({start}) and forward ({forward}) together are more than 1, which is pure noise. "
            "Start later or noise less."
        )
