"""Search over paths as a node."""

from comfy_api.latest import io

from ...search.methods import paths
from .base import SearchNode


class PathSearch(SearchNode):
    METHOD = paths.PathSearch
    TITLE = "Path Search"
    PLACE = 3
    PATIENCE = False  # what is on its way and what has arrived do not compare

    @classmethod
    def define_schema(cls) -> io.Schema:
        return cls.schema(
            "PathSearch",
            "Searches on the way from noise to image: takes several images to a noise level, then again "
            "and again noises each in several ways, denoises it and keeps what the verifier likes best. Levels go from "
            "1 (noise) to 0 (image). The defaults are the paper's and begin near the end; start 0.7, forward 0.1, "
            "backward 0.3 begins early, where the composition is still open.",
            aliases=["search over paths", "noise search", "inference-time scaling", "renoise", "resample"],
        )

    @classmethod
    def settings(cls) -> list[io.Input]:
        return [
            io.Int.Input("paths", default=2, min=1, max=1024, tooltip="How many images are kept from turn to turn."),
            io.Int.Input("branches", default=2, min=1, max=1024, tooltip="How many ways each is noised at every turn."),
            _level("start", 0.11, "The level to denoise to before the first turn. 0.11 is nearly the image."),
            _level("forward", 0.78, "How far each turn noises."),
            _level("backward", 0.81, "How far each turn denoises; more than forward, or the search would not end."),
        ]


def _level(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.01, max=0.99, step=0.01, tooltip=tooltip)
