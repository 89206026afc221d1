"""What people drag."""

from comfy_api.latest import ComfyExtension, io

from .candidates import NoiseCandidates, SelectCandidate
from .random_search import RandomSearch
from .replay import ReplayNoise
from .report import SearchReport
from .score import VerifierScore
from .zero_order import ZeroOrderSearch

NODES: list[type[io.ComfyNode]] = [
    RandomSearch,
    ZeroOrderSearch,
    SearchReport,
    ReplayNoise,
    NoiseCandidates,
    VerifierScore,
    SelectCandidate,
]


class NoiseSearchExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> NoiseSearchExtension:
    return NoiseSearchExtension()
