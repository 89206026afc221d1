"""Several verifiers as one."""

from typing import Any

from comfy_api.latest import io

from ...verifiers import ensemble
from ...verifiers.base import VerifierError, known
from ..types import Verifier
from .base import VERIFIERS

MAX_VERIFIERS = 16


class EnsembleVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        verifier = Verifier.Input("verifier", tooltip="One of the judges. Comes from a verifier loader.")
        return io.Schema(
            node_id="EnsembleVerifier",
            display_name="Ensemble Verifier",
            category=VERIFIERS,
            description="Judges by several verifiers at once, by their ranking of the candidates. A search against one "
            "verifier tends to please that one only; against several it improves what they agree on.",
            search_aliases=["combine verifiers", "verifier ensemble", "rank mean", "multiple judges", "verifier"],
            inputs=[
                io.Autogrow.Input(
                    "verifiers",
                    template=io.Autogrow.TemplatePrefix(verifier, prefix="verifier", min=0, max=MAX_VERIFIERS),
                    tooltip="The judges. A new input appears for each that is connected.",
                ),
                io.Combo.Input(
                    "combine",
                    options=list(ensemble.METHODS),
                    default=ensemble.RANK_MEAN,
                    tooltip="rank mean: the mean of the candidates' ranks, 1 for the best by all, 0 for the worst; raw "
                    "scores of any scale mix well. weighted z-score: how many standard deviations above the mean, so "
                    "that a great lead counts more than a small one.",
                ),
                io.String.Input(
                    "weights",
                    default="",
                    optional=True,
                    tooltip="How much each verifier counts, in order, as numbers with commas: 1, 1, 0.5. "
                    "Empty: all the same.",
                ),
                Verifier.Input(
                    "held_out",
                    optional=True,
                    tooltip="A verifier that is asked and reported for every candidate but does not count: it shows "
                    "whether the search makes better images or only pleases its judges.",
                ),
            ],
            outputs=[
                Verifier.Output(
                    display_name="verifier",
                    tooltip="Scores compare the candidates with each other. For a search node or Verifier Score.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        verifiers: dict[str, Any] | None = None,
        combine: str = ensemble.RANK_MEAN,
        weights: str = "",
        held_out: Any = None,
    ) -> io.NodeOutput:
        judges = [_judge(verifier) for verifier in (verifiers or {}).values() if verifier is not None]
        if not judges:  # all loaders are bypassed: so is this node
            return io.NodeOutput(None)
        last = None if held_out is None else _judge(held_out)
        return io.NodeOutput(ensemble.Ensemble(judges, combine, _numbers(weights), last))


def _judge(verifier: Any) -> Any:
    return known(verifier, "Ensemble Verifier")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError:
        raise VerifierError(
            f"Ensemble Verifier: weights are numbers with commas, like 1, 1, 0.5; not {text!r}."
        ) from None


NODES: list[type[io.ComfyNode]] = [EnsembleVerifier]
