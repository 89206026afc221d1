"""What a search loop puts into the graph while it runs; not for people to drag."""

import math
import statistics
from numbers import Real
from typing import Any

from comfy_api.latest import io

from ..search.judging.flaws import not_finite, one_color
from ..search.judging.scoring import DetailedScore
from ..search.loop.copies import SLOTS, candidate_graph, result_graph, run_graph, slot
from ..search.loop.errand import LoopErrand
from ..search.loop.kept import Made
from ..search.loop.looped import Look, Looped
from ..search.loop.search import LoopSearch
from ..search.records.failures import LOOP_NAN
from ..search.records.target import HOLDS
from .types import CATEGORY, Search

LoopState = io.Custom("SEARCH_LOOP")
HIDDEN = f"{CATEGORY}/loop"


def _state_input() -> io.Input:
    return LoopState.Input("search", tooltip="The search this belongs to.")


def _number_input(name: str, tooltip: str) -> io.Int.Input:
    return io.Int.Input(name, default=0, min=0, max=2**31 - 1, tooltip=tooltip)


class SearchLoopRun(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SearchLoopRun",
            display_name="Search Loop Run",
            category=HIDDEN,
            description="Part of a running search loop: asks for the candidates, one after another.",
            is_dev_only=True,
            inputs=[
                _state_input(),
                _number_input("first", "The candidate in the first slot."),
                *[io.AnyType.Input(slot(at), optional=True, lazy=True, tooltip="A candidate.") for at in range(SLOTS)],
            ],
            outputs=[
                io.AnyType.Output(display_name="result", tooltip="The result of the best candidate."),
                Search.Output(display_name="search", tooltip="What the search recorded."),
                io.Int.Output(display_name="seed", tooltip="The seed of the best candidate."),
                io.Float.Output(display_name="score", tooltip="The score of the best candidate."),
            ],
            enable_expand=True,
            accept_all_inputs=True,
        )

    @classmethod
    def check_lazy_status(cls, search: Looped, first: int, **slots: Any) -> list[str]:
        wanted = search.wanted()
        search.show_progress()
        search.let_go()
        name = None if wanted is None else slot(wanted - first)
        return [name] if name in slots and slots[name] is None else []

    @classmethod
    def execute(cls, search: LoopSearch | LoopErrand, first: int, **slots: Any) -> io.NodeOutput:
        wanted = search.wanted()
        if wanted is not None:
            outputs, graph = run_graph(search, wanted)
            return io.NodeOutput(*outputs, expand=graph)
        if isinstance(search, LoopErrand):  # nobody looks at what it gives
            search.end()
            return io.NodeOutput(None, None, 0, math.nan)
        found, best = search.found(), search.recipe(search.best)
        outcome = (found, best.seed, found.reports[0].best.score)
        if not search.standing.won.is_link:
            return io.NodeOutput(search.give_result(), *outcome)
        result, graph = result_graph(search)
        return io.NodeOutput(result, *outcome, expand=graph)


class SearchLoopCandidate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SearchLoopCandidate",
            display_name="Search Loop Candidate",
            category=HIDDEN,
            description="Part of a running search loop: the loop's nodes for one candidate.",
            is_dev_only=True,
            inputs=[_state_input(), _number_input("index", "The candidate's number.")],
            outputs=[io.Int.Output(display_name="index", tooltip="The candidate's number, once it has a score.")],
            enable_expand=True,
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, search: Looped, index: int) -> io.NodeOutput:
        search.begins(index)
        score, graph = candidate_graph(search, index, cls.hidden.unique_id)
        return io.NodeOutput(score, expand=graph)


class SearchLoopScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SearchLoopScore",
            display_name="Search Loop Score",
            category=HIDDEN,
            description="Part of a running search loop: notes what came of a candidate.",
            is_dev_only=True,
            is_input_list=True,
            inputs=[
                _state_input(),
                _number_input("index", "The candidate's number."),
                io.Float.Input("score", force_input=True, tooltip="Its score."),
                io.Image.Input("picture", optional=True, tooltip="The image that was scored."),
                io.AnyType.Input("result", optional=True, tooltip="Its result, where that is there with the score."),
            ],
            outputs=[io.Int.Output(display_name="index", tooltip="The candidate's number.")],
        )

    @classmethod
    def execute(
        cls,
        search: list[Looped],
        index: list[int],
        score: list[float],
        picture: list[Any] | None = None,
        result: list[Any] | None = None,
    ) -> io.NodeOutput:
        (running,), (number,) = search, index
        images = None if picture is None else picture[0]
        failed = LOOP_NAN if any(map(not_finite, picture or [])) else ""
        made = Made(running.later.get(number), True) if result is None else Made(_only(running, number, result), False)
        shown = None if images is None else images[len(images) // 2]
        mean = 0.0 if failed else _mean(running, number, score)
        plain = bool(picture) and all(all(one_color(batch)) for batch in picture or [])
        details = {} if failed else _details(running, number, score)
        running.add(number, Look(mean, shown, failed, plain, details), made)
        return io.NodeOutput(number)


class SearchLoopResult(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SearchLoopResult",
            display_name="Search Loop Result",
            category=HIDDEN,
            description="Part of a running search loop: what only the winner has to make.",
            is_dev_only=True,
            is_input_list=True,
            inputs=[_state_input(), io.AnyType.Input("result", tooltip="The winner's result.")],
            outputs=[io.AnyType.Output(display_name="result", tooltip="The same.")],
        )

    @classmethod
    def execute(cls, search: list[LoopSearch], result: list[Any]) -> io.NodeOutput:
        value = _only(search[0], search[0].best, result)
        search[0].add_result(value)
        return io.NodeOutput(value)


class SearchLoopOutside(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SearchLoopOutside",
            display_name="Search Loop Outside",
            category=HIDDEN,
            description="Part of a running search loop: what comes from outside the loop, for all candidates.",
            is_dev_only=True,
            is_input_list=True,
            inputs=[
                _state_input(),
                io.String.Input("name", tooltip="What it is kept as."),
                io.AnyType.Input("values", optional=True, tooltip="What to keep, when it is not yet."),
            ],
            outputs=[io.AnyType.Output(display_name="values", is_output_list=True, tooltip="What was kept.")],
        )

    @classmethod
    def execute(cls, search: list[Looped], name: list[str], values: list[Any] | None = None) -> io.NodeOutput:
        kept = search[0].outside
        if values is not None:
            kept[name[0]] = values
        return io.NodeOutput(kept[name[0]])


NODES = [SearchLoopRun, SearchLoopCandidate, SearchLoopScore, SearchLoopResult, SearchLoopOutside]


def _mean(search: Looped, index: int, scores: list[Any]) -> float:
    """The score of a candidate, from those of its images."""
    numbers = [score for score in scores if isinstance(score, Real) and math.isfinite(score)]
    if numbers and len(numbers) == len(scores):
        return statistics.fmean(numbers)
    shown = scores[0] if len(scores) == 1 else scores
    raise ValueError(
        f"{search.plan.title}: {search.name(index)} has the score {shown}, which is not a number that can be compared."
    )


def _details(search: Looped, index: int, scores: list[Any]) -> dict[str, Any]:
    """What verifiers told of the candidate's images, by name; of several images one after the other. Raises ValueError
    when the target asks for it and there is nothing."""
    told = [score.details for score in scores if isinstance(score, DetailedScore)]
    target = search.plan.limits.target
    if target is not None and target.score is None and len(told) < len(scores):
        raise ValueError(
            f'{search.plan.title}: target is "{HOLDS}", but the score of {search.name(index)} is a number only. '
            "Connect a Verifier Score with a Checklist Verifier or a Text Verifier, with nothing in between; or write "
            "a score as the target."
        )
    names = dict.fromkeys(name for details in told for name in details)
    return {name: [part for details in told for part in details.get(name, [])] for name in names}


def _only(search: Looped, index: int, results: list[Any]) -> Any:
    """The one result of a candidate."""
    if results == [None]:
        raise ValueError(
            f"{search.plan.title}: the result of {search.name(index)} is nothing: the node that is connected to "
            "`result` gives none. Connect what to keep of the best candidate."
        )
    if len(results) == 1:
        return results[0]
    raise ValueError(
        f"{search.plan.title}: {search.name(index)} has {len(results)} results, because a list comes into the loop "
        "from outside. Connect the list to `value` of Search Loop Open and take it from there: each entry then gets "
        "a search of its own."
    )
