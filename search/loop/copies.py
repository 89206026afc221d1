"""What the host runs in place of a Search Loop Close: slots for candidates, and in each a copy of the loop's nodes."""

from __future__ import annotations

import json
from typing import Any

from comfy.cli_args import args
from comfy_execution.graph_utils import GraphBuilder, Node, is_link

from ..host.graph import Link
from .body import INDEX, NOISE, POSITIVE, SEED
from .looped import Looped, positive
from .search import LoopSearch

SLOTS = 64  # candidates that one SearchLoopRun can ask for; then it puts another in its place

Graph = dict[str, Any]


def slot(at: int) -> str:
    """The name of an input of SearchLoopRun."""
    return f"candidate{at}"


def run_graph(search: Looped, first: int) -> tuple[list[Link], Graph]:
    """A SearchLoopRun for the candidates from number `first` on, with a SearchLoopCandidate in each slot, which the
    host does not run before it is asked for. Returns links to the outputs of SearchLoopRun, and the graph."""
    graph = GraphBuilder(search.where.prefix)
    search.runs += 1
    run = graph.node("SearchLoopRun", f"r{search.runs}", search=search, first=first)
    for at in range(SLOTS):
        candidate = graph.node("SearchLoopCandidate", f"r{search.runs}c{at}", search=search, index=first + at)
        run.set_input(slot(at), candidate.out(0))
    if args.cache_none and search.runs == 1:
        _gather(search, graph, run)
    return [run.out(output) for output in range(4)], graph.finalize()


def candidate_graph(search: Looped, index: int, node_id: str) -> tuple[Link, Graph]:
    """A copy of the nodes in the loop for a SearchLoopCandidate, ending in a SearchLoopScore."""
    search.cached[index] = f"{node_id}."
    copy = _Copy(search, index, GraphBuilder(search.cached[index]))
    score = copy.graph.node("SearchLoopScore", "score", search=search, index=index, score=copy.of(search.body.score))
    if search.body.picture is not None:
        score.set_input("picture", copy.of(search.body.picture))
    result = copy.of(search.body.result)
    if search.body.comes_along:
        score.set_input("result", result)
    else:
        search.later[index] = result
    return score.out(0), copy.graph.finalize()


def result_graph(search: LoopSearch) -> tuple[Link, Graph]:
    """What makes the winner's result, when the score did not need it."""
    graph = GraphBuilder(search.where.prefix)
    result = graph.node("SearchLoopResult", "result", search=search, result=search.give_result())
    return result.out(0), graph.finalize()


class _Copy:
    """The nodes of the loop with one candidate's seed, index and noise. They show their progress on the user's own."""

    def __init__(self, search: Looped, index: int, graph: GraphBuilder):
        self.search = search
        self.index = index
        self.graph = graph
        self.nodes = {}
        for at, node_id in enumerate(search.body.nodes):
            self.nodes[node_id] = graph.node(search.where.prompt.get_node(node_id)["class_type"], str(at))
            self.nodes[node_id].set_override_display_id(node_id)
        for node_id, node in self.nodes.items():
            for name, value in search.where.prompt.get_node(node_id)["inputs"].items():
                node.set_input(name, self.of(value))

    def of(self, value: Any) -> Any:
        """What an input holds here, where the prompt has this value or link."""
        if not is_link(value):
            return value
        source, slot = value
        if source in self.nodes:
            return self.nodes[source].out(slot)
        if source == self.search.flow.open_id:
            return self._of_open(slot)
        name = _outside_name(value)
        return self._taken(name) if name in self.search.outside else value

    def _of_open(self, slot: int) -> Any:
        recipe = self.search.recipe(self.index)
        if slot == SEED:
            return recipe.seed
        if slot == INDEX:
            return self.index
        if slot == NOISE:
            noise = self.graph.node("ReplayNoise", "noise", recipe=json.dumps(recipe._replace(wording="").to_dict()))
            noise.set_override_display_id(self.search.flow.open_id)
            return noise.out(0)
        if slot == POSITIVE:
            return self._taken(positive(self.search.flow.wordings.index(recipe.wording)))
        return self._taken("value")

    def _taken(self, name: str) -> Link:
        """A value that the search keeps for all candidates."""
        return self.graph.node("SearchLoopOutside", name, search=self.search, name=name).out(0)


def _gather(search: Looped, graph: GraphBuilder, run: Node) -> None:
    """Have the search keep what enters the loop from outside: without a cache, the host would make it again for each
    candidate."""
    for link in search.body.outside:
        name = _outside_name(link)
        kept = graph.node("SearchLoopOutside", name, search=search, name=name, values=link)
        run.set_input(name, kept.out(0))


def _outside_name(link: Link) -> str:
    return f"{link[0]}/{link[1]}"
