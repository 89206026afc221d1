"""The explicit form: a list of noises, and picking from a list of results."""

from typing import Any

import torch
from comfy_api.latest import io
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

from ..search.methods.checks import at_least
from ..search.methods.noise import candidate_seed
from ..search.sampling.noise_objects import NoiseNear
from .inputs import MAX_SEED, named
from .types import CATEGORY


class NoiseCandidates(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="NoiseCandidates",
            display_name="Noise Candidates",
            category=CATEGORY,
            description="A list of starting noises to compare. Connect `seed` to a KSampler's seed, or `noise` to a "
            "SamplerCustomAdvanced: ComfyUI then runs the sampler once for each. With a pivot, the candidates are that "
            "noise (candidate 0) and noises near it.",
            search_aliases=["best of n", "seed list", "seed search", "seed variation", "noise search"],
            inputs=[
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Seed of candidate 0; candidate i has seed + i.",
                ),
                io.Int.Input("count", default=8, min=1, max=10_000, tooltip="How many candidates."),
                io.Noise.Input(
                    "pivot",
                    optional=True,
                    tooltip="A noise to stay near: candidate 0 is this noise, the others are neighbours of it. "
                    "Only the noise output follows it; a seed alone can not describe a neighbour.",
                ),
                io.Float.Input(
                    "cosine",
                    default=0.95,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="How similar the neighbours are to the pivot: 0.95 is close, 0 is unrelated. "
                    "Unused without a pivot.",
                ),
            ],
            outputs=[
                io.Noise.Output(
                    display_name="noise", is_output_list=True, tooltip="For SamplerCustomAdvanced, one at a time."
                ),
                io.Int.Output(
                    display_name="seed", is_output_list=True, tooltip="For a KSampler's seed, one at a time."
                ),
            ],
        )

    @classmethod
    def execute(cls, seed: int, count: int, pivot: Any = None, cosine: float = 0.95) -> io.NodeOutput:
        with named("Noise Candidates"):
            at_least(count=(count, 1))
        if not 0 <= cosine <= 1:
            raise ValueError(f"Noise Candidates: cosine is {cosine}; it has to be from 0 to 1.")
        seeds = [candidate_seed(seed, index) for index in range(count)]
        if pivot is None:
            return io.NodeOutput([Noise_RandomNoise(s) for s in seeds], seeds)
        return io.NodeOutput([pivot, *[NoiseNear(pivot, s, cosine) for s in seeds[1:]]], seeds)


class SelectCandidate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        kind = io.MatchType.Template("candidate")
        return io.Schema(
            node_id="SelectCandidate",
            display_name="Select Candidate",
            category=CATEGORY,
            description="Picks one of a list: the latent, image, noise, seed or anything else of the winner. The items "
            "of a batch of images or latents count one by one, as in Verifier Score.",
            search_aliases=["pick from list", "get item", "best of n", "list index"],
            is_input_list=True,
            inputs=[
                io.MatchType.Input("candidates", template=kind, tooltip="The list to pick from, of any type."),
                io.Int.Input(
                    "index", default=0, min=0, max=1_000_000, tooltip="Which one, from 0; best_index of Verifier Score."
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=kind, display_name="candidate", tooltip="The chosen one, of the same type."
                )
            ],
        )

    @classmethod
    def execute(cls, candidates: list[Any], index: list[int]) -> io.NodeOutput:
        wanted = index[0]
        left = wanted
        for candidate in candidates:
            size = _size(candidate)
            if 0 <= left < size:
                return io.NodeOutput(_item(candidate, left) if size > 1 else candidate)
            left -= size
        raise ValueError(
            f"Select Candidate: there is no candidate {wanted}; the list holds {wanted - left}, counted from 0."
        )


def _size(candidate: Any) -> int:
    """How many candidates a list element holds: a batch of images, masks or latents counts its items."""
    if isinstance(candidate, torch.Tensor) and candidate.ndim >= 3:
        return len(candidate)
    if isinstance(candidate, dict) and isinstance(candidate.get("samples"), torch.Tensor):
        return len(candidate["samples"])
    return 1


def _item(candidate: Any, index: int) -> Any:
    """Item `index` of a batch, as a batch of one."""
    if isinstance(candidate, torch.Tensor):
        return candidate[index : index + 1]
    count = len(candidate["samples"])
    return {key: _entry(value, index, count) for key, value in candidate.items()}


def _entry(value: Any, index: int, count: int) -> Any:
    return value[index : index + 1] if isinstance(value, (torch.Tensor, list)) and len(value) == count else value
