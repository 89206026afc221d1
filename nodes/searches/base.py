"""A search method as a node on the MODEL wire: its schema, and a plan from its inputs."""

from typing import Any, ClassVar

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from ...search.board.boards import BOARDS
from ...search.host.prompts import PROMPTS
from ...search.methods.base import Method
from ...search.methods.checks import at_least
from ...search.patch import put_on
from ...search.plan import Limits, Plan
from ...search.results import Search as Searched
from ...search.sampling.wordings import Wordings
from ...verifiers.base import known, require
from ..inputs import (
    FRAMES,
    check_target,
    frames_input,
    keep_input,
    named,
    patience_input,
    prompt_input,
    read_target,
    search_steps_input,
    target_input,
)
from ..types import CATEGORY, Positives, Search, Verifier


class SearchNode(io.ComfyNode):
    """Base of the search nodes. The inputs in `settings` have the names of the method's fields.

    METHOD: what the node searches with. TITLE: its name, also in messages. PLACE: among the search nodes. PATIENCE:
    whether it can stop when nothing better has come for a while. DRAFTS: whether candidates can be drafts of fewer
    steps. ADVANCED: whether all but what the method asks for is shown among the advanced inputs.
    """

    METHOD: ClassVar[type[Method]]
    TITLE: ClassVar[str]
    PLACE: ClassVar[int] = 100
    PATIENCE: ClassVar[bool] = True
    DRAFTS: ClassVar[bool] = True
    ADVANCED: ClassVar[bool] = False

    @classmethod
    def settings(cls) -> list[io.Input]:
        """Of the method, on the node."""
        raise NotImplementedError

    @classmethod
    def added(cls) -> list[io.Input]:
        """Of the node, since workflows were saved with it: the last ones."""
        return []

    @classmethod
    def latest(cls) -> list[io.Input]:
        """As `added`, but later than `keep`."""
        return []

    @classmethod
    def method(cls, **settings: Any) -> Method:
        """What the node is set to."""
        return cls.METHOD(**settings)

    @classmethod
    def loop_settings(cls) -> list[io.Input]:
        """Of the method, in Search Loop Close."""
        return cls.settings()

    @classmethod
    def schema(cls, node_id: str, description: str, aliases: list[str]) -> io.Schema:
        patience = [patience_input()] if cls.PATIENCE else []
        drafts = [search_steps_input()] if cls.DRAFTS else []
        limits = [*_limits(), *patience, frames_input(), *drafts, _noise(), _variety(), target_input()]
        for one in limits if cls.ADVANCED else []:
            one.advanced = True
        return io.Schema(
            node_id=node_id,
            display_name=cls.TITLE,
            category=CATEGORY,
            description=description,
            search_aliases=aliases,
            inputs=[*_common(), *cls.settings(), *limits, *cls.added(), _positives(), keep_input(), *cls.latest()],
            outputs=_outputs(),
            not_idempotent=True,  # its board is on this node, also where another has the same settings
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Another one when people want a search to go on of which ComfyUI has the result."""
        return BOARDS.continued[cls.hidden.unique_id]

    @classmethod
    def execute(
        cls,
        model: Any,
        vae: Any,
        prompt: str,
        verifier: Any = None,
        max_seconds: float = 0.0,
        batch_size: int = 0,
        patience: int = 0,
        frames: int = FRAMES,
        search_steps: int = 0,
        noise: Any = None,
        variety: float = 0.0,
        target: Any = "",
        positives: Wordings | None = None,
        keep: int = 1,
        **settings: Any,
    ) -> io.NodeOutput:
        title = f"{cls.TITLE} (node {cls.hidden.unique_id})"
        texts = ("",) if positives is None else positives.texts
        with named(title):
            at_least(frames=(frames, 0))
            limits = Limits(max_seconds, batch_size, patience, search_steps, read_target(target), keep)
            method = cls.method(**settings)
            if method.refine is not None:  # it has its own
                variety, texts = 0.0, ("",)
            plan = Plan(title, method, limits, frames, cls.hidden.unique_id, variety, texts)
        if verifier is None:
            told = (
                f"{title}: no verifier is connected, so the sampler runs without a search. Connect a verifier loader."
            )
            PROMPTS.warn(told)
            return io.NodeOutput(model, Searched(title, reason=told))
        if get_executing_context() is None:  # no prompt is running that the sampler's text could be read from
            require(verifier, prompt, title)
        judge = known(verifier, title)
        with named(title):
            check_target(limits.target, judge)
        return io.NodeOutput(*put_on(model, plan, vae, judge, prompt, noise, positives))


def _common() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The model to search with, with its LoRAs and other patches."),
        io.Vae.Input("vae", tooltip="Decodes the candidates for the verifier: the VAE that belongs to the model."),
        Verifier.Input(
            "verifier",
            optional=True,
            tooltip="Judges the candidates. Comes from a verifier loader. Without one, as when the loader is bypassed, "
            "the sampler runs without a search.",
        ),
        prompt_input(
            "What the verifier judges the images by. Empty: the text that the sampler draws, found at its positive "
            "input, with the choices that were drawn and without weights and embeddings. It does not change what is "
            "generated."
        ),
    ]


def _noise() -> io.Input:
    return io.Noise.Input(
        "noise",
        optional=True,
        tooltip="Only for noise of other packs (pyramid, Perlin, variations): the node that goes into the sampler's "
        "noise, connected here as well. Candidates are then drawn by it, with its seed + i. Without it they start from "
        "ComfyUI's own noise.",
    )


def _variety() -> io.Input:
    return io.Float.Input(
        "variety",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.05,
        optional=True,
        advanced=True,
        tooltip="For models that make nearly the same image from every seed (turbo, distilled): disturbs the "
        "conditioning of every candidate but the first in the first third of the steps, each in another way. They "
        "differ more then, but were no better where that was measured; too much forgets the prompt. The winner is then "
        "no plain seed: Replay Noise makes it again.",
    )


def _positives() -> io.Input:
    return Positives.Input(
        "positives",
        optional=True,
        tooltip="From Prompt Variants: other wordings of the sampler's positive prompt. Candidates are then drawn from "
        "seed and wording both, and wordings that score well are drawn more often. Candidate 0 has your own prompt, by "
        "which all are judged.",
    )


def _limits() -> list[io.Input]:
    return [
        io.Float.Input(
            "max_seconds",
            default=0.0,
            min=0.0,
            max=1_000_000.0,
            step=1.0,
            tooltip="Stop after about this many seconds with the best so far. 0 means no limit. "
            "At least one round of candidates always runs.",
        ),
        io.Int.Input(
            "batch_size",
            display_name="parallel",
            default=0,
            min=0,
            max=1024,
            advanced=True,
            tooltip="Candidates that run side by side. 0 chooses by free memory. More is faster on a GPU and "
            "needs more memory; it never changes which images are generated.",
        ),
    ]


def _outputs() -> list[io.Output]:
    return [
        io.Model.Output(display_name="model", tooltip="The model, searching. Goes into the sampler."),
        Search.Output(display_name="search", tooltip="What the search records. Goes into Search Report."),
    ]
