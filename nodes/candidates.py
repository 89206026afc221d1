"""The explicit form: a list of noises, and picking from a list of results."""

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

from ..search.methods.checks import at_least
from ..search.methods.noise import candidate_seed
from ..search.sampling.noise_objects import NoiseNear
from .counted import CountedIndex, batch_size, item, made_at_once, only, place
from .inputs import MAX_SEED, named
from .types import CATEGORY

SELECT = "Select Candidate"


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
                io.Int.Input(
                    "count", display_name="candidates", default=8, min=1, max=10_000, tooltip="How many candidates."
                ),
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
            display_name=SELECT,
            category=CATEGORY,
            description="Picks one of a list: the latent, image, noise, seed or anything else of the winner. The items "
            "of a batch of images or latents count one by one, as in Verifier Score; of a list with one entry for "
            "each batch, such as seeds, it gives the entry that the image was made with.",
            search_aliases=["pick from list", "get item", "best of n", "list index"],
            is_input_list=True,
            inputs=[
                io.MatchType.Input("candidates", template=kind, tooltip="The list to pick from, of any type."),
                io.Int.Input(
                    "index", default=0, min=0, max=1_000_000, tooltip="Which one, from 0; best_index of Verifier Score."
                ),
                io.AnyType.Input(
                    "counted_in",
                    optional=True,
                    tooltip="The images or latents that the index counts, where it does not come from Verifier Score "
                    "directly and they came in batches: the candidates then are what each batch was made with.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=kind, display_name="candidate", tooltip="The chosen one, of the same type."
                )
            ],
        )

    @classmethod
    def execute(cls, candidates: list[Any], index: list[int], counted_in: list[Any] | None = None) -> io.NodeOutput:
        wanted = only(SELECT, "index", index, "Use a Select Candidate for each.")
        sizes = _counted(wanted, counted_in)
        own = [batch_size(candidate) for candidate in candidates]
        if sizes is not None and len(sizes) == len(candidates):
            return io.NodeOutput(_made_with(candidates, wanted, sizes))
        if sizes is not None and sum(sizes) != sum(own):
            raise ValueError(
                f"{SELECT}: the index counts {sum(sizes)} images in {len(sizes)} batches, but candidates is a list of "
                f"{len(own)} with {sum(own)} in all, so it is not clear which belongs to an image. Connect a list with "
                "one entry for each batch, or one for each image."
            )
        at = _inside(wanted, own, "the list")
        return io.NodeOutput(_taken(candidates, at, own))


def _counted(index: int, counted_in: list[Any] | None) -> tuple[int, ...] | None:
    """The sizes of the batches whose items the index counts; None where that is not known."""
    sizes = index.sizes if isinstance(index, CountedIndex) else None
    if counted_in is None:
        return sizes
    given = tuple(made_at_once(batch) for batch in counted_in)
    if sizes is not None and sum(sizes) != sum(given):
        raise ValueError(
            f"{SELECT}: the index counts {sum(sizes)} images, but counted_in holds {sum(given)}. Connect the images "
            "that went into Verifier Score."
        )
    return given


def _made_with(candidates: list[Any], index: int, sizes: tuple[int, ...]) -> Any:
    """What the image at this index was made with, of a list with an entry for each batch of so many images."""
    entry, at = _inside(index, sizes, "the list of images")
    own = made_at_once(candidates[entry])
    if own not in (1, sizes[entry]):
        raise ValueError(
            f"{SELECT}: image {index} is in batch {entry}, of {sizes[entry]}, but candidate {entry} is a batch of "
            f"{own}, so it is not clear which of them belongs to it. Connect the batches that the images come from."
        )
    return candidates[entry] if own == 1 else item(candidates[entry], at)


def _taken(candidates: list[Any], at: tuple[int, int], sizes: list[int]) -> Any:
    entry, inside = at
    return candidates[entry] if sizes[entry] == 1 else item(candidates[entry], inside)


def _inside(index: int, sizes: Sequence[int], what: str) -> tuple[int, int]:
    at = place(index, sizes)
    if at is None:
        raise ValueError(f"{SELECT}: there is no candidate {index}; {what} holds {sum(sizes)}, counted from 0.")
    return at
