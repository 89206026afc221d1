"""Verifiers that look at features of images: likeness to references, consistency, classes."""

from collections.abc import Sequence
from pathlib import Path

from comfy_api.latest import io
from torch import Tensor

from ...verifiers import classes, clip_score, consistency, reference
from ...verifiers.base import Verifier
from ...verifiers.networks import clip
from ..counted import only
from .base import (
    ALIASES,
    ONE_VERIFIER,
    TOWER_FOLDERS,
    VERIFIERS,
    WeightsFile,
    WeightsLoader,
    activation_input,
    verifier_output,
)

REFERENCE = "Reference Verifier"
FEATURES = WeightsFile(
    (reference.DINO, *clip_score.KNOWN), "A DINOv2, CLIP or SigLIP model, whole or its image half.", TOWER_FOLDERS
)


class ReferenceVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReferenceVerifier",
            display_name=REFERENCE,
            category=VERIFIERS,
            description="Judges how much an image is like your reference images: a person, a product, a style. DINOv2 "
            "looks at shapes and parts, CLIP and SigLIP at what is shown and how.",
            search_aliases=[*ALIASES, "image similarity", "likeness", "dino", "find the noise for an image"],
            is_input_list=True,
            inputs=[
                FEATURES.input("model"),
                io.Image.Input(
                    "references", tooltip="One or more images that results should be like, as a list or a batch."
                ),
                io.Combo.Input(
                    "compare",
                    options=["mean", "nearest"],
                    default="mean",
                    optional=True,
                    tooltip="With several references: the mean likeness to all, or the likeness to the nearest one.",
                ),
                activation_input(),
            ],
            outputs=[verifier_output("Scores are cosines: 1 for the same image.")],
        )

    @classmethod
    def validate_inputs(cls, model: Sequence[str | None]) -> bool | str:
        return FEATURES.check(model[0])

    @classmethod
    def execute(
        cls,
        model: Sequence[str],
        references: Sequence[Tensor],
        compare: Sequence[str] = ("mean",),
        activation: Sequence[str] = ("auto",),
    ) -> io.NodeOutput:
        given = (("model", model), ("compare", compare), ("activation", activation))
        file, how, chosen = (only(REFERENCE, *one, ONE_VERIFIER) for one in given)
        features = clip.load(FEATURES.locate(file), "Reference verifier", chosen, text=False)
        return io.NodeOutput(reference.Reference(features, references, how == "nearest"))


class FeatureConsistencyVerifier(WeightsLoader):
    MODEL = FEATURES

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FeatureConsistencyVerifier",
            display_name="Feature Consistency Verifier",
            category=VERIFIERS,
            description="Judges how little an image still changed at the end of sampling: features of the model's "
            "prediction at a low noise level against those of the final image. Needs no prompt. Useful for "
            "class-conditional models; for text-to-image the paper found it nearly useless.",
            search_aliases=[*ALIASES, "self-supervised", "no prompt"],
            inputs=[
                cls.MODEL.input("model"),
                io.Float.Input(
                    "level",
                    default=consistency.PAPER_LEVEL,
                    min=0.01,
                    max=0.99,
                    step=0.01,
                    optional=True,
                    tooltip="Noise level of the prediction, as flow time from 0 (no noise) to 1. The paper's is 0.4.",
                ),
                activation_input(),
            ],
            outputs=[verifier_output("Scores are cosines: 1 when nothing changed.")],
        )

    @classmethod
    def load(cls, path: Path, level: float = consistency.PAPER_LEVEL, activation: str = "auto") -> Verifier:
        features = clip.load(path, "Feature consistency verifier", activation, text=False)
        return consistency.FeatureConsistency(features, level)


class ClassVerifier(WeightsLoader):
    MODEL = WeightsFile(clip_score.KNOWN, "A whole CLIP-like model, or DINOv2 with a linear head.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ClassVerifier",
            display_name="Class Verifier",
            category=VERIFIERS,
            description="Judges how surely an image shows one thing and not another: the probability of a class. CLIP "
            "and SigLIP take any words; a DINOv2 model with a linear head has its own classes.",
            search_aliases=[*ALIASES, "classifier", "zero-shot", "imagenet"],
            inputs=[
                cls.MODEL.input("model"),
                io.String.Input(
                    "wanted",
                    multiline=True,
                    default="dog",
                    tooltip="Class words, one per line, of which the image should show one. For DINOv2: class names or "
                    "numbers of the model.",
                ),
                io.String.Input(
                    "others",
                    multiline=True,
                    default="cat\nbird\nperson",
                    tooltip="What the image could show instead, one per line. Not used with DINOv2.",
                ),
                io.String.Input(
                    "templates",
                    multiline=True,
                    default="\n".join(classes.TEMPLATES),
                    optional=True,
                    advanced=True,
                    tooltip="Sentences around the class words, one per line, with {} for the word. Their mean is used.",
                ),
                activation_input(),
            ],
            outputs=[verifier_output("Scores are probabilities from 0 to 1.")],
        )

    @classmethod
    def load(cls, path: Path, wanted: str, others: str, templates: str = "", activation: str = "auto") -> Verifier:
        return classes.load(path, _lines(wanted), _lines(others), _lines(templates), activation)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


NODES: list[type[io.ComfyNode]] = [ReferenceVerifier, FeatureConsistencyVerifier, ClassVerifier]
