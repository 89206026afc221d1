"""Random search (best of N) as a patch on MODEL."""

from collections.abc import Callable
from typing import Any

from comfy_api.latest import io

from ...search.methods.pruning import MOST_ROWS, rows_together
from ...search.methods.random_search import Algorithm, pruned_random_search, random_search
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

TIMED_ROWS = 16  # candidates in a round when time is short: the first round always runs


class RandomSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RandomSearch",
            display_name="Random Search",
            category=CATEGORY,
            description="Makes the sampler after it generate several images from different seeds and keep the one the "
            "verifier likes best. Put it between the model loader and the sampler you already use; candidate 0 is the "
            "image you would have got anyway, so the result is never worse by the verifier. "
            "Cost: candidates x the sampler's steps.",
            search_aliases=[
                "best of n",
                "seed search",
                "noise search",
                "inference-time scaling",
                "test-time scaling",
                "cherry pick",
                "image reward",
            ],
            inputs=[
                *search_inputs(
                    io.Int.Input(
                        "candidates",
                        default=16,
                        min=1,
                        max=10_000,
                        tooltip="How many full images to generate and compare. Candidate i has the sampler's seed + i.",
                    ),
                    io.Combo.Input(
                        "pruning",
                        options=["none", "progressive"],
                        default="none",
                        tooltip="none: every candidate runs to the end. progressive: the same cost on about 1.5 times "
                        "as many starts, of which the weaker ones stop on the way, judged by what the model predicts "
                        "there. It pays when the verifier sees early what an image will become; candidate 0 may be "
                        "stopped like any other. With max_seconds they start in rounds of at most 16.",
                    ),
                ),
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
        candidates: int,
        pruning: str = "none",
        max_seconds: float = 0.0,
        batch_size: int = 0,
        patience: int = 0,
        frames: int = FRAMES,
        search_steps: int = 0,
    ) -> io.NodeOutput:
        title = f"Random Search (node {cls.hidden.unique_id})"
        at_least(title, candidates=(candidates, 1), patience=(patience, 0))
        check_limits(title, max_seconds, batch_size, frames, search_steps)
        plan = Plan(
            title=title,
            node=cls.hidden.unique_id,
            name="random",
            algorithm=_algorithm(candidates, pruning, max_seconds),
            trajectories=candidates,
            batch_size=batch_size,
            max_seconds=max_seconds,
            patience=patience,
            frames=frames,
            search_steps=search_steps,
            races=pruning == "progressive",
        )
        return io.NodeOutput(*put_on(model, plan, vae, require(verifier, prompt, title), prompt))


def _algorithm(candidates: int, pruning: str, max_seconds: float) -> Callable[[int, int, int], Algorithm]:
    if pruning == "progressive":
        most = TIMED_ROWS if max_seconds else MOST_ROWS
        return lambda seed, steps, size: pruned_random_search(seed, candidates, steps, min(most, rows_together(size)))
    return lambda seed, *_: random_search(seed, candidates)
