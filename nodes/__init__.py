"""What people drag."""

from comfy_api.latest import ComfyExtension, io

from ..verifiers import files
from . import (
    loop_parts,
    routes,
    verifier_distribution,
    verifier_ensemble,
    verifier_features,
    verifier_scores,
    verifier_vlm,
)
from .candidates import NoiseCandidates, SelectCandidate
from .loop import SearchLoopClose, SearchLoopOpen
from .path_search import PathSearch
from .random_search import RandomSearch
from .replay import ReplayNoise
from .report import SearchReport
from .score import VerifierScore
from .step_scheduler import StepScheduler
from .zero_order import ZeroOrderSearch

NODES: list[type[io.ComfyNode]] = [
    RandomSearch,
    ZeroOrderSearch,
    PathSearch,
    StepScheduler,
    SearchReport,
    ReplayNoise,
    NoiseCandidates,
    VerifierScore,
    SelectCandidate,
    SearchLoopOpen,
    SearchLoopClose,
    *loop_parts.NODES,
    *verifier_scores.NODES,
    *verifier_features.NODES,
    *verifier_vlm.NODES,
    *verifier_distribution.NODES,
    *verifier_ensemble.NODES,
]


class NoiseSearchExtension(ComfyExtension):
    async def on_load(self) -> None:
        files.register()
        routes.register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> NoiseSearchExtension:
    return NoiseSearchExtension()
