"""A search that needs no tuning, as a node."""

from comfy_api.latest import io

from ...search.host.prompts import PROMPTS
from ...search.methods import auto_search as method
from ...search.records.recipe_text import NoSearch
from ..inputs import read_recipe
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

    @classmethod
    def latest(cls) -> list[io.Input]:
        return [
            io.String.Input(
                "refine",
                default="",
                optional=True,
                advanced=True,
                tooltip="The recipe of an image to go on from, as Search Report and the board give it: candidate 0 is "
                "then that image, made along its recipe, and all of the budget goes into refining it. The result is "
                "never worse. Noise, variety and wording are the recipe's. Empty: a search from the sampler's own "
                "noise.",
            )
        ]

    @classmethod
    def method(cls, budget: int, refine: str = "") -> method.AutoSearch:
        try:
            return method.AutoSearch(budget, read_recipe(refine))
        except NoSearch as reason:  # as when the search that gives the recipe is bypassed
            title = f"{cls.TITLE} (node {cls.hidden.unique_id})"
            PROMPTS.warn(f"{title}: `refine` has no recipe, so it searches from the sampler's own noise. {reason}")
            return method.AutoSearch(budget)
