"""A list of requirements as a judge."""

from typing import Any

from comfy_api.latest import io

from ...verifiers import checklist
from ...verifiers.base import require
from ..types import Verifier
from .base import ALIASES, VERIFIERS, verifier_output
from .vlm import NO_FOLDER, folder_input, model_of

TITLE = "Checklist Verifier"
MAX_LINES = 8


class ChecklistVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        line = Verifier.Input("verifier", tooltip="A judge that is a line of the list as well.")
        return io.Schema(
            node_id="ChecklistVerifier",
            display_name=TITLE,
            category=VERIFIERS,
            description="Asks a vision-language model one question for each requirement and shows which of them hold. "
            "The score is how sure it is of all of them together, so one that fails costs most. Use it with the target "
            '"all requirements hold" to stop a search when the image is right.',
            search_aliases=[*ALIASES, "requirements", "geneval", "tifa", "vqa", "questions", "vision language model"],
            inputs=[
                io.String.Input(
                    "requirements",
                    multiline=True,
                    default="",
                    tooltip="What has to be true of the image, one a line: there are two cups, the left cup is red, no "
                    "writing. A line that ends with a question mark is asked as it stands.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="A text encoder that looks at images and writes, from the CLIP loader: Qwen3-VL 4B or "
                    "8B, for example. It encodes an image once for all requirements.",
                ),
                io.Autogrow.Input(
                    "verifiers",
                    template=io.Autogrow.TemplatePrefix(line, prefix="verifier", min=0, max=MAX_LINES),
                    optional=True,
                    tooltip="Other judges as lines of the list: a Text Verifier brings its words, any other one line "
                    "that holds from a score on, see floors.",
                ),
                io.String.Input(
                    "floors",
                    default="",
                    optional=True,
                    tooltip="For the other judges, in order, the score from which each holds, as numbers with commas: "
                    "0.8, 0.5. A judge that tells of its words or requirements itself needs none, but keeps its place.",
                ),
                io.String.Input(
                    "question",
                    default=checklist.QUESTION,
                    multiline=True,
                    optional=True,
                    advanced=True,
                    tooltip="What is asked for a requirement, with {} where that goes.",
                ),
                folder_input(),
            ],
            outputs=[verifier_output("Scores are from 0 to 1.")],
        )

    @classmethod
    def execute(
        cls,
        requirements: str = "",
        clip: Any = None,
        verifiers: dict[str, Any] | None = None,
        floors: str = "",
        question: str = checklist.QUESTION,
        folder: str = NO_FOLDER,
    ) -> io.NodeOutput:
        wanted = checklist.requirements_in(requirements)
        judges = [require(judge, "not asked yet", TITLE) for judge in (verifiers or {}).values() if judge is not None]
        lines = [checklist.Line(*pair) for pair in zip(judges, _floors(floors, len(judges)), strict=True)]
        model = model_of(clip, folder, TITLE) if wanted else None
        return io.NodeOutput(checklist.ChecklistVerifier(model, wanted, lines, question))


def _floors(text: str, count: int) -> list[float]:
    try:
        given = [float(part) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"{TITLE}: floors are numbers with commas, like 0.8, 0.5; not {text!r}.") from None
    if len(given) > count:
        raise ValueError(f"{TITLE}: there are {len(given)} floors for {count} other verifiers.")
    return [*given, *[checklist.HOLDS] * (count - len(given))]


NODES: list[type[io.ComfyNode]] = [ChecklistVerifier]
