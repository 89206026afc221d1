"""Random search (best of N) as a patch on MODEL."""

from functools import partial
from typing import Any

from comfy_api.latest import io

from ..search.driver import Plan
from ..search.patch import put_on
from ..search.random import random_search
from ..verifiers.base import require
from .types import CATEGORY, Search, Verifier, prompt_input

MAX_CANDIDATES = 10_000


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
            search_aliases=["best of n", "seed search", "noise search", "inference-time scaling", "image reward"],
            inputs=[
                io.Model.Input("model", tooltip="The model to search with, with its LoRAs and other patches."),
                io.Vae.Input(
                    "vae", tooltip="Decodes the candidates for the verifier: the VAE that belongs to the model."
                ),
                Verifier.Input("verifier", tooltip="Judges the candidates. Comes from a verifier loader."),
                prompt_input(),
                io.Int.Input(
                    "candidates",
                    default=16,
                    min=1,
                    max=MAX_CANDIDATES,
                    tooltip="How many full images to generate and compare. Candidate i has the sampler's seed + i.",
                ),
                io.Combo.Input(
                    "pruning",
                    options=["none"],
                    default="none",
                    tooltip="none: every candidate runs to the end.",
                ),
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
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model, searching. Goes into the sampler."),
                Search.Output(display_name="search", tooltip="What the search records. Goes into Search Report."),
            ],
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
    ) -> io.NodeOutput:
        title = f"Random Search (node {cls.hidden.unique_id})"
        if candidates < 1:
            raise ValueError(f"{title}: candidates is {candidates}, but a search needs at least 1.")
        plan = Plan(
            title=title,
            name="random",
            algorithm=partial(random_search, candidates=candidates),
            trajectories=candidates,
            batch_size=batch_size,
            max_seconds=max_seconds,
        )
        return io.NodeOutput(*put_on(model, plan, vae, require(verifier, prompt, title), prompt))
