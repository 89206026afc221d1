"""Loaders of the published scorers: one file of weights, one verifier."""

from pathlib import Path

from comfy_api.latest import io

from ...verifiers import aesthetic, clip_score, hps, image_reward, pickscore
from ...verifiers.base import Verifier
from ...verifiers.networks import heads
from .base import ALIASES, TOWER_FOLDERS, VERIFIERS, WeightsFile, WeightsLoader, activation_input, verifier_output


class CLIPScoreVerifier(WeightsLoader):
    MODEL = WeightsFile(clip_score.KNOWN, "A whole model, image and text.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CLIPScoreVerifier",
            display_name="CLIP Score Verifier",
            category=VERIFIERS,
            description="Judges how well an image fits the prompt: the cosine of image and text in a CLIP, OpenCLIP or "
            "SigLIP model. Follows the words, not beauty: combine it with an aesthetic or preference verifier.",
            search_aliases=[*ALIASES, "clip score", "siglip", "text-image similarity"],
            inputs=[cls.MODEL.input("model"), activation_input()],
            outputs=[verifier_output("Scores are cosines, about 0.15 to 0.4.")],
        )

    @classmethod
    def load(cls, path: Path, activation: str = "auto") -> Verifier:
        return clip_score.load(path, activation)


class AestheticVerifier(io.ComfyNode):
    """From two files."""

    HEAD = WeightsFile(
        aesthetic.HEADS, "The predictor: LAION's linear or improved one (MLP), Waifu Scorer, or another."
    )
    CLIP = WeightsFile(
        aesthetic.TOWERS,
        "The one that the predictor was trained with, mostly OpenAI's CLIP ViT-L/14; whole or its image half.",
        TOWER_FOLDERS,
    )

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AestheticVerifier",
            display_name="Aesthetic Verifier",
            category=VERIFIERS,
            description="Judges how beautiful people find an image: LAION's aesthetic predictor on CLIP ViT-L/14. "
            "It ignores the prompt; alone it makes images drift away from it.",
            search_aliases=[*ALIASES, "laion aesthetics", "beauty"],
            inputs=[
                cls.HEAD.input("head"),
                cls.CLIP.input("clip"),
                activation_input(),
                io.Combo.Input(
                    "head_activation",
                    options=list(heads.CHOICES),
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="Between the predictor's layers, which a file does not tell. auto knows the published "
                    "predictors and refuses others of several layers: for these choose what their authors' code has, "
                    "none if it has dropouts only.",
                ),
            ],
            outputs=[verifier_output("Scores are about 3 to 8.")],
        )

    @classmethod
    def validate_inputs(cls, head: str | None, clip: str | None) -> bool | str:
        found = cls.HEAD.check(head)
        return cls.CLIP.check(clip) if found is True else found

    @classmethod
    def execute(cls, head: str, clip: str, activation: str = "auto", head_activation: str = "auto") -> io.NodeOutput:
        paths = cls.HEAD.locate(head), cls.CLIP.locate(clip)
        return io.NodeOutput(aesthetic.load(*paths, activation, head_activation))


class PickScoreVerifier(WeightsLoader):
    MODEL = WeightsFile(pickscore.KNOWN, "PickScore v1.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PickScoreVerifier",
            display_name="PickScore Verifier",
            category=VERIFIERS,
            description="Judges which image people would pick for the prompt: PickScore v1, trained on half a million "
            "choices of users.",
            search_aliases=[*ALIASES, "pick-a-pic", "human preference"],
            inputs=[cls.MODEL.input("model"), activation_input()],
            outputs=[verifier_output("Scores are about 17 to 24.")],
        )

    @classmethod
    def load(cls, path: Path, activation: str = "auto") -> Verifier:
        return pickscore.load(path, activation)


class HPSVerifier(WeightsLoader):
    MODEL = WeightsFile(hps.KNOWN, "HPS v2 or v2.1.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HPSVerifier",
            display_name="HPS Verifier",
            category=VERIFIERS,
            description="Judges which image people would prefer for the prompt: Human Preference Score v2 or v2.1.",
            search_aliases=[*ALIASES, "hpsv2", "human preference score"],
            inputs=[cls.MODEL.input("model")],
            outputs=[verifier_output("Scores are about 0.2 to 0.35.")],
        )

    @classmethod
    def load(cls, path: Path) -> Verifier:
        return hps.load(path)


class ImageRewardVerifier(WeightsLoader):
    MODEL = WeightsFile(image_reward.KNOWN, "ImageReward v1.0, with BERT's vocab.txt beside it.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageRewardVerifier",
            display_name="ImageReward Verifier",
            category=VERIFIERS,
            description="Judges both how an image follows the prompt and how people like it: ImageReward v1.0. A good "
            "first choice when you want one verifier only.",
            search_aliases=[*ALIASES, "image reward", "human preference", "blip"],
            inputs=[
                cls.MODEL.input("model"),
            ],
            outputs=[verifier_output("Scores are about -2 to 2.")],
        )

    @classmethod
    def load(cls, path: Path) -> Verifier:
        return image_reward.load(path)


NODES: list[type[io.ComfyNode]] = [
    ImageRewardVerifier,
    CLIPScoreVerifier,
    AestheticVerifier,
    PickScoreVerifier,
    HPSVerifier,
]
