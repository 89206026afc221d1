"""Verifiers that look at features of images: likeness to references, consistency, classes."""

from collections.abc import Sequence

from comfy_api.latest import io
from torch import Tensor

from ...verifiers import classes, clip_score, consistency, files, reference
from ...verifiers.networks import clip
from ..types import CATEGORY
from .scores import ALIASES, TOWER_FOLDERS, verifier_output, weights_input

VERIFIERS = f"{CATEGORY}/verifiers"
FEATURES = (reference.DINO, *clip_score.KNOWN)


def features_input() -> io.Combo.Input:
    return weights_input("model", FEATURES, "A DINOv2, CLIP or SigLIP model, whole or its image half.", TOWER_FOLDERS)


def load_features(model: str, title: str) -> clip.Clip:
    return clip.load(files.locate(model, FEATURES, TOWER_FOLDERS), title, text=False)


class ReferenceVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReferenceVerifier",
            display_name="Reference Verifier",
            category=VERIFIERS,
            description="Judges how much an image is like your reference images: a person, a product, a style. DINOv2 "
            "looks at shapes and parts, CLIP and SigLIP at what is shown and how.",
            search_aliases=[*ALIASES, "image similarity", "likeness", "dino", "find the noise for an image"],
            is_input_list=True,
            inputs=[
                features_input(),
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
            ],
            outputs=[verifier_output("Scores are cosines: 1 for the same image.")],
        )

    @classmethod
    def validate_inputs(cls, model: Sequence[str | None]) -> bool | str:
        return files.check(model[0], FEATURES, TOWER_FOLDERS)

    @classmethod
    def execute(
        cls, model: Sequence[str], references: Sequence[Tensor], compare: Sequence[str] = ("mean",)
    ) -> io.NodeOutput:
        features = load_features(model[0], "Reference verifier")
        return io.NodeOutput(reference.Reference(features, references, compare[0] == "nearest"))


class FeatureConsistencyVerifier(io.ComfyNode):
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
                features_input(),
                io.Float.Input(
                    "level",
                    default=consistency.PAPER_LEVEL,
                    min=0.01,
                    max=0.99,
                    step=0.01,
                    optional=True,
                    tooltip="Noise level of the prediction, as flow time from 0 (no noise) to 1. The paper's is 0.4.",
                ),
            ],
            outputs=[verifier_output("Scores are cosines: 1 when nothing changed.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, FEATURES, TOWER_FOLDERS)

    @classmethod
    def execute(cls, model: str, level: float = consistency.PAPER_LEVEL) -> io.NodeOutput:
        features = load_features(model, "Feature consistency verifier")
        return io.NodeOutput(consistency.FeatureConsistency(features, level))


class ClassVerifier(io.ComfyNode):
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
                weights_input("model", clip_score.KNOWN, "A whole CLIP-like model, or DINOv2 with a linear head."),
                io.String.Input(
                    "wanted",
                    multiline=True,
                    default="dog",
                    tooltip="Class words, one a line, of which the image should show one. For DINOv2: class names or "
                    "numbers of the model.",
                ),
                io.String.Input(
                    "others",
                    multiline=True,
                    default="cat\nbird\nperson",
                    tooltip="What the image could show instead, one a line. Not used with DINOv2.",
                ),
                io.String.Input(
                    "templates",
                    multiline=True,
                    default="\n".join(classes.TEMPLATES),
                    optional=True,
                    advanced=True,
                    tooltip="Sentences around the class words, one a line, with {} for the word. Their mean is used.",
                ),
            ],
            outputs=[verifier_output("Scores are probabilities from 0 to 1.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, clip_score.KNOWN)

    @classmethod
    def execute(cls, model: str, wanted: str, others: str, templates: str = "") -> io.NodeOutput:
        path = files.locate(model, clip_score.KNOWN)
        return io.NodeOutput(classes.load(path, _lines(wanted), _lines(others), _lines(templates)))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


NODES: list[type[io.ComfyNode]] = [ReferenceVerifier, FeatureConsistencyVerifier, ClassVerifier]
