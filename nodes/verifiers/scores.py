"""Loaders of the published scorers: one file of weights, one verifier."""

from comfy_api.latest import io

from ...verifiers import aesthetic, clip_score, files, hps, image_reward, pickscore
from ...verifiers.files import Known
from ..types import CATEGORY, Verifier

VERIFIERS = f"{CATEGORY}/verifiers"
TOWER_FOLDERS = ("verifiers", "clip_vision")
ALIASES = ["verifier", "image score", "judge", "reward model", "rate images"]


def weights_input(
    name: str, known: tuple[Known, ...], about: str, folders: tuple[str, ...] = ("verifiers",)
) -> io.Combo.Input:
    """A combo of the files there are; the tooltip tells where to get the known ones there are not.

    It begins with a known one that is there, else with the first known one, though it is not offered: only a file that
    is no option is one that the front end reports as missing, and offers to download.
    """
    there = files.installed(folders)
    missing = [f"{model.file} ({model.address})" for model in known if model.file not in there]
    first = next((model.file for model in known if model.file in there), known[0].file)
    told = f" Not installed: {', '.join(missing)}." if missing else ""
    where = " or ".join(f"models/{folder}" for folder in folders)
    return io.Combo.Input(name, options=there, default=first, tooltip=f"{about} From {where}.{told}")


def verifier_output(judges: str) -> io.Output:
    return Verifier.Output(display_name="verifier", tooltip=f"{judges} For a search node or Verifier Score.")


class CLIPScoreVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CLIPScoreVerifier",
            display_name="CLIP Score Verifier",
            category=VERIFIERS,
            description="Judges how well an image fits the prompt: the cosine of image and text in a CLIP, OpenCLIP or "
            "SigLIP model. Follows the words, not beauty: combine it with an aesthetic or preference verifier.",
            search_aliases=[*ALIASES, "clip score", "siglip", "text-image similarity"],
            inputs=[
                weights_input("model", clip_score.KNOWN, "A whole model, image and text."),
                io.Combo.Input(
                    "activation",
                    options=["auto", "quick_gelu", "gelu"],
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="auto reads it from config.json or open_clip_config.json beside the weights. Without one: "
                    "quick_gelu is right for OpenAI's models, gelu for LAION's; a wrong one gives poor scores.",
                ),
            ],
            outputs=[verifier_output("Scores are cosines, about 0.15 to 0.4.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, clip_score.KNOWN)

    @classmethod
    def execute(cls, model: str, activation: str = "auto") -> io.NodeOutput:
        return io.NodeOutput(clip_score.load(files.locate(model, clip_score.KNOWN), activation))


class AestheticVerifier(io.ComfyNode):
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
                weights_input("head", aesthetic.HEADS, "The predictor: linear, or the improved one (MLP)."),
                weights_input(
                    "clip", aesthetic.TOWERS, "OpenAI's CLIP ViT-L/14, whole or its image half.", TOWER_FOLDERS
                ),
            ],
            outputs=[verifier_output("Scores are about 3 to 8.")],
        )

    @classmethod
    def validate_inputs(cls, head: str | None, clip: str | None) -> bool | str:
        found = files.check(head, aesthetic.HEADS)
        return files.check(clip, aesthetic.TOWERS, TOWER_FOLDERS) if found is True else found

    @classmethod
    def execute(cls, head: str, clip: str) -> io.NodeOutput:
        head_path = files.locate(head, aesthetic.HEADS)
        return io.NodeOutput(aesthetic.load(head_path, files.locate(clip, aesthetic.TOWERS, TOWER_FOLDERS)))


class PickScoreVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PickScoreVerifier",
            display_name="PickScore Verifier",
            category=VERIFIERS,
            description="Judges which image people would pick for the prompt: PickScore v1, trained on half a million "
            "choices of users.",
            search_aliases=[*ALIASES, "pick-a-pic", "human preference"],
            inputs=[weights_input("model", pickscore.KNOWN, "PickScore v1.")],
            outputs=[verifier_output("Scores are about 17 to 24.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, pickscore.KNOWN)

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        return io.NodeOutput(pickscore.load(files.locate(model, pickscore.KNOWN)))


class HPSVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HPSVerifier",
            display_name="HPS Verifier",
            category=VERIFIERS,
            description="Judges which image people would prefer for the prompt: Human Preference Score v2 or v2.1.",
            search_aliases=[*ALIASES, "hpsv2", "human preference score"],
            inputs=[weights_input("model", hps.KNOWN, "HPS v2 or v2.1.")],
            outputs=[verifier_output("Scores are about 0.2 to 0.35.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, hps.KNOWN)

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        return io.NodeOutput(hps.load(files.locate(model, hps.KNOWN)))


class ImageRewardVerifier(io.ComfyNode):
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
                weights_input("model", image_reward.KNOWN, "ImageReward v1.0, with BERT's vocab.txt beside it."),
            ],
            outputs=[verifier_output("Scores are about -2 to 2.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return files.check(model, image_reward.KNOWN)

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        return io.NodeOutput(image_reward.load(files.locate(model, image_reward.KNOWN)))


NODES: list[type[io.ComfyNode]] = [
    ImageRewardVerifier,
    CLIPScoreVerifier,
    AestheticVerifier,
    PickScoreVerifier,
    HPSVerifier,
]
