"""A vision-language model as judge."""

from typing import Any

from comfy_api.latest import io

from ...verifiers import files, vlm
from .base import ALIASES, VERIFIERS, verifier_output

YES, GRADE = "probability of yes", "grade"
NO_FOLDER = "none"


def folder_input() -> io.Combo.Input:
    return io.Combo.Input(
        "folder",
        options=[NO_FOLDER, *files.folders()],
        default=NO_FOLDER,
        optional=True,
        advanced=True,
        tooltip="Instead of a CLIP: a folder in models/verifiers with a vision-language model, as "
        "transformers saves it.",
    )


class VLMVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VLMVerifier",
            display_name="VLM Verifier",
            category=VERIFIERS,
            description="Lets a vision-language model look at each image. It sees what smaller judges miss (counts, "
            "positions, writing) and is slower. Connect the CLIP of a text encoder that generates, such as Qwen3-VL.",
            search_aliases=[*ALIASES, "llm grader", "qwen", "vqa score", "vision language model"],
            inputs=[
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="A text encoder that looks at images and writes, from the CLIP loader: Qwen3-VL 4B or "
                    "8B, for example. A CLIP that only encodes text can not judge.",
                ),
                io.Combo.Input(
                    "ask",
                    options=[YES, GRADE],
                    default=YES,
                    tooltip="probability of yes: how sure it is of a yes to the question; one pass of the model. "
                    "grade: it writes grades from 0 to 10; slower, and many images get the same grade.",
                ),
                io.String.Input(
                    "question",
                    default=vlm.QUESTION,
                    multiline=True,
                    optional=True,
                    tooltip="For probability of yes: the question, with {} where the prompt goes.",
                ),
                io.Combo.Input(
                    "aspect",
                    options=[vlm.OVERALL, *vlm.ASPECTS],
                    default=vlm.OVERALL,
                    optional=True,
                    tooltip="For grade: which of the grades counts.",
                ),
                io.Int.Input(
                    "tries",
                    default=3,
                    min=1,
                    max=10,
                    optional=True,
                    advanced=True,
                    tooltip="For grade: how often it is asked for an answer that can be read before it is an error.",
                ),
                folder_input(),
            ],
            outputs=[verifier_output("Scores are from 0 to 1, grades from 0 to 10.")],
        )

    @classmethod
    def execute(
        cls,
        ask: str,
        clip: Any = None,
        question: str = vlm.QUESTION,
        aspect: str = vlm.OVERALL,
        tries: int = 3,
        folder: str = NO_FOLDER,
    ) -> io.NodeOutput:
        model = model_of(clip, folder, "VLM Verifier")
        judge = vlm.YesVerifier(model, question) if ask == YES else vlm.GradeVerifier(model, aspect, tries)
        return io.NodeOutput(judge)


def model_of(clip: Any, folder: str, title: str) -> vlm.Answerer:
    """title: of the node, in messages."""
    if folder != NO_FOLDER:
        return vlm.FolderModel(files.locate(f"{folder}/config.json").parent)
    if clip is None:
        raise ValueError(f"{title}: connect a CLIP that looks at images, such as Qwen3-VL, or choose a folder.")
    return vlm.HostModel(clip)


NODES: list[type[io.ComfyNode]] = [VLMVerifier]
