"""What people drag."""

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import ComfyExtension, io

from ..demo import loaders as demo
from ..search.board import routes
from ..search.crew.seam import CREWS, Crew
from ..verifiers import files
from . import loop_parts, old_templates
from .candidates import NoiseCandidates, SelectCandidate
from .loop import SearchLoopClose, SearchLoopOpen
from .prompt_variants import PromptVariants
from .replay import ReplayNoise
from .report import SearchReport
from .score import VerifierScore
from .searches import registered
from .step_scheduler import StepScheduler
from .verifiers import checklist, distribution, ensemble, features, scores, text, video, vlm

NODES: list[type[io.ComfyNode]] = [
    *registered(),
    StepScheduler,
    SearchReport,
    ReplayNoise,
    PromptVariants,
    NoiseCandidates,
    VerifierScore,
    SelectCandidate,
    SearchLoopOpen,
    SearchLoopClose,
    *loop_parts.NODES,
    *scores.NODES,
    *text.NODES,
    *features.NODES,
    *vlm.NODES,
    *checklist.NODES,
    *distribution.NODES,
    *video.NODES,
    *ensemble.NODES,
]


def open_crew(settings: Mapping[str, Any]) -> Crew:
    """Others who run candidates; imported only when somebody asks for them."""
    from ..cluster.crew import open_crew as with_ray

    return with_ray(settings)


class NoiseSearchExtension(ComfyExtension):
    async def on_load(self) -> None:
        files.register()
        routes.register()
        old_templates.register()
        CREWS.open = open_crew

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*NODES, *demo.NODES]


async def comfy_entrypoint() -> NoiseSearchExtension:
    return NoiseSearchExtension()
