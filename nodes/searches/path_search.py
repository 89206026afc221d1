"""Search over paths as a node."""

from typing import Any

from comfy_api.latest import io

from ...search.methods import paths
from .base import SearchNode

LATE, EARLY, CUSTOM = "late", "early", "custom"
LEVELS = {  # start, forward, backward; late: the paper's (Ma et al. 2025, section 3.3)
    LATE: {"start": 0.11, "forward": 0.78, "backward": 0.81},
    EARLY: {"start": 0.7, "forward": 0.1, "backward": 0.3},
}


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
            "1 (noise) to 0 (image). Late, as in the paper, it begins near the end; early, where the composition is "
            "still open.",
            aliases=["search over paths", "noise search", "inference-time scaling", "renoise", "resample"],
        )

    @classmethod
    def settings(cls) -> list[io.Input]:
        return [
            io.Int.Input("paths", default=2, min=1, max=1024, tooltip="How many images are kept from turn to turn."),
            io.Int.Input("branches", default=2, min=1, max=1024, tooltip="How many ways each is noised at every turn."),
            _level("start", "The level to denoise to before the first turn. 0.11 is nearly the image."),
            _level("forward", "How far each turn noises."),
            _level("backward", "How far each turn denoises; more than forward, or the search would not end."),
        ]

    @classmethod
    def added(cls) -> list[io.Input]:
        return [
            io.Combo.Input(
                "levels",
                options=[LATE, EARLY, CUSTOM],
                default=LATE,
                optional=True,
                tooltip="Where on the way it searches. late: as in the paper, from images that are nearly finished. "
                "early: where the composition is still open. custom: by start, forward and backward.",
            )
        ]

    @classmethod
    def method(cls, levels: str = CUSTOM, **settings: Any) -> paths.PathSearch:
        """levels: workflows from before there was this choice have the three levels alone."""
        chosen: dict[str, Any] = settings | LEVELS.get(levels, {})
        return paths.PathSearch(**chosen)


def _level(name: str, tooltip: str) -> io.Float.Input:
    told = f"With levels: custom. {tooltip}"
    return io.Float.Input(name, default=LEVELS[LATE][name], min=0.01, max=0.99, step=0.01, advanced=True, tooltip=told)
