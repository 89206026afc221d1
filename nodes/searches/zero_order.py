"""Zero-order search as a patch on MODEL."""

from typing import Any

from comfy_api.latest import io

from ...search.methods.zero_order import zero_order
from ...search.patch import put_on
from ...search.plan import Plan
from ...verifiers.base import require
from ..types import (
    CATEGORY,
    FRAMES,
    at_least,
    check_limits,
    frames_input,
    patience_input,
    search_inputs,
    search_outputs,
    search_steps_input,
)


class ZeroOrderSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ZeroOrderSearch",
            display_name="Zero-Order Search",
            category=CATEGORY,
            description="Refines the image you would have got: tries noises near its noise, moves to the best one "
            "whenever it is better, and goes on from there. The image changes little from round to round. Put it "
            "between the model loader and the sampler you already use. "
            "Cost: (1 + iterations x neighbors) x the sampler's steps.",
            search_aliases=["refine", "hill climbing", "local search", "seed variation", "noise search"],
            inputs=[
                *search_inputs(*zero_order_inputs()),
                patience_input(),
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
        iterations: int,
        neighbors: int,
        cosine: float,
        max_seconds: float = 0.0,
        batch_size: int = 0,
        patience: int = 0,
        frames: int = FRAMES,
        search_steps: int = 0,
    ) -> io.NodeOutput:
        title = f"Zero-Order Search (node {cls.hidden.unique_id})"
        at_least(title, patience=(patience, 0))
        check_limits(title, max_seconds, batch_size, frames, search_steps)
        check(title, iterations, neighbors, cosine)
        plan = Plan(
            title=title,
            node=cls.hidden.unique_id,
            name="zero-order",
            algorithm=lambda seed, *_: zero_order(seed, iterations, neighbors, cosine),
            trajectories=1 + iterations * neighbors,
            batch_size=batch_size,
            max_seconds=max_seconds,
            patience=patience,
            frames=frames,
            search_steps=search_steps,
        )
        return io.NodeOutput(*put_on(model, plan, vae, require(verifier, prompt, title), prompt))


def zero_order_inputs() -> list[io.Input]:
    return [
        io.Int.Input(
            "iterations",
            default=5,
            min=1,
            max=10_000,
            tooltip="How many times to look around the best noise.",
        ),
        io.Int.Input(
            "neighbors",
            default=4,
            min=1,
            max=1024,
            tooltip="How many noises near the best one to try each time.",
        ),
        io.Float.Input(
            "cosine",
            default=0.95,
            min=0.0,
            max=0.9999,
            step=0.01,
            tooltip="How similar a neighbour is to the noise it starts from: 0.95 is close, 0 is "
            "unrelated. The step shortens after a round without improvement and lengthens after one with.",
        ),
    ]


def check(title: str, iterations: int, neighbors: int, cosine: float) -> None:
    """Raises ValueError for a setting that can not be searched with."""
    at_least(title, iterations=(iterations, 1), neighbors=(neighbors, 1))
    if not 0 <= cosine < 1:
        raise ValueError(
            f"{title}: cosine is {cosine}; it has to be from 0 to less than 1 (1 is the same noise again)."
        )
