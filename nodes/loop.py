"""A search around any part of the graph: what lies between these two nodes runs once per candidate."""

import math
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph import DynamicPrompt, ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder, is_link
from comfy_execution.utils import get_executing_context

from ..search import methods
from ..search.board.boards import BOARDS
from ..search.crew.seam import CREWS, Errand
from ..search.history.keys import loop_key
from ..search.history.ledger import Page
from ..search.history.pages import page
from ..search.host.prompts import PROMPTS
from ..search.loop.body import INDEX, NOISE, POSITIVE, SEED, Body, Flow, read_body
from ..search.loop.copies import run_graph
from ..search.loop.errand import LoopErrand
from ..search.loop.kept import Kept
from ..search.loop.looped import Where
from ..search.loop.search import LoopSearch
from ..search.loop.spread import offer_of
from ..search.plan import Limits, Plan
from ..search.records.recipe import Recipe
from ..search.results import Search as Searched
from ..search.sampling.source import RecipeNoise
from ..search.sampling.wordings import Wordings
from .inputs import MAX_SEED, named, patience_input, read_target, target_input
from .searches import registered
from .types import CATEGORY, Positives, Search

SearchFlow = io.Custom("SEARCH_FLOW")


class SearchLoopOpen(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        kind = io.MatchType.Template("value")
        return io.Schema(
            node_id="SearchLoopOpen",
            display_name="Search Loop Open",
            category=CATEGORY,
            description="Where a search loop begins. The nodes between this one and Search Loop Close run once for "
            "each candidate, with its seed or noise: samplers, upscalers, face repair, anything. What does not depend "
            "on this node runs once, and all candidates use it.",
            search_aliases=["loop", "for each seed", "best of n", "seed search", "iterate", "noise search"],
            inputs=[
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Seed of candidate 0, the result without search. Candidate i of a random search has "
                    "seed + i.",
                ),
                io.MatchType.Input(
                    "value",
                    template=kind,
                    optional=True,
                    tooltip="Anything, of any type; it comes out unchanged. A list that comes in here is searched "
                    "entry by entry, each with a winner of its own.",
                ),
                io.Boolean.Input(
                    "run_outputs",
                    default=False,
                    optional=True,
                    tooltip="For previews and saves that hang off the loop. On: they run for each candidate, which "
                    "also runs whatever they need. Off: they run once, for candidate 0, beside the search.",
                ),
                io.Conditioning.Input(
                    "positive",
                    optional=True,
                    tooltip="For a search over wordings: your prompt, encoded. Candidate 0 has it.",
                ),
                Positives.Input(
                    "positives",
                    optional=True,
                    tooltip="From Prompt Variants: other wordings that candidates are made with, by the output "
                    "positive. More of the search goes to those that score well.",
                ),
            ],
            outputs=[
                SearchFlow.Output(display_name="flow", tooltip="Goes into Search Loop Close."),
                io.Int.Output(display_name="seed", tooltip="The candidate's seed, for a KSampler."),
                io.Int.Output(display_name="index", tooltip="The candidate's number, from 0."),
                io.Noise.Output(
                    display_name="noise",
                    tooltip="The candidate's noise, for SamplerCustomAdvanced. Zero-order search needs it: a seed "
                    "alone can not describe a noise near another.",
                ),
                io.MatchType.Output(template=kind, display_name="value", tooltip="What came in as value."),
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="The candidate's wording, for a sampler in the loop; without positives what came in.",
                ),
            ],
            not_idempotent=True,  # each loop has an Open of its own, also where two have the same seed
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        seed: int,
        value: Any = None,
        run_outputs: bool = False,
        positive: Any = None,
        positives: Wordings | None = None,
    ) -> io.NodeOutput:
        context: Any = get_executing_context()
        with named(f"Search Loop Open (node {cls.hidden.unique_id})"):
            said = _said(positive, positives)
        flow = Flow(cls.hidden.unique_id, seed, value, context.list_index, run_outputs, said)
        if run_outputs:  # their copies run; they themselves shall not
            return io.NodeOutput(flow, *[ExecutionBlocker(None)] * 5)
        return io.NodeOutput(flow, seed, 0, RecipeNoise([Recipe(seed)]), value, positive)


