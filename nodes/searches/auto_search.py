"""A search that needs no tuning, as a node."""

from comfy_api.latest import io

from ...search.methods import auto_search as method
from .base import SearchNode


class AutoSearch(SearchNode):
    METHOD = method.AutoSearch
    TITLE = "Auto Search"
    PLACE = 0
    DRAFTS = False
    ADVANCED = True

    @classmethod
    def define_schema(cls) -> io.Schema:
        return cls.schema(
            "AutoSearch",
            "Spends more compute in the sampler after it for a better image by your verifier, with nothing to tune. "
            "Half of the budget goes into many starts, of which the weaker ones stop early; the other half into "
            "refining the best images so far. Put it between the model loader and the sampler you already use. "
            "Cost: budget x the sampler's steps.",
            aliases=[
                "best of n",
                "best seed",
                "noise",
                "noise search",
                "quality",
                "pick",
                "compare",
                "inference-time scaling",
                "test-time scaling",
                "refine",
                "automatic",
                "better image",
            ],
        )

    @classmethod
    def settings(cls) -> list[io.Input]:
        return [
            io.Int.Input(
                "budget",
                default=8,
                min=1,
                max=10_000,
                tooltip="What the search may cost, in images: 8 takes as long as eight images (and judging them). From "
                "6 on images are refined as well.",
            )
        ]
