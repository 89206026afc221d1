"""Zero-order search as a node."""

from comfy_api.latest import io

from ...search.methods.zero_order import ZeroOrder
from .base import SearchNode


class ZeroOrderSearch(SearchNode):
    METHOD = ZeroOrder
    TITLE = "Zero-Order Search"
    PLACE = 2

    @classmethod
    def define_schema(cls) -> io.Schema:
        return cls.schema(
            "ZeroOrderSearch",
            "Refines the image you would have got: tries noises near its noise, moves to the best one "
            "whenever it is better, and goes on from there. The image changes little from round to round. Put it "
            "between the model loader and the sampler you already use. "
            "Cost: (1 + iterations x neighbors) x the sampler's steps.",
            aliases=["refine", "hill climbing", "local search", "seed variation", "noise search"],
        )

    @classmethod
    def settings(cls) -> list[io.Input]:
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
                default=0.6,
                min=0.0,
                max=0.9999,
                step=0.01,
                tooltip="How similar a neighbour is to the noise it starts from: 0.95 keeps the image, 0.6 finds more, "
                "0 is unrelated. The step shortens after a round without improvement and lengthens after one with.",
            ),
        ]
