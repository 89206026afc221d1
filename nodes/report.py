"""What a search did: plot, candidates, recipe, numbers."""

import logging
import math
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import is_link

from ..search.board.boards import BOARDS
from ..search.host.graph import held, upstream_of
from ..search.host.prompts import PROMPTS
from ..search.pictures import report_plot
from ..search.pictures.thumbnail import from_pil
from ..search.records.recipe_text import no_recipe
from ..search.records.report import Report, recipes_json, reports_json
from ..search.results import Found
from ..search.results import Search as Searched
from .ranks import Ranks, of_rank
from .types import CATEGORY, Search

NOT_A_SEARCH = (
    "What comes in as `search` is none: the node that gave it is bypassed, and ComfyUI passes on something else."
)
NOT_CONNECTED = "Nothing is connected to `search`: the search node is bypassed, or was taken out."


class SearchReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        kind = io.MatchType.Template("latent")
        return io.Schema(
            node_id="SearchReport",
            display_name="Search Report",
            category=CATEGORY,
            description="Shows what a search did: best score against cost, the candidates with their scores, the "
            "winner's recipe and all numbers as JSON. Put it between the sampler and VAE Decode, or behind Search Loop "
            "Close; the latent, or whatever the loop found, passes through unchanged.",
            search_aliases=["search results", "search plot", "best of n", "candidates", "compare", "compare seeds"],
            inputs=[
                io.MatchType.Input(
                    "latent",
                    template=kind,
                    tooltip="From the sampler that searched; of a loop its result, of any type.",
                ),
                Search.Input(
                    "search",
                    optional=True,
                    tooltip="From the search node whose model that sampler used, or from Search Loop Close. Without "
                    "it, as when that node is bypassed, the latent passes through and there is nothing to show.",
                ),
                io.Int.Input(
                    "rank",
                    default=1,
                    min=1,
                    max=100_000,
                    optional=True,
                    tooltip="Which of the finished candidates goes out as latent and recipe: 1 is the winner, 2 the "
                    "next by score. Nothing runs again, so its latent has to be one that the search has kept: see "
                    "keep, among the advanced inputs of the search node. The recipe is there for any. Where the "
                    "sampler's seed changes after each run, press Same seed on the search's board instead of Run.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=kind, display_name="latent", tooltip="The same, unchanged; or that of another rank."
                ),
                io.Image.Output(
                    display_name="plot",
                    tooltip="Best score so far against NFE (denoiser predictions), of a loop against candidates; one "
                    "plot per image.",
                ),
                io.Image.Output(
                    display_name="candidates",
                    tooltip="The best 64 candidates with number and score, best first; before them those that you have "
                    "starred, at the end those that you have rejected.",
                ),
                io.Float.Output(
                    display_name="scores",
                    is_output_list=True,
                    tooltip="Every candidate's score, in the order they ran; minus infinity for one that failed.",
                ),
                io.String.Output(
                    display_name="recipe",
                    tooltip="The recipe of the winner, or of rank, as JSON: its seed, and the moves from it. For a "
                    "batch, one per image; of a picture that a node makes in parts, such as tiles, one for each part. "
                    "null when the noise came from the workflow and no seed recreates it.",
                ),
                io.Int.Output(
                    display_name="nfe",
                    tooltip="Denoiser predictions that this run has spent; a CFG pair counts as one. 0 for a loop, "
                    "whose nodes may be anything.",
                ),
                io.String.Output(
                    display_name="report", tooltip="Everything as JSON. For a batch, one object for each image."
                ),
                io.Latent.Output(
                    display_name="best",
                    tooltip="The latents that the search has kept, as one batch: the winner first, then by score. How "
                    "many is keep on the search node. Of a batch image after image.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, input_types: dict[str, str]) -> bool:
        """Takes any type as `search`: past a Search Loop Close that is bypassed, ComfyUI connects the loop's result."""
        return True

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """Another one when people have starred or rejected candidates of the search."""
        prompt, (node, _) = PROMPTS.executing()
        searched: Any = held(held(prompt.nodes.get(node), "inputs"), "search") if prompt else None
        if prompt is None or not is_link(searched):
            return 0
        return sum(BOARDS.marked[before] for before in upstream_of(prompt.nodes, str(searched[0])))

    @classmethod
    def execute(cls, latent: Any, search: Any = None, rank: int = 1) -> io.NodeOutput:
        looked_up = latent["samples"] if isinstance(latent, dict) and "samples" in latent else latent
        if not isinstance(search, (Searched, Found)):
            return _nothing(latent, NOT_CONNECTED if search is None else NOT_A_SEARCH)
        runs = search.runs_of(looked_up)
        if not runs:
            return _nothing(latent, search.why_not)
        title = f"Search Report (node {cls.hidden.unique_id})"
        reports = [report for run in runs for report in run.reports]
        _check_rank(title, rank, reports)
        kept = Ranks(title, search, latent)
        if rank > 1:
            PROMPTS.record(of_rank(reports, rank, cls.hidden.unique_id))
        pictures = [picture for report in reports for picture in report_plot.labelled_candidates(report)]
        return io.NodeOutput(
            latent if rank == 1 else kept.taken(rank),
            torch.stack([from_pil(report_plot.best_curve(report)) for report in reports]),
            torch.stack([from_pil(picture) for picture in report_plot.of_one_size(pictures)]),
            [candidate.score for report in reports for candidate in report.candidates],
            recipes_json(reports, rank),
            _total_nfe(reports),
            reports_json(reports, parts=[len(run.reports) for run in runs], rank=rank),
            kept.best(),
        )


def _check_rank(title: str, rank: int, reports: list[Report]) -> None:
    """Raises ValueError when a search has no candidate of that rank."""
    fewest = min(len(report.ranked()) for report in reports)
    if not 1 <= rank <= fewest:
        raise ValueError(
            f"{title}: rank is {rank}, but {fewest} candidates have run to their end. Choose a rank from 1 to {fewest}."
        )


def _nothing(latent: Any, why: str) -> io.NodeOutput:
    """The latent goes on; why there is nothing to report is on the pictures, in the report and in the log."""
    logging.info("Search Report: no search. %s", why)
    picture = from_pil(report_plot.nothing("No search", why)).unsqueeze(0)
    told = no_recipe(f"No search. {why}")
    # ComfyUI fails on an empty list beside other inputs of a node, so there is a score that is no number
    best = latent if isinstance(latent, dict) and "samples" in latent else ExecutionBlocker(f"Search Report: {why}")
    return io.NodeOutput(latent, picture, picture, [math.nan], told, 0, told, best)


def _total_nfe(reports: list[Report]) -> int:
    return sum(report.nfe for report in reports)
