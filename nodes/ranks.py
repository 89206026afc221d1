"""Candidates behind the best one: their latents, where the search has kept them."""

from typing import Any

import comfy.utils
import torch
from comfy.nested_tensor import NestedTensor
from comfy_execution.graph import ExecutionBlocker
from torch import Tensor

from ..search.records.report import Report
from ..search.results import Found, Run
from ..search.results import Search as Searched

OF_A_LOOP = (
    "a search loop holds the result of its best candidate only. The recipe and its seed are there: put the seed into "
    "Search Loop Open, with 1 candidate."
)
LET_GO = "the latents that this search has kept made room for those of later ones. Run the search again."
NOT_ITS_RESULT = (
    "what comes in as `latent` is not what the sampler of this search gave out, but something made of it. Put Search "
    "Report between that sampler and VAE Decode."
)


class Ranks:
    """latent: what came into Search Report. title: the node in messages.

    What can not be given out becomes a blocker with the reason: an error where something is connected to that output,
    and nothing where nothing is.
    """

    def __init__(self, title: str, search: Searched | Found, latent: Any):
        self.title = title
        self.latent = latent
        self.run: Run | None = None
        if isinstance(search, Searched) and isinstance(latent, dict):
            self.run = search.run_of(latent["samples"])
        self.why_not = OF_A_LOOP if isinstance(search, Found) else NOT_ITS_RESULT

    def taken(self, rank: int) -> Any:
        """The latent of another rank than the first, for each image."""
        if self.run is None:
            return self._no(f"rank {rank} can not be given out: {self.why_not}")
        found: list[Tensor] = []
        for report, kept in zip(self.run.reports, self.run.kept or [{}] * len(self.run.reports), strict=True):
            index = report.ranked()[rank - 1].index
            if index not in kept:
                return self._no(_not_kept(rank, index, report, kept))
            found.append(kept[index])
        return self._like(found, range(len(found)))

    def best(self) -> Any:
        """All that were kept: of each image, by rank."""
        if self.run is None:
            is_loops = self.why_not == OF_A_LOOP and isinstance(self.latent, dict) and "samples" in self.latent
            return self.latent if is_loops else self._no(f"there is no batch of the best: {self.why_not}")
        if not self.run.kept:
            is_gone = any(len(report.kept.candidates) > 1 for report in self.run.reports)
            return self._no(LET_GO) if is_gone else self.latent
        images = [image for image, kept in enumerate(self.run.kept) for _ in kept]
        return self._like([latent for kept in self.run.kept for latent in kept.values()], images)

    def _like(self, latents: list[Tensor], images: Any) -> dict[str, Any]:
        """As the sampler would have given them out. images: of each, its place in the batch."""
        samples = self.latent["samples"]
        made = torch.stack(latents)
        if samples.is_nested:
            parts = samples.unbind()
            shapes = [[len(made), *part.shape[1:]] for part in parts]
            made = NestedTensor(
                [new.to(part) for new, part in zip(comfy.utils.unpack_latents(made, shapes), parts, strict=True)]
            )
        else:
            made = made.to(samples)
        more = {key: value for key, value in self.latent.items() if key not in ("samples", "batch_index")}
        mask = more.get("noise_mask")
        if isinstance(mask, Tensor) and len(mask) == len(self.run.reports if self.run else ()) > 1:
            more["noise_mask"] = mask[list(images)]
        return {"samples": made, **more}

    def _no(self, why: str) -> Any:
        return ExecutionBlocker(f"{self.title}: {why}")


def of_rank(reports: list[Report], rank: int, node: str) -> list[dict[str, Any]]:
    """What a saved picture carries beside the winners."""
    where = {"node": node, "board": "", "images": len(reports)}
    return [{**where, "image": image, **report.winner(rank)} for image, report in enumerate(reports)]


def _not_kept(rank: int, index: int, report: Report, kept: dict[int, Tensor]) -> str:
    held = [place for place, one in enumerate(report.ranked(), start=1) if one.index in kept] or [1]
    others = ", ".join(map(str, held))
    return (
        f"the latent of rank {rank} (candidate {index}) was not kept, only "
        f"{'that of rank' if len(held) == 1 else 'those of the ranks'} {others}. Raise `keep` on the search node, an "
        "advanced input: of a search that was kept on disk only what is missing runs again. Or put its recipe, "
        "which comes out here, into Replay Noise. Where `keep` is high enough, its picture is nearly one that was kept."
    )