def _said(positive: Any, positives: Wordings | None) -> dict[str, Any]:
    """CONDITIONING by wording."""
    if positives is None:
        return {} if positive is None else {"": positive}
    if positive is None:
        raise ValueError(
            "positives are other wordings of a prompt, and the prompt itself is missing. Connect what encodes it to "
            "`positive`, and the output `positive` to the sampler in the loop."
        )
    return {text: positives.encoded(positive, text) for text in positives.texts}


class SearchLoopClose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        kind = io.MatchType.Template("result")
        return io.Schema(
            node_id="SearchLoopClose",
            display_name="Search Loop Close",
            category=CATEGORY,
            description="Where a search loop ends: runs the nodes since Search Loop Open once for each candidate and "
            "gives out the result of the one with the highest score. What the score does not need, such as a larger "
            "second pass, runs for the winner only. Scores are kept on disk: an interrupted search goes on where it "
            "was, and one with more candidates runs only the new ones.",
            search_aliases=["loop", "best of n", "pick best", "seed search", "iterate", "noise search"],
            inputs=[
                io.MatchType.Input(
                    "result",
                    template=kind,
                    raw_link=True,
                    lazy=True,
                    optional=True,  # ahead of the others: the first input is what a bypassed node passes on
                    tooltip="What to keep of the best candidate: an image, a latent, anything.",
                ),
                SearchFlow.Input(
                    "flow",
                    optional=True,
                    tooltip="From Search Loop Open. Without it, as when that node is bypassed, the result passes "
                    "through.",
                ),
                io.MultiType.Input(
                    "score",
                    [io.Float, io.Int],
                    raw_link=True,
                    lazy=True,
                    optional=True,
                    tooltip="What to search for: any number, higher is better. Verifier Score, another pack's score, "
                    "or arithmetic on several. Of the scores of a batch the mean counts. Without it the result passes "
                    "through.",
                ),
                io.DynamicCombo.Input(
                    "method",
                    options=[
                        io.DynamicCombo.Option(node.METHOD.name, node.loop_settings())
                        for node in registered()
                        if node.METHOD.in_loops
                    ],
                    tooltip="random: independent seeds. zero-order: noises near the best one so far; it needs the "
                    "noise output of Search Loop Open.",
                ),
                patience_input(),
                io.Float.Input(
                    "max_seconds",
                    default=0.0,
                    min=0.0,
                    max=1_000_000.0,
                    step=1.0,
                    optional=True,
                    tooltip="Stop after about this many seconds with the best so far. 0 means no limit. At least one "
                    "candidate always runs.",
                ),
                target_input(" For the requirements, the score has to come from Verifier Score as it is."),
            ],
            outputs=[
                io.MatchType.Output(template=kind, display_name="result", tooltip="The result of the best candidate."),
                Search.Output(display_name="search", tooltip="What the search recorded. Goes into Search Report."),
                io.Int.Output(
                    display_name="seed",
                    tooltip="The seed of the best candidate. After a zero-order search it is the search's own; the "
                    "recipe in Search Report has the moves from it.",
                ),
                io.Float.Output(display_name="score", tooltip="The score of the best candidate."),
            ],
            enable_expand=True,
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Another one when people want a search to go on of which ComfyUI has the result."""
        return BOARDS.continued[cls.hidden.unique_id]

    @classmethod
    async def execute(
        cls,
        method: dict[str, Any],
        flow: Flow | None = None,
        score: Any = None,
        result: Any = None,
        patience: int = 0,
        max_seconds: float = 0.0,
        target: Any = "",
    ) -> io.NodeOutput:
        prefix = GraphBuilder().prefix
        prompt, close_id = cls.hidden.dynprompt, cls.hidden.unique_id
        node = prompt.get_display_node_id(close_id)
        title = f"Search Loop Close (node {node})"
        plan = _plan(title, node, method, patience, max_seconds, target, flow)
        errand = CREWS.errand
        if errand is not None and errand.sampler == close_id and flow is not None:
            return _run_errand(errand, plan, flow, score, Where(prompt, (close_id, _item()), prefix))
        if not is_link(result):
            raise ValueError(f"{title}: nothing is connected to result. Connect what to keep of the best candidate.")
        if flow is None or score is None:
            return _without_search(title, "flow" if flow is None else "score", result)
        if not is_link(score):
            raise ValueError(f"{title}: the score is not connected to anything, so all candidates are the same.")
        body = read_body(prompt, flow, close_id, score, result)
        _check(title, body, plan)
        kept = await _kept(title, prompt, flow, body, inside=prompt.get_parent_node_id(close_id) is not None)
        offer = offer_of(title, flow, body, kept, prompt)
        search = LoopSearch(plan, flow, body, kept, Where(prompt, (close_id, _item()), prefix), offer)
        outputs, graph = run_graph(search, first=0)
        return io.NodeOutput(*outputs, expand=graph)


def _item() -> int:
    """The place in the list that the node runs for."""
    context: Any = get_executing_context()
    return context.list_index


def _run_errand(errand: Errand, plan: Plan, flow: Flow, score: Any, where: Where) -> io.NodeOutput:
    """For the search of another process. Nobody looks at what comes out."""
    if (where.close[1] or 0) != errand.item or errand.is_done:
        return io.NodeOutput(None, None, 0, math.nan, expand={})
    search = LoopErrand(errand, plan, flow, read_body(where.prompt, flow, where.close[0], score, None), where)
    outputs, graph = run_graph(search, first=errand.piece.numbers[0])
    return io.NodeOutput(*outputs, expand=graph)


def _without_search(title: str, missing: str, result: Any) -> io.NodeOutput:
    """The result of the nodes as they are: once, with no candidates."""
    told = f"{title}: nothing is connected to {missing}, so the nodes before it run once, without a search."
    PROMPTS.warn(told)
    return io.NodeOutput(result, Searched(title, reason=told), 0, math.nan, expand={})


def _plan(
    title: str, node: str, method: dict[str, Any], patience: int, max_seconds: float, target: Any, flow: Flow | None
) -> Plan:
    settings = {name: value for name, value in method.items() if name != "method"}
    with named(title):
        limits = Limits(max_seconds=max_seconds, patience=patience, target=read_target(target))
        texts = flow.wordings if flow else ("",)
        return Plan(title, methods.registered()[method["method"]](**settings), limits, node=node, wordings=texts)


def _check(title: str, body: Body, plan: Plan) -> None:
    """Raises ValueError when no two candidates of this loop could differ, or wordings are given and not used."""
    method = plan.method
    if len(plan.wordings) > 1 and POSITIVE not in body.reads:
        raise ValueError(
            f"{title}: Search Loop Open has positives, and the score does not depend on them. Connect its output "
            "`positive` to the sampler in the loop, in place of your own prompt's conditioning; or take them off."
        )
    if not body.reads & {SEED, INDEX, NOISE}:
        raise ValueError(
            f"{title}: the score does not depend on the candidate. Connect the seed of Search Loop Open to your "
            "KSampler, or its noise to SamplerCustomAdvanced, and score what comes of that."
        )
    if method.needs_noise and NOISE not in body.reads:
        raise ValueError(
            f"{title}: {method.name} search tries noises near the best one, and a seed can not describe those. Connect "
            "the noise of Search Loop Open to a SamplerCustomAdvanced, or choose random as the method."
        )


async def _kept(title: str, prompt: DynamicPrompt, flow: Flow, body: Body, inside: bool) -> Kept:
    """What is left of earlier runs of this loop. inside: whether it is in another one, which keeps the results."""
    context: Any = get_executing_context()
    run = context.prompt_id
    scores = await loop_key(prompt, run, flow.open_id, flow.item, body.score, title)
    if scores is None:
        return Kept(Page(None), None, False)
    results = None
    if not inside and is_link(body.result):
        results = await loop_key(prompt, run, flow.open_id, flow.item, body.result, title)
    return Kept(page(scores), results and f"{results} from {flow.seed}", by_number=INDEX in body.reads)
