"""Random search (best of N) as a node."""

from comfy_api.latest import io

from ...search.methods import random_search as method
from ...search.methods.by_hand import ANSWER_WITHIN
from .base import SearchNode


class RandomSearch(SearchNode):
    METHOD = method.RandomSearch
    TITLE = "Random Search"
    PLACE = 1

    @classmethod
    def define_schema(cls) -> io.Schema:
        return cls.schema(
            "RandomSearch",
            "Makes the sampler after it generate several images from different seeds and keep the one the "
            "verifier likes best. Put it between the model loader and the sampler you already use; candidate 0 is the "
            "image you would have got anyway, so the result is never worse by the verifier. "
            "Cost: candidates x the sampler's steps.",
            aliases=[
                "best of n",
                "best seed",
                "seed search",
                "noise",
                "quality",
                "pick",
                "compare",
                "noise search",
                "inference-time scaling",
                "test-time scaling",
                "cherry pick",
                "image reward",
            ],
        )

    @classmethod
    def settings(cls) -> list[io.Input]:
        return [
            _candidates("How many full images to generate and compare. Candidate i has the sampler's seed + i."),
            io.Combo.Input(
                "pruning",
                options=list(method.PRUNINGS),
                default=method.NONE,
                tooltip="none: every candidate runs to the end. progressive: the same NFE on 1.5 to 1.9 times "
                "as many starts, of which the weaker ones stop on the way, judged by what the model predicts "
                "there. It pays when the verifier sees early what an image will become; candidate 0 may be "
                "stopped like any other. look ahead: the same, but each is judged by the image that it becomes in "
                "one big step, made beside its way; more than twice as many start, and far fewer are judged. With "
                "max_seconds they start in rounds of at most 16. by hand: the search pauses twice, and you tick on the "
                "board which go on.",
            ),
        ]

    @classmethod
    def latest(cls) -> list[io.Input]:
        return [
            io.Int.Input(
                "answer_within",
                default=ANSWER_WITHIN,
                min=1,
                max=86_400,
                optional=True,
                advanced=True,
                tooltip="With pruning by hand: seconds that you have at each pause. Then the verifier's choice goes "
                "on, so that a queue left alone does. The wait does not count to max_seconds.",
            )
        ]

    @classmethod
    def loop_settings(cls) -> list[io.Input]:
        return [_candidates("How many seeds to try. Candidate i has the seed of Search Loop Open + i.")]


def _candidates(tooltip: str) -> io.Int.Input:
    return io.Int.Input("candidates", default=8, min=1, max=10_000, tooltip=tooltip)
